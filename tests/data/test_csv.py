"""A table of images is a data set; every wrong row is reported at once, with its line."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.data.inspection import inspect
from src.data.sources.csv import Csv
from src.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six pictures a.png to f.png, 4 x 4, each of one gray value: 0 to 5."""
    for number, name in enumerate("abcdef"):
        Image.new("L", (4, 4), number).save(tmp_path / f"{name}.png")
    return tmp_path


def opened(root: Path, text: str, **arguments: object) -> Csv:
    (root / "labels.csv").write_text(text)
    options = {
        "file": "labels.csv",
        "image_column": "image",
        "label_column": "label",
        "label_separator": None,
        "split_column": None,
        "image_path": "{image}",
        "exclusive": False,
        "channels": 3,
        "range": "full",
    }
    source = Csv(str(root), **options | arguments)
    source.prepare()
    source.setup()
    return source


def test_one_label_per_image(root: Path) -> None:
    source = opened(root, "image,label\na.png,dog\nb.png,cat\nc.png,dog\n")
    assert source.classes == ("cat", "dog")
    assert source.labels().tolist() == [1, 0, 1]
    assert not source.multilabel
    sample = source.read(2)
    assert (sample["label"], sample["index"], sample["path"]) == (1, 2, str(root / "c.png"))
    assert (sample["image"] == 2).all()
    assert sample["image"].shape == (4, 4, 3)
    assert source.splits()["all"].tolist() == [0, 1, 2]


def test_numbers_are_ordered_by_value(root: Path) -> None:
    assert opened(root, "image,label\na.png,10\nb.png,9\nc.png,1\n").classes == ("1", "9", "10")


def test_a_column_per_label(root: Path) -> None:
    text = "image,sun,rain\na.png,1,0\nb.png,0.0,1.0\nc.png,1,1\nd.png,0,0\n"
    source = opened(root, text, label_column=["sun", "rain"])
    assert source.multilabel
    assert source.classes == ("sun", "rain")
    labels = np.stack([source.read(index)["label"] for index in range(4)])
    assert labels.dtype == np.float32
    assert labels.tolist() == [[1, 0], [0, 1], [1, 1], [0, 0]]


def test_several_labels_in_one_column(root: Path) -> None:
    source = opened(root, "image,label\na.png,sun | sea\nb.png,\nc.png,sea\n", label_separator="|")
    assert source.classes == ("sea", "sun")
    assert [source.read(index)["label"].tolist() for index in range(3)] == [[1, 1], [0, 0], [1, 0]]


def test_for_a_stratified_split_the_rarest_label_counts(root: Path) -> None:
    source = opened(root, "image,label\na.png,sea|sun\nb.png,\nc.png,sea\nd.png,sun|sea|fog\n", label_separator="|")
    assert [source.classes[k] if k >= 0 else None for k in source.labels()] == ["sun", None, "sea", "fog"]


def test_splits_by_a_column(root: Path) -> None:
    rows = zip("abcdef", ["train", "Train", "val", "validation", "test", "train"], [0, 1, 0, 1, 0, 1], strict=True)
    text = "image,label,part\n" + "".join(f"{name}.png,{label},{part}\n" for name, part, label in rows)
    splits = opened(root, text, split_column="part").splits()
    parts = {name: indices.tolist() for name, indices in splits.items()}
    assert parts == {
        "train": [0, 1, 5],
        "val": [2, 3],
        "test": [4],
    }


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_of_other_programs(root: Path, delimiter: str) -> None:
    text = '\ufeffimage,label,note\r\n"a.png",dog,"said ""woof"""\r\n\r\nb.png , cat,\r\n'.replace(",", delimiter)
    source = opened(root, text)
    assert source.classes == ("cat", "dog")
    assert len(source) == 2
    assert source.read(1)["image"].max() == 1


def test_images_of_many_channels(root: Path) -> None:
    np.save(root / "bands.npy", np.arange(5, dtype=np.uint8)[None, None] * np.ones((3, 4, 1), np.uint8))
    np.save(root / "other.npy", np.zeros((3, 4, 5), np.uint16))
    source = opened(root, "image,label\nbands.npy,1\nother.npy,2\n", channels=5)
    assert source.read(0)["image"][2, 3].tolist() == [0, 1, 2, 3, 4]
    assert inspect(source, np.arange(2), root / "cache").unreadable == ()


