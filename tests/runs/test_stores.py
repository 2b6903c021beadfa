"""Where samples are read from changes no bit of a training, and no figure of an evaluation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import pytest
import torch

from src.config.command import compose
from src.data.sources.shapes import Shapes
from src.runs import session
from src.runs.evaluation import evaluate
from tests.prove.promise import same, tensors
from tests.training import TINY, on_top, resume

LEAST = [o for o in TINY if not o.startswith("data.source")]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A folder per class of drawn pictures, of several sizes, as JPEG."""
    root = tmp_path_factory.mktemp("drawn")
    source = Shapes(size=48, train=180, val=1, test=1, identities=7, max_objects=1, nothing=0.0, seed=0)
    for index in range(180):
        sample = source.read(index)
        path = root / source.classes[sample["label"]] / f"{index:03d}.jpg"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), sample["image"][: 48 - index % 9, : 40 + index % 7, ::-1])
    return root


def train(run_dir: Path, root: Path, *overrides: str) -> Path:
    typed = [*LEAST, "data=folder", f"data.root={root}", "data.image_size=32", f"run_dir={run_dir}"]
    session.start(compose("train", on_top(typed, overrides)))
    return run_dir


def log_of(run: Path) -> str:
    return (run / "log.txt").read_text()


@pytest.mark.parametrize(
    "working", [(), ("data.working_size=36",), ("data.working_size=36", "data.working_shape=square")]
)
def test_store_and_files_train_to_the_same_bits(root, tmp_path, working):
    cache = f"data.cache_dir={tmp_path}/cache"
    files = train(tmp_path / "files", root, cache, "data.store=files", *working)
    assert not (tmp_path / "cache" / "packed").exists()
    packed = train(tmp_path / "packed", root, cache, "data.store=packed", *working)
    again = train(tmp_path / "auto", root, cache, "data.store=auto", "data.num_workers=2", *working)
    assert same(tensors(files), tensors(packed))
    assert same(tensors(files), tensors(again))
    assert "data.store=auto: packed" in log_of(again)
    figures = [json.loads((run / "metrics.json").read_text()) for run in (files, packed, again)]
    assert figures[0] == figures[1] == figures[2]


def test_drawn_shapes_train_to_the_same_bits_from_a_store(tmp_path):
    """With every target that a source has: boxes, masks and points come out of the store too."""
    cache = f"data.cache_dir={tmp_path}/cache"
    runs = []
    for store in ("files", "packed"):
        runs.append(tmp_path / store)
        typed = on_top(TINY, ["model=localizer", "network=lenet", cache, f"data.store={store}", f"run_dir={runs[-1]}"])
        session.start(compose("train", typed))
    assert same(*map(tensors, runs))


def test_a_run_may_be_continued_from_another_medium(root, tmp_path):
    cache = f"data.cache_dir={tmp_path}/cache"
    whole = train(tmp_path / "whole", root, cache, "data.store=files")
    part = train(tmp_path / "part", root, cache, "data.store=packed", "trainer.max_epochs=1", "scheduler=constant")
    other = train(tmp_path / "other", root, cache, "data.store=files", "scheduler=constant")
    resume(part, ["data.store=files", "trainer.max_epochs=2"])
    assert same(tensors(part), tensors(other))
    assert not same(tensors(part), tensors(whole))


def test_a_moved_run_is_evaluated_where_no_store_can_be_made(root, tmp_path):
    """Trained with a working size and from a store; then run, images and cache lie elsewhere."""
    run = train(tmp_path / "run", root, f"data.cache_dir={tmp_path}/cache", "data.store=auto", "data.working_size=36")
    moved = shutil.copytree(run, tmp_path / "elsewhere" / "run")
    images = shutil.copytree(root, tmp_path / "elsewhere" / "images")
    new = tmp_path / "new_cache"
    new.mkdir()
    (new / "packed").write_text("no folder can be made here")
    directory, config = session.reopen(str(moved), (f"data.root={images}", f"data.cache_dir={new}"))
    figures = evaluate(config, directory, split="test", checkpoint="best", output=None).figures
    trained = json.loads((run / "metrics.json").read_text())
    assert figures == {key: value for key, value in trained.items() if key.startswith("test/")}
    assert not (tmp_path / "elsewhere" / "cache").exists()


def test_other_data_are_evaluated_at_the_working_size_of_the_training(root, tmp_path, caplog):
    cache = f"data.cache_dir={tmp_path}/cache"
    run = train(tmp_path / "run", root, cache, "data.store=files", "data.working_size=36")
    directory, config = session.reopen(str(run), ("data=folder", f"data.root={root}", cache, "data.image_size=32"))
    assert config["data"]["working_size"] is None
    figures = evaluate(config, directory, split="test", checkpoint="best", output=None).figures
    trained = json.loads((run / "metrics.json").read_text())
    assert figures == {key: value for key, value in trained.items() if key.startswith("test/")}


def test_free_files_are_predicted_at_the_working_size_of_the_training(root, tmp_path):
    """The probabilities of the test images are those that evaluation found."""
    from src.runs.evaluation import restore
    from src.runs.prediction import predict

    run = train(tmp_path / "run", root, f"data.cache_dir={tmp_path}/cache", "data.working_size=36")
    directory, config = session.reopen(str(run), ())
    model, data, _ = restore(config, directory, "best")
    batch = next(iter(data.test_dataloader()))
    with torch.inference_mode():
        expected = model.predicted(data.normalized(batch)["image"])
    images = [str(data.source.path(int(index))) for index in batch["index"]]
    options = {"output": str(tmp_path / "out.csv"), "pictures": None, "anchor": None, "gallery": None}
    rows, _ = predict(
        config, directory, source=str(root), checkpoint="best", batch_size=16, num_workers=0, device="cpu", **options
    )
    found = {row["path"]: row["probability"] for row in rows}
    (key,) = (key for key in expected if "prob" in key)
    assert [found[image] for image in images] == pytest.approx(expected[key].amax(dim=1).tolist(), abs=1e-5)
