"""Where a run lives on disk (design, section 6)."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from src.errors import UserError
from src.runs.record import status_of
from src.sweeps import locks


@dataclass(frozen=True)
class RunDirectory:
    """The files of one run, by name. All paths follow `path`, so a directory can be moved."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def compose(self) -> Path:
        """The configuration before its references were resolved, and what was typed."""
        return self.path / "compose.yaml"

    @property
    def data(self) -> Path:
        """What the model knows of its data."""
        return self.path / "data.json"

    @property
    def record(self) -> Path:
        """Who, when, with what, and how it ended."""
        return self.path / "record.json"

    @property
    def metrics(self) -> Path:
        """The final figures."""
        return self.path / "metrics.json"

    @property
    def weights(self) -> Path:
        """The best weights alone."""
        return self.path / "weights.safetensors"

    def remove_half_written(self) -> None:
        """Remove what a killed process was writing; only for the process that holds the run."""
        for part in self.path.rglob(".*.part"):
            part.unlink(missing_ok=True)

    def checkpoint(self, name: str) -> Path:
        """Return the path of checkpoint `best` or `last`."""
        return self.path / "checkpoints" / f"{name}.ckpt"

    def chosen_checkpoint(self) -> Path:
        """Return the checkpoint whose weights count: the best, or the last where nothing was validated."""
        best = self.checkpoint("best")
        return best if best.exists() else self.checkpoint("last")


def open_run(path: str | Path) -> RunDirectory:
    """Return an existing run. Raises UserError where `path` is not a run directory, with the nearest that is."""
    run = RunDirectory(Path(path))
    if run.compose.exists():
        return run.__class__(run.path.resolve())
    if not run.path.exists():
        raise UserError(f"no run directory {path}")
    inside = sorted(str(found.parent) for found in run.path.glob("**/compose.yaml"))
    hint = f"; it holds runs: {', '.join(inside[-3:])}" if inside else ""
    raise UserError(f"{path} is not a run directory: it has no compose.yaml{hint}")


def new_run(run_dir: str | None, runs_dir: str, name: str, overrides: Sequence[str]) -> RunDirectory:
    """Make the directory of a new run: `run_dir`, or RUNS_DIR/NAME/DATETIME-HASH.

    One that failed before it had read its data, as after a mistake in what was typed, leaves its place to the next.
    Raises UserError where it holds a run already: nothing that was learned is ever overwritten.
    """
    if run_dir is not None:
        path = Path(run_dir)
        if path.exists() and not path.is_dir():
            raise UserError(f"run_dir={run_dir} is a file; name a folder that is new or empty")
        if (path / "compose.yaml").exists() and not _never_began(RunDirectory(path)):
            raise UserError(
                f"run_dir={run_dir} holds a run already; type resume={run_dir} to continue it, or name another"
            )
        if strangers := _strangers(path):
            raise UserError(
                f"run_dir={run_dir} is no place for a run: it holds {strangers[0]}"
                f"{f' and {len(strangers) - 1} more' if len(strangers) > 1 else ''}; name a folder that is new or empty"
            )
        _make(path)
        return RunDirectory(path.resolve())
    now = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    path = Path(runs_dir) / name / f"{now}-{overrides_digest(overrides)}"
    while not _make(path, new=True):
        path = path.with_name(path.name + "+")
    return RunDirectory(path.resolve())


def overrides_digest(overrides: Sequence[str]) -> str:
    """Return the letters at the end of a run directory's name, which stand for what was typed."""
    return hashlib.blake2b("\n".join(sorted(overrides)).encode(), digest_size=3).hexdigest()


def _strangers(path: Path) -> list[str]:
    """Return what a folder holds that no run, not even one that had hardly begun, would have put there."""
    ours = {"config.yaml", "record.json", "log.txt", "ranks", "code.json", "job.json", "output.txt", "stage.digest"}
    if not path.is_dir() or (path / "compose.yaml").exists():
        return []
    return sorted(file.name for file in path.iterdir() if file.name not in ours and not file.name.startswith("."))


def _never_began(run: RunDirectory) -> bool:
    """Tell whether a run failed before anything of it could be of use."""
    useful = (run.data, run.metrics, run.weights, run.path / "checkpoints", run.path / "metrics.csv")
    return status_of(run.path) == "failed" and not any(path.exists() for path in useful)


def _make(path: Path, *, new: bool = False) -> bool:
    """Make a directory; return False where it had to be `new` and another process was faster."""
    try:
        path.mkdir(parents=True, exist_ok=not new)
        return True
    except FileExistsError:
        return False
    except OSError as error:
        raise UserError(f"cannot make the run directory {path}: {error.strerror}; type run_dir=SOMEWHERE") from error


def link_latest(run: RunDirectory, runs_dir: Path) -> None:
    """Point RUNS_DIR/latest at a run that begins to train, by a relative link put in place in one step.

    A run elsewhere (`run_dir=`) has no link.
    """
    folder = runs_dir.resolve()
    if not run.path.is_relative_to(folder):
        return
    link = folder / f".latest.{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(run.path, folder))
    link.replace(folder / "latest")


def lock_run(run: RunDirectory) -> FileLock:
    """Hold a run while it trains; the system lets go of it however the process ends.

    Raises UserError where another process holds it.
    """
    lock = FileLock(run.path / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(f"{run.path} is in use: another process trains this run now") from error
    return lock


@contextlib.contextmanager
def hold_job(run: RunDirectory) -> Iterator[None]:
    """Hold a sweep's job that a person continues by hand, so that its sweep sees it running and waits for it.

    A job that its sweep has started has inherited the lock and holds it already. Raises UserError where another process
    does.
    """
    path = run.path / locks.JOB
    if not (run.path / "job.json").exists() or locks.has_open(path):
        yield
        return
    descriptor = locks.hold(path)
    if descriptor is None:
        raise UserError(f"{run.path} is in use: its sweep trains this run now")
    try:
        locks.leave_word(descriptor, str(os.getpid()))
        yield
    finally:
        os.close(descriptor)
