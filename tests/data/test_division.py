"""The digest of data says too which samples each split has, and under which numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.config import saved
from src.config.command import compose
from src.data.module import ImageData
from src.runs.training import open_data

ROWS = ["a.png,cat,train", "b.png,dog,train", "c.png,cat,test", "d.png,dog,test", "e.png,cat,val", "f.png,dog,val"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number, name in enumerate("abcdef"):
        pixels = np.full((8, 8, 3), number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return tmp_path


def opened(root: Path, rows: list[str]) -> ImageData:
    (root / "labels.csv").write_text("\n".join(["image,label,split", *rows]) + "\n")
    typed = ["data=csv", f"data.root={root}", "data.source.file=labels.csv", "data.source.image_column=image"]
    typed += ["data.source.label_column=label", "data.source.split_column=split", "data.image_size=8", "threads=1"]
    composed = compose("train", ["model=lenet", *typed, f"data.cache_dir={root}/cache"])
    data = open_data(saved.plain(composed.config))
    data.open()
    return data


def test_a_row_that_goes_from_one_split_to_another_changes_the_digest_and_is_named(root: Path) -> None:
    first = opened(root, ROWS)
    swapped = opened(root, ["a.png,cat,test", *ROWS[1:2], "c.png,cat,train", *ROWS[3:]])
    assert first.spec is not None
    assert swapped.spec is not None
    assert swapped.spec.digest != first.spec.digest
    assert swapped.spec.contents == first.spec.contents
    other = {name for name in first.samples if swapped.samples[name] != first.samples[name]}
    assert other == {"a.png", "c.png"}
    assert first.samples["a.png"].endswith("/train")


def test_so_does_the_order_of_rows(root: Path) -> None:
    first, other = opened(root, ROWS), opened(root, [ROWS[1], ROWS[0], *ROWS[2:]])
    assert first.spec is not None
    assert other.spec is not None
    assert other.spec.digest != first.spec.digest
    assert opened(root, ROWS).spec == first.spec