def test_absolute_paths_and_folders(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (root / "a.png").rename(elsewhere / "a.png")
    (root / "deep").mkdir()
    (root / "b.png").rename(root / "deep/b.png")
    source = opened(root, f"image,label\n{elsewhere / 'a.png'},1\ndeep/b.png,2\n")
    assert [source.read(index)["image"].max() for index in range(2)] == [0, 1]


def test_every_wrong_row_is_reported_at_once(root: Path) -> None:
    text = (
        "image,label,split\n"
        "a.png,dog,train\n"
        "none.png,cat,train\n"
        "b.png,,trian\n"
        "c.png,dog\n"
        '"d.png","a\nb",train\n'
        ",cat,test\n"
    )
    with pytest.raises(UserError) as caught:
        opened(root, text, split_column="split")
    file = root / "labels.csv"
    assert str(caught.value).splitlines() == [
        f"{file}: 4 rows are wrong:",
        f"  {file}:3: no such image: {root / 'none.png'}",
        f"  {file}:4: no label in the column label; 'trian' in the column split, not train, val or test",
        f"  {file}:5: 2 fields where the header has 3",
        f"  {file}:8: no file in the column image",
    ]


def test_after_twenty_wrong_rows_only_their_number(root: Path) -> None:
    with pytest.raises(UserError) as caught:
        opened(root, "image,label\n" + "none.png,dog\n" * 25)
    lines = str(caught.value).splitlines()
    assert len(lines) == 22
    assert lines[-1] == "  and 5 more"


def test_cells_other_than_0_and_1_are_named(root: Path) -> None:
    with pytest.raises(UserError, match=r"labels\.csv:2: 'yes' in the column sun, not 0 or 1"):
        opened(root, "image,sun\na.png,yes\n", label_column=["sun"])


def test_a_misspelt_column_gets_the_nearest_name(root: Path) -> None:
    with pytest.raises(UserError) as caught:
        opened(root, "Image,label,splits\na.png,1,train\n", label_column="lable", split_column="split")
    for words in (
        "data.source.image_column=image (did you mean Image?)",
        "data.source.label_column=lable (did you mean label?)",
        "data.source.split_column=split (did you mean splits?)",
        "Its columns: Image, label, splits",
    ):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("", {}, "Its columns: none"),
        ("image,label\n", {}, "no rows below the header"),
        ("image,label,label\na.png,1,2\n", {}, "has label more than once"),
        ("image,label\na.png,dog\nb.png,dog\n", {}, "only one label, dog"),
        ("image,label\na.png,\n", {"label_separator": "|"}, "no labels"),
        ("image,sun\na.png,0\n", {"label_column": ["sun"]}, "no training image has the label sun"),
        ("image,label,s\na.png,1,train\nb.png,2,train\nc.png,3,test\n", {"split_column": "s"}, "has the label 3"),
        ('image,label\na.png,"dog\n', {}, "no readable table"),
        ("image,label\na.png,1\n", {"file": "label.csv"}, "no such file"),
        ("image,label\na.png,1\n", {"label_column": ["label"], "label_separator": "|"}, "divides one column"),
    ],
)
def test_what_is_no_data_set_is_told_so(root: Path, text: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(UserError) as caught:
        opened(root, text, **options)
    assert words in str(caught.value)


def test_a_missing_table_shows_those_that_exist(root: Path) -> None:
    with pytest.raises(UserError, match=r"tables there: labels\.csv"):
        opened(root, "image,label\n", file="label.csv")
    source = Csv(str(root / "none"), "labels.csv", "image", "label", None, None, "{image}", False, 3, "full")
    with pytest.raises(UserError, match="no such folder"):
        source.setup()


def test_the_digest_covers_every_label(root: Path) -> None:
    def digest(text: str) -> str:
        source = opened(root, text, label_separator="|")
        return inspect(source, np.arange(len(source)), root / "cache").digest

    base = "image,label\na.png,sun|sea\nb.png,sea\nc.png,sun\n"
    assert digest(base) == digest(base.replace("sun|sea", "sea|sun"))
    assert digest(base) != digest(base.replace("b.png,sea", "b.png,sea|sun"))


def test_workers_can_have_it(root: Path) -> None:
    source = pickle.loads(pickle.dumps(opened(root, "image,label\na.png,1\nb.png,2\n")))
    assert source.read(1)["label"] == 1
