"""Which process of a training this is, and how all of them learn of its one run directory.

Lightning starts further processes itself, with the run directory on their command line. torchrun and srun start all of
them alike, so the first has to tell the others: through torchrun's store, or a file named after the SLURM step.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.errors import UserError
from src.files import write_json

PATIENCE = 300
"""Seconds that a further process waits for the first to say where the run is."""


PARENT = "CONVPIPE_PARENT"
"""The environment variable with the process number of the one that started further ones."""


@dataclass(frozen=True)
class Told:
    """What the first process says: the run directory, whether it is continued, and with which changes."""

    path: str
    resume: bool
    overrides: tuple[str, ...] = ()


def is_first() -> bool:
    """Return whether this is the process that keeps the record, of those that train together."""
    if is_started_with_others():
        return _task() == 0
    return _local_rank() == _machine() == 0


def rank(trainer: Mapping[str, Any]) -> int:
    """Return the number of this process among those that train together, from 0."""
    if is_started_with_others():
        return _task()
    return _machine() * _processes_of(trainer) + _local_rank() if _machine() else _local_rank()


def is_started_with_others() -> bool:
    """Return whether torchrun or srun has started all processes, of which none knows the run directory."""
    return _by_torchrun() or _by_srun()


def devices_of(trainer: Mapping[str, Any]) -> int | None:
    """Return how many processes a machine has by `trainer.devices`; None where Lightning is to find that out."""
    devices = trainer.get("devices")
    if isinstance(devices, list):
        return len(devices)
    return devices if isinstance(devices, int) and devices > 0 else None


def require_started(trainer: Mapping[str, Any], devices: int | None) -> None:
    """Raise UserError where torchrun or srun started another number of processes than are to train together.

    Each that Lightning does not count would train everything, into the same files. `devices` are those of a machine,
    None where nobody knows yet.
    """
    if not is_started_with_others() or devices is None:
        return
    nodes = trainer.get("num_nodes", 1)
    starter, variable = ("torchrun", "WORLD_SIZE") if _by_torchrun() else ("srun", "SLURM_STEP_NUM_TASKS")
    count = int(os.environ[variable])
    if count != devices * nodes:
        raise UserError(
            f"{starter} started {count} processes; trainer.devices={trainer.get('devices')} on trainer.num_nodes="
            f"{nodes} machines are {devices * nodes}. Type trainer=ddp (on CPUs ddp_cpu) with trainer.devices=, the "
            f"processes of a machine, and trainer.num_nodes=, whose product is {count}, or start {devices * nodes}"
        )


def tell(told: Told, runs_dir: Path) -> None:
    """Tell the other processes where the run is, where they cannot know."""
    _send({"path": told.path, "resume": told.resume, "overrides": list(told.overrides)}, runs_dir)


def tell_nothing(runs_dir: Path, exit_code: int = 0) -> None:
    """Tell the other processes that there is nothing to train, and to end with an exit code."""
    _send({"exit_code": exit_code}, runs_dir)


@contextlib.contextmanager
def ending_others(runs_dir: Path) -> Iterator[None]:
    """Have the other processes, which wait to be told, end where this one fails before it tells them."""
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(Exception):  # what went wrong first is what a person should see
            tell_nothing(runs_dir, exit_code=2 if isinstance(error, UserError) else 1)
        raise


def listen(runs_dir: Path) -> Told:
    """Return what the first process says. Ends this process where it says that there is nothing to train.

    Raises UserError where it says nothing for minutes.
    """
    message = json.loads(_store().get("run")) if _by_torchrun() else _wait_for(_step_file(runs_dir))
    if "exit_code" in message:
        sys.exit(message["exit_code"])
    return Told(message["path"], message["resume"], tuple(message["overrides"]))


def environments() -> list[Any]:
    """Return what Lightning is told of who started the processes, where SLURM's variables would mislead it.

    It takes any process of an allocation for one of as many as there are tasks, and would answer SIGUSR1 by a
    checkpoint and a requeue of its own. Raises UserError where srun was not told how many tasks a node has.
    """
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

    if _by_torchrun() or not any(name.startswith("SLURM_") for name in os.environ):
        return []
    if not _by_srun():
        return [LightningEnvironment()]
    try:
        return [SLURMEnvironment(auto_requeue=False)]
    except RuntimeError as error:
        raise UserError(f"srun: {error}") from error


def be_parent() -> None:
    """Say which process this is to those that it starts, for `end_with_parent`."""
    os.environ[PARENT] = str(os.getpid())


def end_with_parent() -> None:
    """Have the system end this further process when the one that started it dies, however it does (Linux).

    Called before anything takes time; where the other has died by then, the process ends at once.
    """
    parent = os.environ.get(PARENT)
    if parent is None or _local_rank() == 0 or is_started_with_others() or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != int(parent):
        sys.exit("The process that started this one has ended")


def is_loss_of_others(error: BaseException) -> bool:
    """Return whether an error is that of an exchange with processes that have died or cannot be reached."""
    import torch.distributed

    distributed: Any = torch.distributed
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, distributed.DistError) or "gloo/transport" in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def loss_message(error: BaseException, trainer: Mapping[str, Any], run_dir: Path) -> str:
    """Return what to tell a person whose process has lost the others, and what to type."""
    own, strategy = rank(trainer), trainer["strategy"]
    waited = "the time that Lightning waits"
    if isinstance(strategy, Mapping) and "timeout" in strategy:
        waited = f"trainer.strategy.timeout={strategy['timeout']} seconds"
    said = str(error).rpartition("] ")[2] if "gloo/transport" in str(error) else str(error)
    return (
        f"Process {own} on {platform.node()} has lost the other processes of {run_dir}{_others(run_dir, own)}: "
        f"{said.strip()}\nThey ended, or were not heard of within {waited}: see what they printed. The run goes on "
        f"from its last checkpoint where all are started again, with resume={run_dir}, or as they were with "
        f"resume=auto and run_dir={run_dir}."
    )


def note(run_dir: Path, number: int, **values: Any) -> None:
    """Write down what further process `number` is, and where."""
    write_json(run_dir / "ranks" / f"{number}.json", {"host": platform.node(), **values})


def _others(run_dir: Path, own: int) -> str:
    """Return which the other processes are, as far as they have noted themselves."""
    hosts = {int(path.stem): json.loads(path.read_text()).get("host", "?") for path in run_dir.glob("ranks/*.json")}
    named = [f"{number} on {host}" for number, host in sorted(hosts.items()) if number != own]
    return f" ({', '.join((['0'] if own else []) + named)})" if named or own else ""


def without_key(arguments: Sequence[str], *keys: str) -> list[str]:
    """Return command line arguments without the overrides of some keys."""
    return [text for text in arguments if text.lstrip("+").partition("=")[0] not in keys]


def _processes_of(trainer: Mapping[str, Any]) -> int:
    """Return how many processes a machine has: as typed, or one for each GPU."""
    if (devices := devices_of(trainer)) is not None:
        return devices
    import torch

    return max(1, torch.cuda.device_count())


def _task() -> int:
    return int(os.environ["RANK" if _by_torchrun() else "SLURM_PROCID"])


def _machine() -> int:
    return int(os.environ.get("NODE_RANK", "0"))


def _local_rank() -> int:
    return int(os.environ.get("LOCAL_RANK", "0"))


def _by_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ and "RANK" in os.environ


def _by_srun() -> bool:
    """Return whether this is one of several tasks of a SLURM step; the batch script itself is none."""
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    return tasks > 1 and "SLURM_PROCID" in os.environ and "SLURM_STEP_ID" in os.environ


def _send(message: Mapping[str, Any], runs_dir: Path) -> None:
    if _by_torchrun():
        _store().set("run", json.dumps(message))
    elif _by_srun():
        write_json(_step_file(runs_dir), message)


def _store() -> Any:
    from datetime import timedelta

    import torch.distributed

    dist: Any = torch.distributed

    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        raise UserError("torchrun with a static rendezvous cannot tell the processes of one another: type run_dir=...")
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = dist.TCPStore(host, port, is_master=False, timeout=timedelta(seconds=PATIENCE))
    return dist.PrefixStore(f"convpipe/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)


def _step_file(runs_dir: Path) -> Path:
    names = ("SLURM_JOB_ID", "SLURM_RESTART_COUNT", "SLURM_STEP_ID")
    return runs_dir / ".slurm" / f"{'-'.join(os.environ.get(name, '0') for name in names)}.json"


def _wait_for(path: Path) -> dict[str, Any]:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            found = json.loads(path.read_text())
        except (OSError, ValueError):
            time.sleep(0.2)
            continue
        assert isinstance(found, dict)
        return found
    raise UserError(f"the first process of this SLURM step said nothing for {PATIENCE} seconds: {path} does not exist")
