"""A folder per identity, LFW's pairs and curated triplets over it; everything wrong with a list is said at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.data.sources.identities import IdentityFolder, natural
from src.errors import UserError


def make(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (6, 4), number % 256).save(path)
    return root


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """s1, s2 and s10 with three images each, 1.pgm, 2.pgm and 10.pgm."""
    return make(tmp_path, *(f"s{person}/{image}.pgm" for person in (1, 2, 10) for image in (1, 10, 2)))


def opened(root: Path, pairs: str | None = None, triplets: str | None = None) -> IdentityFolder:
    source = IdentityFolder(str(root), None, 1, pairs, triplets, "auto", "full")
    source.setup()
    return source


def test_people_and_their_images_are_in_natural_order(people):
    source = opened(people)
    assert source.classes == ("s1", "s2", "s10")
    assert source.identities().tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [source.path(i).relative_to(people).as_posix() for i in range(3)] == ["s1/1.pgm", "s1/2.pgm", "s1/10.pgm"]
    assert sorted(["b2", "a10", "a2", "A1", "7"], key=natural) == ["7", "A1", "a2", "a10", "b2"]


def test_a_gray_pgm_is_read_with_one_channel(people):
    sample = opened(people).read(4)
    assert sample["image"].shape == (4, 6, 1)
    assert (sample["image"] == 5).all()  # s2/2.pgm was the sixth to be written
    assert sample["identity"] == 1


def test_published_splits_may_have_different_people(tmp_path):
    source = opened(make(tmp_path, "train/a/1.png", "train/b/1.png", "test/c/1.png", "test/d/1.png"))
    assert source.classes == ("a", "b", "c", "d")
    assert source.identities().tolist() == [0, 1, 2, 3]
    assert source.splits()["test"].tolist() == [2, 3]


def test_pairs_in_folds(people):
    (people / "pairs.txt").write_text("2\t1\ns1\t1\t3\ns1\t2\ts10\t1\ns2\t1\t2\ns2\t3\ts10\t3\n")
    pairs = opened(people, "pairs.txt").pairs()
    assert pairs.first.tolist() == [0, 1, 3, 5]
    assert pairs.second.tolist() == [2, 6, 4, 8]
    assert pairs.same.tolist() == [True, False, True, False]
    assert pairs.fold.tolist() == [0, 0, 1, 1]
    assert pairs.trains


def test_pairs_without_folds_are_dealt_into_ten(people):
    same = [f"s{(1, 2, 10)[k % 3]} {1 + k % 2} 3" for k in range(20)]
    different = [f"s1 {1 + k % 3} s2 {1 + k // 7}" for k in range(20)]
    (people / "pairs.txt").write_text("\n".join(["20", *same, *different]))
    pairs = opened(people, "pairs.txt").pairs()
    assert pairs.same.tolist() == [True] * 20 + [False] * 20
    assert not pairs.trains
    assert pairs.fold.tolist() == sorted([*range(10)] * 2) * 2


def test_numbers_are_those_of_files_that_are_called_so(tmp_path):
    root = make(tmp_path, "Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee/Ann_Lee_0003.jpg", "Bo/Bo_0001.jpg", "Bo/Bo_0002.jpg")
    (root / "pairs.txt").write_text("1 1\nAnn_Lee 1 3\nAnn_Lee 3 Bo 2\n")
    pairs = opened(root, "pairs.txt").pairs()
    assert (pairs.first.tolist(), pairs.second.tolist()) == ([0, 1], [1, 3])
    (root / "pairs.txt").write_text("1 1\nAnn_Lee 1 2\nAnn_Lee 3 Bo 2\n")
    with pytest.raises(UserError, match="Ann_Lee has 2 images, and none with the number 2"):
        opened(root, "pairs.txt")


def test_all_wrong_lines_of_pairs_are_told_together(people):
    lines = ["1 4", "s1 1 4", "s1 1 s100 1", "s1 x 2", "s1 1 s1 2", "s1 1", "s1 1 2", "s1 1 s2 1", "s2 1 s10 1"]
    (people / "pairs.txt").write_text("\n".join(lines))
    with pytest.raises(UserError) as caught:
        opened(people, "pairs.txt")
    text = str(caught.value)
    file = people / "pairs.txt"
    assert "5 rows are wrong" in text
    assert f"{file}:2: s1 has 3 images, and none with the number 4" in text
    assert f"{file}:3: nobody is called s100; did you mean s10?" in text
    assert f"{file}:4: 'x' is no number of an image" in text
    assert f"{file}:5: s1 twice in a pair of two people" in text
    assert f"{file}:6: 2 fields where" in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected the number of folds"),
        ("name 1 2\n", "pairs.txt:1: 'name 1 2'"),
        ("2 1\ns1 1 2\ns1 1 s2 1\n", "announces 4 pairs, and 2 follow"),
    ],
)
def test_what_is_no_list_of_pairs_is_told_so(people, text, words):
    (people / "pairs.txt").write_text(text)
    with pytest.raises(UserError, match=words):
        opened(people, "pairs.txt")


def test_a_missing_list_is_told_with_the_places_where_it_was_looked_for(people, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    with pytest.raises(UserError, match=r"data\.source\.pairs=none\.txt: No such file") as caught:
        opened(people, "none.txt")
    for folder in (people, people.parent, elsewhere):
        assert str(folder / "none.txt") in str(caught.value)
    with pytest.raises(UserError, match=r"data\.source\.triplets=none\.csv: No such file"):
        opened(people, triplets="none.csv")


@pytest.mark.parametrize("place", ["lfw/lfw", "lfw", "here"])
@pytest.mark.parametrize("typed", [("lfw", "lfw"), ("lfw/lfw", None)], ids=["folder typed", "root typed"])
def test_pairs_are_found_where_people_put_them(place, typed, tmp_path, monkeypatch):
    make(tmp_path / "lfw" / "lfw", "a/1.png", "a/2.png", "b/1.png")
    (tmp_path / "here").mkdir()
    (tmp_path / place / "pairs.txt").write_text("1 1\na 1 2\na 1 b 1\n")
    monkeypatch.chdir(tmp_path / "here")
    root, folder = typed
    source = IdentityFolder(str(tmp_path / root), folder, 1, "pairs.txt", None, "auto", "full")
    source.setup()
    assert source.pairs().second.tolist() == [1, 2]


def test_triplets_are_samples(people):
    rows = ["anchor,positive,negative", "s1/1.pgm,s1/10.pgm,s2/1.pgm", "s10/2.pgm,s10/1.pgm,s1/2.pgm"]
    (people / "t.csv").write_text("\n".join(rows))
    np.testing.assert_array_equal(opened(people, triplets="t.csv").triplets(), [[0, 2, 3], [7, 6, 1]])


def test_all_wrong_triplets_are_told_together(people):
    rows = [
        "s1/1.pgm,s1/1.pgm,s2/1.pgm", "s1/1.pgm,s2/1.pgm,s10/1.pgm", "s1/1.pgm,s1/2.pgm,s1/10.pgm",
        "s1/1.pgm,s1/2.pgm,s9/1.pgm", "s1/1.pgm,s1/2.pgm",
    ]  # fmt: skip
    (people / "t.csv").write_text("\n".join(["anchor,positive,negative", *rows]))
    with pytest.raises(UserError) as caught:
        opened(people, triplets="t.csv")
    text = str(caught.value)
    for line, words in enumerate(
        (
            "anchor and positive are the same image",
            "anchor and positive show s1 and s2, not one person",
            "the negative shows s1 as well",
            f"no such image: {people}/s9/1.pgm",
            "2 fields where anchor, positive and negative are expected",
        ),
        start=2,
    ):
        assert f"t.csv:{line}: {words}" in text
    (people / "t.csv").write_text("a,b,c\n")
    with pytest.raises(UserError, match="expected the columns anchor,positive,negative"):
        opened(people, triplets="t.csv")


def test_lists_belong_to_the_digest_of_the_data(people, tmp_path_factory):
    from src.data.inspection import inspect

    def digest(source):
        return inspect(source, np.arange(9), tmp_path_factory.mktemp("cache")).digest

    (people / "one.txt").write_text("1 1\ns1 1 3\ns1 2 s10 1\n")
    (people / "two.txt").write_text("1 1\ns1 1 3\ns1 2 s10 2\n")
    digests = {digest(opened(people, name)) for name in (None, "one.txt", "two.txt")}
    assert len(digests) == 3


def test_the_folder_may_lie_below_the_root_or_be_it(tmp_path):
    make(tmp_path / "faces", "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    for root in (tmp_path, tmp_path / "faces"):
        source = IdentityFolder(str(root), "faces", 1, None, None, "auto", "full")
        source.setup()
        assert source.classes == ("a", "b")
