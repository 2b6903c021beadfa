"""Where truth has a place in the image, evaluation sees all of it; what a view loses is counted and told."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.data.eval_view import default_crop, lost_objects
from src.data.medium import Files
from src.data.module import ImageData
from src.data.sources.base import Source
from tests.training import train


class Plain(Source):
    """Pictures of 100 x 200 with a box each: in the middle, at the left edge, reaching out of the central square."""

    classes = ("nothing", "thing")
    truth = np.array([[0.4, 0, 0.6, 1], [0, 0, 0.2, 1], [0.2, 0, 0.3, 1], [0, 0, 0, 0]], np.float32)
    targets = ("label", "box")  # type: ignore[misc]

    def setup(self):
        pass

    def __len__(self):
        return 4

    def read(self, index):
        label = int(self.truth[index].any())
        return {"image": np.zeros((100, 200, 3), np.uint8), "label": label, "box": self.truth[index], "index": index}

    def labels(self):
        return self.truth.any(axis=1).astype(np.int64)

    def splits(self):
        return {"test": np.arange(4)}


class Knowing(Plain):
    def boxes(self, indices):
        return self.truth[indices]

    def sizes(self, indices):
        return np.tile([100, 200], (len(indices), 1))


@pytest.mark.parametrize("targets", [("label", "box"), ("boxes", "labels"), ("keypoints", "visible"), ("mask",)])
def test_a_source_whose_truth_has_a_place_is_seen_whole_whatever_it_is(targets):
    source = Plain()
    source.targets = targets
    assert default_crop(source, None) == default_crop(source, 0.9) == "whole"


def test_other_images_are_seen_as_the_weights_saw_theirs_and_square_ones_whole_as_they_are():
    source = Plain()
    source.targets = ("label",)
    assert (default_crop(source, None), default_crop(source, 0.9)) == (0.875, 0.9)
    source.square = True
    assert default_crop(source, 0.9) == 1.0


class Opened(ImageData):
    """As `ImageData` is after `open`."""

    def __init__(self, source, crop):
        self.source, self.working, self.medium, self.wanted_targets = source, None, Files(source), None
        self.splits = {"test": np.arange(4)}
        self.spec = type("Spec", (), {"image_size": 50, "eval_crop": crop})()


@pytest.mark.parametrize("kind", [Plain, Knowing])
def test_an_object_outside_the_view_is_counted(kind):
    """The central square of 200 x 100 is x = 50 to 150: of 80..120 it shows all, of 0..40 nothing, of 40..60 a half.

    That of a half (75 to 125) has lost the third object too. The fourth picture has none to lose.
    """
    assert lost_objects(Opened(kind(), 1.0), "test") == 1
    assert lost_objects(Opened(kind(), 0.5), "test") == 2
    assert lost_objects(Opened(kind(), "whole"), "test") == 0


def long_pictures(root: Path) -> None:
    """40 pictures of 128 x 48 with an object at either end, as a table of boxes."""
    rows = [["image", "label", "x0", "y0", "x1", "y1"]]
    for number in range(40):
        pixels, x = np.full((48, 128, 3), 100, np.uint8), 2 if number % 4 < 2 else 102
        pixels[10:34, x : x + 24, number % 2] = 220
        Image.fromarray(pixels).save(root / f"{number}.png")
        rows.append([f"{number}.png", "ab"[number % 2], x, 10, x + 24, 34])
    with (root / "boxes.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


OVERRIDES = {
    "model": "localizer", "network": "lenet", "data": "boxes_csv", "data.image_size": "32", "data.batch_size": "8",
    "trainer.max_epochs": "1", "augment": "none", "threads": "1", "logger": "csv", "trainer.accelerator": "cpu",
}  # fmt: skip


def figures(root: Path, run: Path, **more: str) -> dict[str, float]:
    from src.config.command import compose
    from src.runs import session

    chosen = OVERRIDES | {"data.root": str(root), "data.cache_dir": str(root / "cache"), "run_dir": str(run)} | more
    session.start(compose("train", [f"{key}={value}" for key, value in chosen.items()]))
    return json.loads((run / "metrics.json").read_text())


def test_a_table_of_boxes_is_evaluated_whole_by_default(tmp_path):
    long_pictures(tmp_path)
    found = figures(tmp_path, tmp_path / "run")
    assert found["test/objects_lost"] == 0
    spec = json.loads((tmp_path / "run" / "data.json").read_text())
    assert spec["eval_crop"] == "whole"


def test_what_a_typed_view_loses_is_in_the_log_and_in_the_figures(tmp_path):
    """The square of 42 pixels from x = 43 shows none of the objects, which end at 26 or begin at 102."""
    long_pictures(tmp_path)
    found = figures(tmp_path, tmp_path / "run", **{"data.eval_crop": "0.875"})
    assert found["test/objects_lost"] == 8
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "data.eval_crop=0.875 loses the object of 8 of 8 test images: they count as nothing" in log


def test_the_drawn_pictures_lose_nothing_and_are_seen_as_before(tmp_path):
    run = train(tmp_path / "run", "model=localizer", "network=lenet", "trainer.max_epochs=1")
    assert json.loads((run / "metrics.json").read_text())["test/objects_lost"] == 0
    assert json.loads((run / "data.json").read_text())["eval_crop"] == 1.0
