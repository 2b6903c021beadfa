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


def test_tables_in_the_folders_of_splits_name_images_beside_them(root: Path) -> None:
    for folder, members in (("train", "ab"), ("valid", "c"), ("Test", "d")):
        (root / folder).mkdir()
        for name in members:
            (root / f"{name}.png").rename(root / folder / f"{name}.png")
        rows = "".join(f"{name}.png,{'dog' if name in 'ac' else 'cat'}\n" for name in members)
        (root / folder / "metadata.csv").write_text(f"file_name,label\n{rows}")
    source = opened(root, "", file="*/metadata.csv", image_column="file_name")
    splits = {split: [source.path(i).name for i in part] for split, part in source.splits().items()}
    assert splits == {"train": ["a.png", "b.png"], "val": ["c.png"], "test": ["d.png"]}
    by_key = opened(root, "", file="*/metadata.csv", image_column="file_name", image_path="{folder}/{image}")
    assert [by_key.path(i) for i in range(4)] == [source.path(i) for i in range(4)]


def test_tables_named_after_splits_are_those_splits(root: Path) -> None:
    (root / "train.csv").write_text("image,label\na.png,x\nb.png,y\n")
    (root / "test.csv").write_text("image,label\nc.png,x\n")
    source = opened(root, "image,label\nd.png,x\n", file="t*.csv")
    assert {split: len(part) for split, part in source.splits().items()} == {"train": 2, "test": 1}
    with pytest.raises(UserError, match=r"some are named after splits, but not .*labels\.csv"):
        opened(root, "image,label\nd.png,x\n", file="*.csv")


def test_lines_of_json_are_a_table(root: Path) -> None:
    lines = ['{"file_name": "a.png", "label": "dog"}', "", '{"file_name": "b.png", "label": "cat", "note": null}']
    (root / "metadata.jsonl").write_text("\n".join(lines))
    assert opened(root, "", file="metadata.jsonl", image_column="file_name").classes == ("cat", "dog")
    (root / "several.jsonl").write_text(
        '{"image": "a.png", "label": ["sun", "sea"]}\n{"image": "b.png", "label": []}\n'
    )
    several = opened(root, "", file="several.jsonl", label_separator="|")
    assert [several.read(i)["label"].tolist() for i in (0, 1)] == [[1, 1], [0, 0]]
    (root / "bad.jsonl").write_text('{"image": "a.png", "label": "x"}\n[1]\n')
    with pytest.raises(UserError, match=r"bad\.jsonl is no readable table: line 2 is no object"):
        opened(root, "", file="bad.jsonl")


def test_paths_of_another_machine_are_mapped_by_the_last_part_of_them(root: Path) -> None:
    (root / "images").mkdir()
    for name in "ab":
        (root / f"{name}.png").rename(root / "images" / f"{name}.png")
    text = "image,label\n/data/upload/1/a.png,x\nC:\\pictures\\b.png,y\n"
    with pytest.raises(UserError) as caught:
        opened(root, text)
    assert "images/a.png is there: data.source.image_path=\"'images/{name}'\"" in str(caught.value)
    source = opened(root, text, image_path="images/{name}")
    assert [source.path(i) for i in (0, 1)] == [root / "images/a.png", root / "images/b.png"]


@pytest.mark.parametrize("pattern", ["images", "{picture}", "{image", "{image}{0}"])
def test_a_pattern_that_names_no_image_is_told(root: Path, pattern: str) -> None:
    with pytest.raises(UserError, match=r"data\.source\.image_path"):
        opened(root, "image,label\na.png,x\nb.png,y\n", image_path=pattern)


def test_usual_names_of_splits_stand_in_the_column_in_any_case(root: Path) -> None:
    parts = ["TRAIN", "Training", "dev", "Valid", "testing", "eval"]
    text = "image,label,s\n" + "".join(
        f"{n}.png,{i % 2},{s}\n" for i, (n, s) in enumerate(zip("abcdef", parts, strict=True))
    )
    splits = opened(root, text, split_column="s").splits()
    assert {name: part.tolist() for name, part in splits.items()} == {"train": [0, 1], "val": [2, 3], "test": [4, 5]}


def test_missing_labels_of_other_programs_are_no_class(root: Path) -> None:
    with pytest.raises(UserError) as caught:
        opened(root, "image,label\na.png,x\nb.png,NaN\nc.png,y\nd.png,\n")
    assert "labels.csv:3: no label in the column label (NaN)" in str(caught.value)
    assert "labels.csv:5: no label in the column label" in str(caught.value)


def test_whole_numbers_written_as_floats_are_whole_numbers(root: Path) -> None:
    source = opened(root, "image,label\na.png,1.0\nb.png,0.0\nc.png,1\nd.png,10.0\n")
    assert source.classes == ("0", "1", "10")
    assert source.labels().tolist() == [1, 0, 1, 2]
    assert opened(root, "image,label\na.png,1.5\nb.png,01\n").classes == ("01", "1.5")


def test_columns_that_exclude_each_other_are_one_label(root: Path) -> None:
    text = "image, sun,rain\na.png,1,0\nb.png,0,1\nc.png,0,1\n"
    (remark,) = opened(root, text, label_column=["sun", "rain"]).remarks
    assert "data.source.exclusive=true" in remark
    source = opened(root, text, label_column=["sun", "rain"], exclusive=True)
    assert not source.multilabel
    assert source.labels().tolist() == [0, 1, 1]
    assert source.read(1)["label"] == 1
    with pytest.raises(
        UserError, match=r"labels\.csv:3: data\.source\.exclusive=true, but 2 of the labels are 1: sun, rain"
    ):
        opened(root, "image,sun,rain\na.png,1,0\nb.png,1,1\n", label_column=["sun", "rain"], exclusive=True)


def test_labels_that_differ_in_case_and_images_named_twice_are_told(root: Path) -> None:
    remarks = " ".join(opened(root, "image,label\na.png,Cat\nb.png,cat\na.png,Cat\n").remarks)
    assert "upper and lower case only: Cat and cat" in remarks
    assert "1 rows name an image that an earlier row names" in remarks


def test_a_table_without_a_header_or_of_another_encoding_is_told(root: Path) -> None:
    with pytest.raises(
        UserError, match="looks like a row: put one with the names of the columns above it, such as image,label"
    ):
        opened(root, "a.png,x\nb.png,y\n")
    (root / "latin.csv").write_bytes("image,label\na.png,Kuh\nb.png,Bär\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"latin\.csv:3: is no readable table: not UTF-8"):
        opened(root, "", file="latin.csv")
    (root / "unicode.txt").write_bytes("image\tlabel\na.png\tKuh\nb.png\tBär\n".encode("utf-16"))
    assert opened(root, "", file="unicode.txt").classes == ("Bär", "Kuh")
    assert opened(root, "image|label\na.png|x\nb.png|y\n").classes == ("x", "y")
