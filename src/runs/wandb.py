"""Weights & Biases without questions: online where a key is found, offline otherwise."""

from __future__ import annotations

import logging
import netrc
import os
from pathlib import Path
from typing import Literal

from pytorch_lightning.loggers import WandbLogger

from src.errors import UserError

log = logging.getLogger(__name__)

MODES = ("online", "offline", "disabled", "shared", "dryrun", "run")
TIMEOUT = 15
"""Seconds that W&B's server may take to begin a run."""


class WandbRun(WandbLogger):
    """A W&B run with the id of our run, so that a continued run goes on under the same one.

    `mode: auto` is online where WANDB_API_KEY or a netrc entry gives a key and offline otherwise; it never asks for
    one. WANDB_MODE in the environment decides where it is set. An offline run lies in RUN_DIR/wandb: `wandb sync` it.
    `group` is the sweep that a job belongs to.
    """

    def __init__(
        self,
        *,
        project: str,
        entity: str | None,
        mode: Literal["auto", "online", "offline", "disabled"],
        save_dir: str,
        id: str,
        name: str | None,
        tags: list[str],
        group: str | None,
    ) -> None:
        import wandb
        from wandb.errors import Error

        named = os.environ.get("WANDB_MODE")
        if named and named not in MODES:
            raise UserError(f"WANDB_MODE={named} in the environment: W&B knows {', '.join(MODES)}")
        chosen = named or (mode if mode != "auto" else "online" if has_key() else "offline")
        if chosen == "online" and not has_key():
            raise UserError(
                "logger.wandb.mode=online, but there is no key: set WANDB_API_KEY, run `wandb login`, or type offline"
            )
        wanted = {"project": project, "entity": entity}
        try:  # all that W&B refuses, before it is begun
            wandb.Settings.model_validate(wanted | {"run_id": id, "run_name": name, "run_tags": tags, "mode": chosen})
            lean = wandb.Settings(
                silent=True, console="off", x_disable_stats=True, disable_git=True, save_code=False,
                init_timeout=TIMEOUT,
            )  # fmt: skip
        except (Error, ValueError) as error:
            raise UserError(f"W&B refuses this run: {_reason(error)}; type another, or logger=csv") from error
        super().__init__(
            project=project, entity=entity, save_dir=save_dir, id=id, name=name, tags=tags, group=group, resume="allow",
            mode=chosen, settings=lean,
        )  # fmt: skip
        self._wandb_init.pop("anonymous", None)  # Lightning still passes it, and W&B warns
        if os.environ.get("LOCAL_RANK", "0") == "0" and chosen == "online":
            self._connect(fall_back=mode == "auto")
        if self._wandb_init["mode"] == "offline":
            log.info("W&B is offline: `wandb sync %s/wandb/offline-run-*` sends this run", save_dir)

    def _connect(self, *, fall_back: bool) -> None:
        """Begin the online run now; where the server does not answer or the key is refused, go offline or say so."""
        import wandb
        from wandb.errors import Error

        try:
            _ = self.experiment
        except (Error, ValueError) as error:
            reason = str(error).partition("\n")[0]
            if not fall_back:
                raise UserError(f"logger.wandb.mode=online: {reason}; type logger.wandb.mode=offline") from error
            log.warning("W&B does not answer (%s): this run is offline; `wandb sync` sends it later.", reason)
            wandb.teardown()  # else the id stays taken by the attempt
            self._wandb_init["mode"] = "offline"


def _reason(error: Exception) -> str:
    """Return what W&B says; of pydantic's report, the place and the sentence."""
    found = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in getattr(error, "errors", list)()]
    return "; ".join(found) or str(error)


def has_key() -> bool:
    """Return whether a W&B key is in the environment or in netrc."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    path = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        return netrc.netrc(str(path)).authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False
