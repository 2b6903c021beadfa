"""Sets of experiments to choose from: params.yaml, which DVC reads, is a copy of one of params/, or the user's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from src.config.problems import did_you_mean, listing
from src.errors import UserError
from src.files import write_text
from src.runs.stages.places import PARAMS

PRESETS = Path("params")


def use(name: str) -> None:
    """Put a preset in place of params.yaml.

    Raises UserError where there is no such preset, or where params.yaml holds what is neither in a preset nor in git.
    """
    names = sorted(path.stem for path in PRESETS.glob("*.yaml"))
    if name not in names:
        raise UserError(f"{PRESETS}/{name}.yaml: no such preset; {did_you_mean(name, names) or listing(names)}")
    if PARAMS.exists() and not (_is_preset(names) or _is_committed()):
        raise UserError(
            f"{PARAMS} has changes of your own that would be lost: commit them, or keep them under a name with "
            f"cp {PARAMS} {PRESETS}/mine.yaml"
        )
    write_text(PARAMS, (PRESETS / f"{name}.yaml").read_text(encoding="utf-8"))


def _is_preset(names: list[str]) -> bool:
    return PARAMS.read_bytes() in [(PRESETS / f"{name}.yaml").read_bytes() for name in names]


def _is_committed() -> bool:
    done = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", str(PARAMS)], capture_output=True, check=False)
    return done.returncode == 0
