"""Each command of the README, literally, in a fresh clone with the default logger: an answer or a message.

`README_FROM` and `README_TO` are lines of the README, to run a part. What trains for hours is stopped by Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tests.prove.promise import ROOT, Promise
from tests.readme_commands import Shown, shown

PATIENCE = 150.0
"""Seconds after which a training is stopped."""
PIPELINE = 1500.0
"""Seconds that the pipeline may take."""
PROVED_ELSEWHERE = ("make ",)
REFUSED = ("model=resnt", "data=imagenette", "IMAGENET1K", "network.weights=")
"""What a machine without network answers with a message: mistakes on purpose, downloads."""


def promises() -> Iterator[Promise]:
    first, last = (int(os.environ.get(key, default)) for key, default in (("README_FROM", "1"), ("README_TO", "99999")))
    with tempfile.TemporaryDirectory() as folder:
        clone = prepared(Path(folder) / "clone")
        for command in shown():
            if command.text.startswith(PROVED_ELSEWHERE) or not first <= command.line <= last:
                continue
            yield tried(command, clone)


def prepared(clone: Path) -> Path:
    """Clone the project and put beside it what a reader has: photographs, a table of boxes, an experiment."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    (clone / ".venv").symlink_to(Path(sys.prefix))
    for kind, names in enumerate((("photos", "cat"), ("photos", "dog"), ("people", "ann"), ("people", "bob"))):
        for number in range(20):
            photograph(clone.joinpath(*names) / f"{number}.jpg", kind, number)
    rows = ["image,class,x0,y0,x1,y1"]
    for number in range(40):
        photograph(clone / "new-photos" / f"{number}.jpg", number % 2, 100 + number)
        rows.append(f"{number}.jpg,{'ab'[number % 2]},10,10,{60 + number},80")
    (clone / "new-photos" / "boxes.csv").write_text("\n".join(rows))
    for number, name in enumerate(("ann.jpg", "ann2.jpg")):
        photograph(clone / name, 2, 200 + number)
    (clone / "mine" / "experiment").mkdir(parents=True)
    (clone / "mine" / "experiment" / "first.yaml").write_text("# @package _global_\ntrainer: {max_epochs: 1}\n")
    return clone


def photograph(path: Path, kind: int, number: int) -> None:
    random = np.random.default_rng([kind, number])
    pixels = np.eye(3)[kind % 3] * 120 + 60 + random.normal(0, 30, (96, 128, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


def tried(command: Shown, clone: Path) -> Promise:
    text = command.text.replace("FOLDER", folder_for(command.text))
    name = f"README line {command.line}: {text}"
    if "FOLDER" in text:
        return Promise(name, "DATA_ROOT is not set", "no traceback", None)
    start = time.monotonic()
    code, output = run(text, clone, PIPELINE if text.startswith("dvc") else PATIENCE)
    allowed = (0, 2, 130) if any(part in text for part in REFUSED) else (0, 130)
    kept = code in allowed and "Traceback (most recent call last)" not in output
    if not kept:
        print(f"--- {name}\n{output[-3000:]}", flush=True)
    stopped = " (stopped by Ctrl-C)" if code == 130 else ""
    return Promise(name, f"exit code {code}{stopped}, {time.monotonic() - start:.0f} s", "no traceback", kept)


def folder_for(text: str) -> str:
    """Return what stands for FOLDER in a command: the reader's photographs, or real data where there are some."""
    if "boxes_csv" in text:
        return "new-photos"
    return "photos" if "data=folder" in text else os.environ.get("DATA_ROOT", "FOLDER")


def run(text: str, clone: Path, patience: float) -> tuple[int, str]:
    """Run a command in the clone as a shell does; Ctrl-C after `patience` seconds."""
    path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
    output = clone.parent / "output.txt"
    with output.open("w") as file:
        process = subprocess.Popen(
            ["bash", "-c", f"trap - INT; exec {text}"],
            cwd=clone,
            env=os.environ | {"PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return process.returncode, output.read_text(errors="replace")
