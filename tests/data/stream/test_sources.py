"""A stream knows what its source knew, of whatever kind it is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from src.data.mean_boxes import mean_boxes
from src.data.module import ImageData
from src.data.sources.base import WithBoxes
from src.data.stream.index import below, with_root, without_root
from tests.data.stream.test_stream import data_of, streamed, write


def photo(path: Path, height: int = 40, width: int = 50) -> None:
    """Write a photograph that JPEG can reduce without looking alike everywhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = sum(map(ord, path.name))
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    cv2.imwrite(str(path), cv2.resize(coarse, (width, height)))


def labelled(root: Path) -> tuple[str, ...]:
    rows = ["image,label,split"]
    for number in range(24):
        photo(root / f"{number}.jpg")
        labels = ["red"] * (number % 2) + ["round"] * (number % 3 > 0) + ["small"]
        rows.append(f"{number}.jpg,{'|'.join(labels)},{('train', 'train', 'val', 'test')[number % 4]}")
    (root / "labels.csv").write_text("\n".join(rows))
    return ("data=csv", "data.source.label_separator='|'", "data.source.split_column=split")


def boxed(root: Path) -> tuple[str, ...]:
    rows = ["image,label,x0,y0,x1,y1"]
    for number in range(24):
        photo(root / f"{number}.jpg", 80 + number, 100)
        rows += [
            f"{number}.jpg,{'cat' if number % 2 else 'dog'},{number},3,60,50",
            f"{number}.jpg,dog,70,10,79,{number + 20}",
        ]
    rows.append("0.jpg,cat,5,5,5,5")  # no area
    (root / "boxes.csv").write_text("\n".join(rows))
    return ("data=boxes_csv", "data.on_bad_sample=skip")


def people(root: Path) -> tuple[str, ...]:
    for person in "abcdef":
        for number in range(1, 5):
            photo(root / person / f"{person}_{number:04d}.jpg")
    (root / "pairs.txt").write_text("2\t1\na\t1\t2\na\t3\tb\t1\nc\t1\t4\nc\t3\td\t3\n")
    (root / "triplets.csv").write_text("anchor,positive,negative\na/a_0001.jpg,a/a_0002.jpg,b/b_0001.jpg\n")
    return ("data=identities", "data.source.pairs=pairs.txt", "data.source.triplets=triplets.csv")


def bands(root: Path) -> tuple[str, ...]:
    random = np.random.default_rng(0)
    for number in range(20):
        path = root / ("wet" if number % 2 else "dry") / f"{number}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, random.random((9, 8, 5)).astype(np.float32))
    return ("data=folder", "data.source.channels=5")


def published(preset: str):
    def settings(_: Path) -> tuple[str, ...]:
        if "DATA_ROOT" not in os.environ:
            pytest.skip(f"DATA_ROOT is not set: needs {preset}")
        return (f"data={preset}", f"data.root={os.environ['DATA_ROOT']}")

    return settings


KINDS = {
    "several labels": labelled,
    "boxes": boxed,
    "people, pairs and triplets": people,
    "five bands": bands,
    "caltech": published("caltech"),
    "orl_faces": published("orl_faces"),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize("working", [(), ("data.working_size=16",)], ids=["whole", "reduced"])
def test_a_stream_knows_what_its_source_knew(kind, working, tmp_path):
    settings = kind(tmp_path / "data")
    if not any(setting.startswith("data.root=") for setting in settings):
        settings = (*settings, f"data.root={tmp_path}/data")
    settings = (*settings, f"data.cache_dir={tmp_path}/cache", *working)
    url = write(f"{tmp_path}/stream", *settings, chunk=0.5)
    here, there = data_of(*settings, "data.store=files"), streamed(url, *settings)
    assert here.open() == there.open()
    assert here.left_out_lines() == there.left_out_lines()
    if kind in (labelled, boxed):  # the files as they are, not what this working size leaves of them
        assert sum(path.stat().st_size for path in Path(url).glob("*.bin")) > sum(
            path.stat().st_size for path in (tmp_path / "data").glob("*.jpg")
        )
    assert_same_sources(here, there)


def test_a_stream_names_no_folder_of_whoever_wrote_it(tmp_path):
    settings = (*boxed(tmp_path / "data"), f"data.root={tmp_path}/data", f"data.cache_dir={tmp_path}/cache")
    url = Path(write(f"{tmp_path}/stream", *settings))
    facts = json.loads((url / "stream.json").read_text())
    assert [place for place, _ in facts["bad_rows"]] == ["data.root/boxes.csv:50"]
    assert str(tmp_path) not in json.dumps(facts)
    (elsewhere := tmp_path / "elsewhere").mkdir()
    there = streamed(str(url), *settings, f"data.root={elsewhere}")
    there.open()
    assert there.left_out_lines()[0].startswith(f"{elsewhere}/boxes.csv:50: ")


def test_a_file_outside_the_root_is_named_from_the_root(tmp_path):
    root = tmp_path / "data"
    assert below(tmp_path / "photos" / "a.jpg", root) == "../photos/a.jpg"
    assert below(root / "a" / "b.jpg", root) == "a/b.jpg"
    text = f"no such image: {root}/a.jpg or {root}/b.jpg"
    assert without_root(text, root) == "no such image: data.root/a.jpg or data.root/b.jpg"
    assert with_root(without_root(text, root), root) == text


def assert_same_sources(here: ImageData, there: ImageData) -> None:
    one, other = here.source, there.source
    everything = np.arange(len(one))
    for said in ("labels", "identities", "splits", "pairs", "triplets"):
        if said != "identities" or "identity" in one.targets:
            assert equal(getattr(one, said)(), getattr(other, said)())
    assert np.array_equal(one.class_counts(everything), other.class_counts(everything))
    assert isinstance(one, WithBoxes) == isinstance(other, WithBoxes)
    assert mean_boxes(one, here.splits["train"], 16, 1.0, here.working) == mean_boxes(
        other, here.splits["train"], 16, 1.0, here.working
    )
    for index in np.linspace(0, len(one) - 1, 30).astype(int).tolist():
        first, second = here.medium.read(index), there.medium.read(index)
        assert first.keys() == second.keys()
        assert all(equal(first[key], second[key]) for key in first)
        assert here.name_of(index) == there.name_of(index)


def equal(one, other) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if hasattr(one, "fold"):
        return all(equal(getattr(one, name), getattr(other, name)) for name in ("first", "second", "same", "fold"))
    return type(one) is type(other) and one == other
