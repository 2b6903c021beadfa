"""A run measured on, and predicting, other data than its own: all of it, and what it was trained on is counted."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from src.config.command import compose
from src.data.spec import DataSpec
from src.runs import evaluation, prediction, session
from src.runs.session import reopen

FOLDER = (
    *("model=lenet", "data=folder", "data.image_size=28", "data.batch_size=4", "data.source.channels=1"),
    *("augment=none", "optimizer=adam", "trainer.accelerator=cpu", "threads=1", "logger=csv"),
)


def pictures(root, count, seed, values=(1000, 1060)):
    """Write 12-bit pictures of two classes; their values differ by little of what 16 bits can hold."""
    for number, (name, value) in enumerate(zip(("healthy", "sick"), values, strict=True)):
        (root / name).mkdir(parents=True)
        for i in range(count):
            noise = np.random.default_rng([seed, number, i]).normal(value, 5, (32, 32))
            Image.fromarray(noise.astype(np.uint16)).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a run on 12-bit pictures, and the folder of its data."""
    folder = tmp_path_factory.mktemp("other")
    data = pictures(folder / "data", 20, seed=0)
    overrides = [*FOLDER, f"data.root={data}", "trainer.max_epochs=12", f"run_dir={folder / 'run'}"]
    session.start(compose("train", overrides))
    return folder / "run", data


def measured(run_dir, *overrides, split="auto"):
    run, config = reopen(str(run_dir), overrides)
    found = evaluation.evaluate(config, run, split=split, checkpoint="best", output=None)
    return found, json.loads(found.path.read_text())


def other(root):
    return ("data=folder", f"data.root={root}", "data.source.channels=1")


def test_12_bit_pictures_are_learned_without_a_key(trained):
    run_dir, _ = trained
    assert json.loads((run_dir / "metrics.json").read_text())["test/accuracy"] == 1.0
    low, high = DataSpec.load(run_dir / "data.json").span
    assert 970 < low < 1000 < 1060 < high < 1090
    assert any(
        "data.source.range=auto" in line for line in json.loads((run_dir / "record.json").read_text())["remarks"]
    )


def test_all_of_other_data_without_splits_is_measured(trained, tmp_path, capsys):
    found, written = measured(trained[0], *other(pictures(tmp_path / "new", 7, seed=1)))
    assert (written["split"], written["samples"], written["also_trained_on"]) == ("all", 14, 0)
    assert found.path.name.startswith("evaluation-all-")
    assert written["all/accuracy"] == 1.0
    found.write_predictions(tmp_path / "rows.csv")
    assert len(list(csv.DictReader((tmp_path / "rows.csv").open()))) == 14
    assert "split=auto: all 14 samples" in capsys.readouterr().err


def test_images_that_were_trained_on_are_counted(trained, tmp_path, capsys):
    run_dir, data = trained
    new = pictures(tmp_path / "new", 3, seed=2)
    for name in ("healthy", "sick"):  # all that the run knows, of which 29 were for training
        for file in (data / name).iterdir():
            (new / name / f"copy-{file.name}").write_bytes(file.read_bytes())
    _, written = measured(run_dir, *other(new))
    assert (written["samples"], written["also_trained_on"]) == (46, DataSpec.load(run_dir / "data.json").train_samples)
    assert "of 46 images were trained on, byte for byte" in capsys.readouterr().err


def test_the_runs_own_data_elsewhere_are_measured_on_the_test_split(trained, tmp_path):
    run_dir, data = trained
    (tmp_path / "moved").symlink_to(data)
    assert measured(run_dir, f"data.root={tmp_path / 'moved'}")[1]["split"] == "test"
    assert measured(run_dir)[1]["split"] == "test"
    _, whole = measured(run_dir, split="all")
    assert (whole["samples"], whole["also_trained_on"]) == (40, 29)


def test_prediction_sees_the_values_that_training_saw(trained, tmp_path):
    run_dir, _ = trained
    run, config = reopen(str(run_dir), ())
    source = pictures(tmp_path / "new", 3, seed=3)
    given = {"pictures": None, "anchor": None, "gallery": None, "checkpoint": "best", "device": "cpu"}
    rows, _ = prediction.predict(
        config, run, source=str(source), output=str(tmp_path / "p.csv"), batch_size=4, num_workers=0, **given
    )
    assert [row["class"] for row in rows] == ["healthy"] * 3 + ["sick"] * 3


def test_people_who_were_trained_on_are_counted(tmp_path, capsys):
    for number in range(8):
        for i in range(4):
            path = tmp_path / f"people/p{number}/{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng([number, i]).normal(30 * number, 8, (32, 32))
            Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)).save(path)
    data = ("data=identities", f"data.root={tmp_path / 'people'}", "data.source.channels=1", "data.image_size=28")
    rest = ("network=conv4", "data.batch_size=8", "trainer.max_epochs=1", "trainer.accelerator=cpu", "threads=1")
    fractions = ("data.val_fraction=0.3", "data.test_fraction=0.3")
    run_dir = tmp_path / "run"
    session.start(compose("train", ["model=siamese", *data, *rest, *fractions, "logger=csv", f"run_dir={run_dir}"]))
    others = tmp_path / "others"
    for name in ("p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"):  # the same people, other images
        (others / name).mkdir(parents=True)
        for i in range(2):
            Image.fromarray(np.full((32, 32), 7 * i + int(name[1]), np.uint8)).save(others / name / f"{i}.png")
    _, written = measured(run_dir, f"data.root={others}")
    assert (written["split"], written["samples"]) == ("all", 16)
    assert (written["also_trained_on"], written["people_trained_on"]) == (0, 4)  # 8 less 2 for val and 2 for test
    assert "4 of 8 identities have the names of some that were trained on" in capsys.readouterr().err
