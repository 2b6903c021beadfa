"""The DVC pipeline: in time, to the same bits in every clone, after a kill too; experiments, a queue, a remote."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.pipelines.repository import (
    SMALLEST,
    command,
    commit,
    copy_of_project,
    dvc,
    environment,
    git,
    ran,
)
from tests.prove.promise import ROOT, Promise

STATUS_RUNS = 5


def promises() -> Iterator[Promise]:
    with tempfile.TemporaryDirectory() as folder:
        yield from whole(Path(folder, "whole"))
        yield from same_bits(Path(folder, "first"), Path(folder, "elsewhere", "second"))
        small = copy_of_project(Path(folder, "small"), SMALLEST.replace("max_epochs=2", "max_epochs=6"))
        yield killed(small)
        yield from experiments(small)
        yield from pulled(small, Path(folder, "pulled"), Path(folder, "remote"))


def whole(folder: Path) -> Iterator[Promise]:
    """The default preset as a newcomer runs it, and again."""
    copy_of_project(folder)
    seconds = timed(folder, "repro")
    yield Promise("dvc repro, default preset: seconds", f"{seconds:.0f}", "<= 600", seconds <= 600)
    again = dvc(folder, "repro")
    yield Promise("dvc repro again: stages that run", f"{len(ran(again.stdout))}", "0", not ran(again.stdout))
    pairs = [(timed(folder, "repro"), timed(folder, "status")) for _ in range(STATUS_RUNS)]
    ratio = sorted(repro / status for repro, status in pairs)[STATUS_RUNS // 2]
    yield Promise("dvc repro with nothing to do, against dvc status", f"{ratio:.2f}", "<= 1.5", ratio <= 1.5)


def same_bits(first: Path, second: Path) -> Iterator[Promise]:
    """`dvc.lock` after forced runs of the tiny preset, three in one clone and one in another."""
    copy_of_project(first, (ROOT / "params" / "tiny.yaml").read_text())
    seconds = timed(first, "repro")
    yield Promise("dvc repro, tiny preset: seconds", f"{seconds:.0f}", "<= 90", seconds <= 90)
    commit(first)
    lock = (first / "dvc.lock").read_text()
    second.parent.mkdir(parents=True)
    git(first.parent, "clone", "-q", str(first), str(second))
    for number, folder in enumerate((first, first, first, second), 1):
        starts = {path: path.stat().st_mtime for path in folder.glob("build/runs/*/record.json")}
        done = dvc(folder, "repro", "--force")
        trained = [path for path in folder.glob("build/runs/*/record.json") if path.stat().st_mtime != starts.get(path)]
        kept = (folder / "dvc.lock").read_text() == lock and len(trained) == 5
        found = f"{'same' if kept else 'another'} dvc.lock, {len(ran(done.stdout))} stages, {len(trained)} trainings"
        yield Promise(f"dvc repro --force, {number} of 4", found, "same dvc.lock, 5 trainings", kept)


def killed(folder: Path) -> Promise:
    """Kill `dvc repro` inside a training, and let it go on; then the lock of a run that nobody disturbed."""
    process = subprocess.Popen(
        command("repro"), cwd=folder, env=environment(folder), start_new_session=True, stdout=subprocess.DEVNULL
    )
    last = folder / "build" / "runs" / "classifier" / "checkpoints" / "last.ckpt"
    end = time.monotonic() + 300
    while not last.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for name in ("rwlock", "lock"):
        (folder / ".dvc" / "tmp" / name).unlink(missing_ok=True)
    dvc(folder, "repro")
    continued = json.loads((folder / "build" / "runs" / "classifier" / "record.json").read_text())["continued"]
    lock = (folder / "dvc.lock").read_text()
    commit(folder)
    dvc(folder, "repro", "--force")
    kept = (folder / "dvc.lock").read_text() == lock and len(continued) == 1
    found = f"{len(continued)} continuation, {'same' if kept else 'another'} dvc.lock"
    return Promise("killed inside dvc repro, and again", found, "1 continuation, same dvc.lock", kept)


def experiments(folder: Path) -> Iterator[Promise]:
    """An experiment in the workspace, three in the queue, all with their figures in the table."""
    base = "model=lenet data.source.size=32 data.source.train=96 data.source.val=32 data.source.test=32 trainer=cpu"

    def typed(rate: str) -> str:
        return f'experiments.classifier="{base} trainer.max_epochs=1 threads=1 logger=csv optimizer.lr={rate}"'

    dvc(folder, "exp", "run", "-n", "one", "-S", typed("0.05"))
    for rate in ("0.1", "0.2", "0.3"):
        dvc(folder, "exp", "run", "--queue", "-n", f"queued-{rate[2:]}", "-S", typed(rate))
    dvc(folder, "queue", "start")
    end = time.monotonic() + 900
    while "Running" in (states := dvc(folder, "queue", "status").stdout) or "Queued" in states:
        if time.monotonic() > end:
            break
        time.sleep(2)
    rows = json.loads(dvc(folder, "exp", "show", "--json").stdout)
    found = {name for name, data in shown(rows) if "test/accuracy" in json.dumps(data.get("metrics"))}
    wanted = {"one", "queued-1", "queued-2", "queued-3"}
    each = {json.dumps(data.get("metrics")) for name, data in shown(rows) if name in wanted}
    yield Promise(
        "dvc exp run -S, and a queue of three: shown with metrics",
        f"{', '.join(sorted(found & wanted))}, {len(each)} different figures", "all four, 4 different figures",
        wanted <= found and len(each) == 4,
    )  # fmt: skip


def shown(rows: list[dict]) -> Iterator[tuple[str, dict]]:
    """Yield name, and parameters and metrics, of the experiments in the output of `dvc exp show --json`."""
    for row in rows:
        for experiment in row.get("experiments") or ():
            for revision in experiment["revs"]:
                if revision.get("data"):
                    yield str(revision.get("name")), revision["data"]


def pulled(folder: Path, other: Path, remote: Path) -> Iterator[Promise]:
    """Another clone that pulls has nothing to do, and evaluates without training."""
    git(folder, "checkout", "-q", ".")
    dvc(folder, "checkout", "--force")
    dvc(folder, "remote", "add", "--force", "-d", "somewhere", str(remote))
    dvc(folder, "push")
    commit(folder)
    git(folder.parent, "clone", "-q", str(folder), str(other))
    dvc(other, "pull")
    nothing = ran(dvc(other, "repro").stdout)
    shutil.rmtree(other / "build" / "runs", ignore_errors=True)
    done = dvc(other, "repro", "--force", "--single-item", "evaluate@classifier")
    same = git(other, "status", "--porcelain", "dvc.lock") == ""
    kept = not nothing and ran(done.stdout) == ["evaluate@classifier"] and same and not (other / "build/runs").exists()
    found = f"{len(nothing)} stages after the pull; evaluated without training, {'same' if same else 'another'} lock"
    yield Promise("another clone pulls from a remote", found, "0 stages; same lock", kept)


def timed(folder: Path, *arguments: str) -> float:
    start = time.monotonic()
    dvc(folder, *arguments)
    return time.monotonic() - start
