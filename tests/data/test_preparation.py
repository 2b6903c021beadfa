"""`python -m src.prepare` as a user types it: what it writes is what trainings find."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from src.config.command import compose
from src.errors import UserError
from src.runs import session
from tests.data.media.test_packed import photographs
from tests.prove.promise import ROOT, command
from tests.training import TINY, on_top


def run(*typed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("prepare", *typed), cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )


def test_what_is_prepared_is_found_by_a_training(tmp_path, caplog):
    root, cache = photographs(tmp_path / "photographs", 60), f"data.cache_dir={tmp_path}/cache"
    data = ("data=folder", f"data.root={root}", "data.working_size=36", cache)
    done = run(*data)
    assert done.returncode == 0, done.stderr
    *said, folder = done.stdout.splitlines()
    assert "2 classes" in said[0]
    assert "36 pixels on the shorter side" in said[-1]
    assert (Path(folder) / "images.u8").stat().st_size > 60 * 36 * 36 * 3
    written = {path: path.stat().st_mtime_ns for path in Path(folder).iterdir()}
    least = [o for o in TINY if not o.startswith("data.source")]
    typed = on_top(least, [*data, "data.image_size=32", "trainer.max_epochs=1", f"run_dir={tmp_path}/run"])
    session.start(compose("train", typed))
    assert f"data.store=auto: packed, {0.3:.1f} MiB in {folder}" in (tmp_path / "run" / "log.txt").read_text()
    assert {path: path.stat().st_mtime_ns for path in Path(folder).iterdir()} == written
    assert run(*data).stdout.splitlines()[-1] == folder


def test_without_a_store_it_still_reads_every_file(tmp_path):
    root = photographs(tmp_path / "photographs")
    typed = ("data=folder", f"data.root={root}", f"data.cache_dir={tmp_path}/cache")
    done = run(*typed, "data.store=files")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(root)
    assert not (tmp_path / "cache" / "packed").exists()
    (root / "a" / "000.jpg").write_bytes(b"no image")
    done = run(*typed, "data.store=files")
    assert done.returncode == 2
    assert "000.jpg is not an image" in done.stderr
    assert "Traceback" not in done.stderr
    done = run(*typed, "data.on_bad_sample=skip")
    assert done.returncode == 0
    assert "1 left out" in done.stdout


def test_a_store_for_the_device_is_packed_and_named(tmp_path):
    done = run("data=shapes", "data.source.train=8", "data.store=device", f"data.cache_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    *_, said, folder = done.stdout.splitlines()
    assert said.startswith("packed at the size of the files")
    assert (Path(folder) / "images.u8").exists()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["data.rooot=x"], "did you mean root"),
        (["model=resnet"], "prepare has no model"),
        (["optimizer.lr=0.1"], "prepare has no optimizer"),
        (["data=imagnette"], "did you mean imagenette"),
        (["data.store=pack"], "packed"),
        (["data.working_size=0"], "working_size"),
    ],
)
def test_mistakes_are_told(typed, words):
    with pytest.raises(UserError, match=words):
        compose("prepare", typed)


def test_a_square_needs_its_side(tmp_path):
    done = run("data=shapes", "data.source.train=8", "data.working_shape=square", f"data.cache_dir={tmp_path}")
    assert done.returncode == 2
    assert "data.working_size" in done.stderr
