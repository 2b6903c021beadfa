"""The same run again: identical, or it is said what differs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from src.config.command import compose
from src.errors import UserError
from src.runs import session
from src.runs.code import ROOT
from src.runs.replay import replay
from tests.training import TINY, on_top, train


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    return train(tmp_path_factory.mktemp("finished") / "run")


def again(run: Path, *overrides: str) -> None:
    replay(compose("train", [f"replay={run}", *overrides]))


def finding(run: Path) -> dict:
    return json.loads((run / "replay.json").read_text())


def test_the_same_run_again_is_identical(finished, tmp_path, capsys):
    again(finished, f"run_dir={tmp_path}/again", "data.num_workers=1", "name=second")
    found = finding(tmp_path / "again")
    assert found["identical"]
    assert found["differs"] == {}
    assert found["weights"]["tensors"] == 10  # LeNet-5: five layers with weights and biases
    lines = capsys.readouterr().out.splitlines()
    assert f"identical to {finished}: 10 tensors, 15 figures, 7 rows" in lines  # 5 logged steps and 2 epochs
    assert lines[-1] == str(tmp_path / "again" / "replay.json")


def test_a_replay_can_be_replayed_and_lies_where_runs_lie(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    again(finished)
    (first,) = (tmp_path / "runs" / "lenet-shapes").iterdir()
    again(first, f"run_dir={tmp_path}/second")
    assert finding(tmp_path / "second")["identical"]


def test_a_changed_constant_of_the_code_is_named(finished, tmp_path):
    """In a copy of the project, which is no git checkout."""
    for place in ("src", "conf"):
        shutil.copytree(ROOT / place, tmp_path / place, ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "src" / "data" / "normalize.py"
    file.write_text(file.read_text().replace("0.485", "0.487"))
    done = subprocess.run(
        [sys.executable, "-m", "src.train", f"replay={finished}", f"run_dir={tmp_path}/again"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    found = finding(tmp_path / "again")
    assert not found["identical"]
    assert not found["weights"]["identical"]
    assert found["weights"]["largest_difference"] > 0
    assert not found["metrics.csv"]["identical"]
    assert found["differs"].keys() == {"code"}
    assert found["differs"]["code"]["changed"] == ["src/data/normalize.py"]
    assert "code           1 changed: src/data/normalize.py" in done.stdout
    assert done.stderr.splitlines()[0] == "note: code: 1 changed: src/data/normalize.py"  # before hours of training
    assert "Traceback" not in done.stderr


def test_an_image_that_was_replaced_is_named(tmp_path, capsys):
    random = np.random.default_rng(0)

    def draw(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), random.integers(0, 256, (32, 32, 3), dtype=np.uint8))

    for name in "ab":
        for i in range(12):
            draw(tmp_path / "data" / name / f"{i}.png")
    options = [option for option in TINY if not option.startswith("data.source")]
    typed = ["data=folder", f"data.root={tmp_path}/data", "data.image_size=32", "data.batch_size=4"]
    session.start(compose("train", on_top(options, [*typed, f"run_dir={tmp_path}/run"])))
    draw(tmp_path / "data" / "a" / "3.png")
    draw(tmp_path / "data" / "b" / "new.png")
    with pytest.raises(SystemExit) as ended:
        again(tmp_path / "run", f"run_dir={tmp_path}/again")
    assert ended.value.code == 1
    differs = finding(tmp_path / "again")["differs"]
    assert differs.keys() == {"data"}
    assert differs["data"]["samples"] == [24, 25]
    assert differs["data"]["changed"] == ["a/3.png"]
    assert differs["data"]["added"] == ["b/new.png"]
    assert "b/new.png" not in differs["data"]["in another split"]  # where others are: one more divides otherwise
    assert "1 changed: a/3.png; 1 added: b/new.png; " in capsys.readouterr().out


@pytest.mark.parametrize("override", ["threads=2", "seed=1", "trainer.max_epochs=3", "test=false", "optimizer.lr=0.5"])
def test_what_would_change_the_result_is_refused(override, finished):
    with pytest.raises(UserError, match=f"{override} would change its result"):
        again(finished, override)


def test_threads_are_those_of_the_run_and_another_number_is_named(finished, tmp_path):
    """As where the record of another machine says more threads than were asked for here."""
    other = shutil.copytree(finished, tmp_path / "other")
    record = json.loads((other / "record.json").read_text())
    record["hardware"] |= {"processor": "Another", "host": "elsewhere"}
    record |= {"threads": 2, "versions": record["versions"] | {"torch": "2.0.0"}}
    (other / "record.json").write_text(json.dumps(record))
    again(other, f"run_dir={tmp_path}/again")
    found = finding(tmp_path / "again")
    assert found["identical"]
    assert found["differs"]["hardware"]["threads"] == [2, 1]
    assert found["differs"]["hardware"]["processor"][0] == "Another"
    assert "host" not in found["differs"]["hardware"]
    assert found["differs"]["versions"]["torch"][0] == "2.0.0"


def test_a_run_that_has_not_finished_has_nothing_to_compare_with(finished, tmp_path):
    begun = shutil.copytree(finished, tmp_path / "begun")
    (begun / "weights.safetensors").unlink()
    with pytest.raises(UserError, match="has not finished"):
        again(begun)
    with pytest.raises(UserError, match="no run directory"):
        again(tmp_path / "nowhere")
    with pytest.raises(UserError, match="leave one of them out"):
        again(finished, f"resume={finished}")


def test_a_run_from_before_there_were_replays_can_be_replayed(finished, tmp_path):
    old = shutil.copytree(finished, tmp_path / "old")
    compose_file = old / "compose.yaml"
    compose_file.write_text(compose_file.read_text().replace("  replay: null\n", ""))
    for name in ("code.json", "samples.txt.gz"):
        (old / name).unlink()
    again(old, f"run_dir={tmp_path}/again")
    assert finding(tmp_path / "again")["identical"]
