"""A copy of this project as a repository of its own, in which DVC runs; and the smallest experiments to run there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.prove.promise import ROOT

SMALLEST = """\
experiments:
  classifier: >-
    model=lenet data.source.size=32 data.source.train=96 data.source.val=32 data.source.test=32 data.batch_size=16
    trainer=cpu trainer.max_epochs=2 threads=1 logger=csv
successors:
  transfer: >-
    model=transfer model.source=outputs/classifier data.source.size=32 data.source.train=32 data.source.val=32
    data.source.test=32 data.source.seed=1 augment=none trainer=cpu trainer.max_epochs=1 threads=1 logger=csv
explanations: {}
"""


def copy_of_project(folder: Path, params: str | None = None) -> Path:
    """Copy what git knows or would take up of this project, with other experiments, and commit it."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / "dvc.lock").unlink(missing_ok=True)
    if params is not None:
        (folder / "params.yaml").write_text(params)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", "Somebody")
    git(folder, "config", "user.email", "somebody@example.org")
    commit(folder)
    return folder


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "As it is")


def dvc(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run dvc as in an activated environment, without any settings of the user's."""
    done = subprocess.run(command(*arguments), cwd=folder, env=environment(folder), capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"dvc {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dvc", *arguments]


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which `python` is this one, and DVC keeps its own files beside the repository."""
    there = folder.with_name(f"{folder.name}-dvc")
    places = {name: str(there) for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR", "DVC_SITE_CACHE_DIR")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | places | {"PATH": path, "DVC_NO_ANALYTICS": "1"}


def out_of_date(folder: Path) -> set[str]:
    """Return the stages that DVC would run now."""
    return set(json.loads(dvc(folder, "status", "--json").stdout))


def ran(output: str) -> list[str]:
    """Return the stages that a `dvc repro` says it ran."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage ")]
