"""What a stage depends on is held against the files as they are now, also a second time."""

from __future__ import annotations

import shutil
import subprocess
import sys

from src.runs.code import ROOT

PARAMS = "experiments: {one: model=lenet threads=1}\nsuccessors: {}\n"
EDITED_BETWEEN = """
from pathlib import Path
from src.errors import UserError
from src.runs.stages.dependencies import current, write_dependencies

write_dependencies()
current("one/train.json")
file = Path("{file}")
file.write_text(file.read_text().replace("{old}", "{new}"))
try:
    current("one/train.json")
except UserError as error:
    print(error)
"""


def said(tmp_path, **edit: str) -> str:
    """Return what a process says that finds a file edited between its two questions."""
    for place in ("src", "conf"):
        shutil.copytree(ROOT / place, tmp_path / place, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "params.yaml").write_text(PARAMS)
    command = [sys.executable, "-c", EDITED_BETWEEN.format(**edit)]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout


def test_code_that_is_edited_while_a_stage_works_is_noticed(tmp_path):
    text = said(tmp_path, file="src/networks/lenet.py", old="def lenet", new="NEW = 1\\ndef lenet")
    assert "out of date (code.src.networks.lenet)" in text


def test_so_is_a_default(tmp_path):
    text = said(tmp_path, file="conf/model/_classifier.yaml", old="label_smoothing: 0.0", new="label_smoothing: 0.1")
    assert "out of date (config.model.label_smoothing)" in text


def test_and_another_network_may_be_edited(tmp_path):
    assert (
        said(tmp_path, file="src/networks/vgg.py", old="import annotations", new="import annotations\\nNEW = 1") == ""
    )
