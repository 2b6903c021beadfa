"""One job of a sweep: what it is known by, and what is on disk of it."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from src.config.effects import PEOPLE, PLACES, READING, SAVING, TRUST, within
from src.config.groups import leaves
from src.files import write_json
from src.runs.record import read_record
from src.sweeps import locks

State = Literal["new", "running", "finished", "pruned", "failed", "interrupted", "stale"]

CONTROL = ("sweep", "sweep_dir", "search", "pruner", "hydra", "runs_dir", "resume", "replay", "run_dir")
"""Sections and keys that say how a sweep is carried out, not what its jobs are."""
INERT = ("threads", *PEOPLE, *PLACES, *READING, *SAVING, *TRUST)
"""Keys that may change without the result of a finished job becoming another."""


def digest_of(config: Mapping[str, Any]) -> str:
    """Return the digest of a resolved configuration, of all in it that a job's result depends on."""
    values = {key: value for key, value in leaves(config).items() if not within(key, (*CONTROL, *INERT))}
    return hashlib.blake2b(json.dumps(values, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()


def is_control(key: str) -> bool:
    """Return whether an override says how the sweep is carried out, so that it does not go to its jobs."""
    return within(key.replace("/", "."), CONTROL)


def word(text: str) -> str:
    """Return text as part of a directory's name that a command line can hold."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-")


def short_digest(lines: Sequence[str]) -> str:
    """Return eight letters that stand for lines of text."""
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=4).hexdigest()


@dataclass
class Job:
    """A point of a sweep. It is known by the hash of its sorted overrides, wherever it stands in whichever order."""

    folder: Path
    """The sweep's directory."""
    overrides: tuple[str, ...]
    swept: Mapping[str, str]
    """The values of the swept keys, as typed."""
    config: Mapping[str, Any]
    """As composed now, resolved."""
    flags: tuple[str, ...] = ()
    """Hydra's own options that the sweep was started with: `--config-dir FOLDER`."""
    trial: int | None = None
    """Its number in the study of a search."""
    known: dict[str, Any] = field(default_factory=dict)
    """What job.json says."""

    def __post_init__(self) -> None:
        """Read what earlier starts of the sweep wrote down."""
        self.known = read_job(self.path)

    @property
    def name(self) -> str:
        """A directory name that a person can read: the swept values, and the hash."""
        shown = word("-".join(f"{key.rpartition('.')[2]}-{rounded(value)}" for key, value in self.swept.items()))
        return f"{shown[:80]}-{short_digest(sorted(self.overrides))}".lstrip("-")

    @property
    def path(self) -> Path:
        """Its run directory."""
        return self.folder / self.name

    @property
    def lock(self) -> Path:
        """The file that is locked while a process of the job lives."""
        return self.path / locks.JOB

    @property
    def log(self) -> Path:
        """What the job prints."""
        return self.path / "output.txt"

    @property
    def has_run(self) -> bool:
        """Whether it has begun, so that it is continued rather than started."""
        return (self.path / "compose.yaml").exists()

    @property
    def status(self) -> State | None:
        """How its record says that it ended, or that it runs; `failed` where the sweep cannot use what it reached."""
        return "failed" if self.known.get("rejected") else read_record(self.path).get("status")

    def state(self) -> State:
        """Return how it stands, from what is on disk: a state that no process held is one of a process that died."""
        if locks.is_held(self.lock):
            return "running"
        if self.has_run and self.known.get("digest") != digest_of(self.config):
            return "stale"
        if (status := self.status) in ("finished", "pruned", "failed", "interrupted"):
            return status
        code = (self.known.get("attempts") or [{}])[-1].get("exit_code")
        if code is None:
            return "interrupted" if self.known.get("attempts") else "new"
        return "interrupted" if code < 0 or code >= 128 else "failed"

    def reason(self) -> str:
        """Return why it ended as it did: what the record says, else the last line that it printed."""
        if rejected := self.known.get("rejected"):
            return str(rejected)
        if reason := read_record(self.path).get("reason"):
            return str(reason).partition("\n")[0]
        attempts = self.known.get("attempts") or [{}]
        code = attempts[-1].get("exit_code")
        if why := attempts[-1].get("why"):
            return str(why)
        if code is not None and code < 0:
            return f"killed by signal {-code}"
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return lines[-1] if lines and code else ""

    def figures(self) -> dict[str, float]:
        """Return the final figures, empty where there are none yet."""
        try:
            figures = json.loads((self.path / "metrics.json").read_text())
        except (OSError, ValueError):
            return {}
        return {str(key): float(value) for key, value in figures.items()}

    def begin(self, study: Mapping[str, Any] | None, gpus: Sequence[str] = (), *, slurm_job: int | None = None) -> None:
        """Write down that it starts, before it does: what it is, and which attempt this is, with which GPUs.

        `slurm_job` is the attempt's number in SLURM, which tells it from attempts that were submitted before.
        """
        attempt = {"start": _now(), "end": None, "exit_code": None, "gpus": list(gpus), "slurm_job": slurm_job}
        self.known |= {
            "sweep": self.folder.name,
            "overrides": list(self.overrides),
            "swept": dict(self.swept),
            "digest": digest_of(self.config),
            "trial": self.trial,
            "study": study,
            "rejected": None,
            "attempts": [*self.known.get("attempts", []), attempt],
        }
        write_json(self.path / "job.json", self.known)

    def end(self, exit_code: int | None, why: str | None = None) -> None:
        """Write down how it ended, unless that was done; None where nobody knows, as another sweep had started it.

        Nothing is written of one that a scheduler ended before it had begun. `why` is the scheduler's word for it.
        """
        self.known = read_job(self.path)
        attempts = self.known.get("attempts")
        if attempts and (attempt := attempts[-1])["end"] is None:
            attempt |= {"end": _now(), "exit_code": exit_code, "why": why}
            write_json(self.path / "job.json", self.known)

    def reject(self, why: str) -> None:
        """Write down that the sweep has no use for what the job reached, so that it has failed."""
        self.known = read_job(self.path) | {"rejected": why}
        write_json(self.path / "job.json", self.known)

    def put_aside(self) -> Path:
        """Move what is there of it to a name beside it, so that it can run anew and nothing is lost."""
        number = 1
        while (aside := self.path.with_name(f"{self.name}.stale{number}")).exists():
            number += 1
        self.path.rename(aside)
        self.known = {}
        return aside

    def arguments(self, threads: int | None) -> list[str]:
        """Return what stands behind `python -m src.train`: a new run, or the continuation of one."""
        if self.has_run:
            return [f"resume={self.path}"]
        own = [f"threads={threads}"] if threads is not None and self.config["threads"] == "auto" else []
        return [*self.flags, *self.overrides, *own, f"run_dir={self.path}"]


def read_job(run_dir: Path) -> dict[str, Any]:
    """Return what job.json in a run directory says; empty where the run is not one of a sweep."""
    try:
        known = json.loads((run_dir / "job.json").read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def gpus_of(known: Mapping[str, Any]) -> list[str]:
    """Return the GPUs that a job's last attempt was lent, as CUDA_VISIBLE_DEVICES names them."""
    return list((known.get("attempts") or [{}])[-1].get("gpus", []))


def rounded(value: str) -> str:
    """Return a long number short enough for a name; the hash keeps names apart."""
    try:
        return value if len(value) < 8 else f"{float(value):.4g}"
    except ValueError:
        return value


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
