"""What is kept of a model's answers: the same numbers, and pictures of few."""

from __future__ import annotations

import numpy as np
import pytest

from src.answers import Answers, answers_path, read_answers, write_answers


def answers(size: int = 48, channels: int = 3, shown: tuple[int, ...] = (3, 1, 3)) -> Answers:
    values = {"label": np.arange(4), "paths": np.array(["ä.png", "b|c", "", "d"]), "threshold": np.array(np.nan)}

    def image(i: int) -> np.ndarray:
        return np.random.default_rng(i).integers(0, 256, (size, 2 * size, channels), np.uint8)

    return Answers("classification", values, image, shown)


def test_values_and_the_pictures_worth_a_look_come_back(tmp_path):
    path = answers_path(tmp_path, "val")
    assert path.name == "answers-val.npz"
    written = answers(size=24)
    write_answers(path, written)
    found = read_answers(path)
    assert found.kind == "classification"
    assert found.values["label"].tolist() == [0, 1, 2, 3]
    assert found.values["paths"].tolist() == ["ä.png", "b|c", "", "d"]
    assert np.isnan(found.values["threshold"])
    assert sorted(found.shown) == [1, 3]
    assert np.array_equal(found.image(3), written.image(3))  # small: without loss
    assert len(np.unique(found.image(0))) == 1  # not kept: gray


def test_equal_answers_have_equal_bytes(tmp_path):
    for name in "ab":
        write_answers(tmp_path / name, answers(size=100))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(("channels", "kept"), [(1, 1), (2, 1), (3, 3), (5, 3)])
def test_pictures_have_at_most_three_channels_and_224_pixels(channels, kept, tmp_path):
    write_answers(tmp_path / "a.npz", answers(size=200, channels=channels))
    assert read_answers(tmp_path / "a.npz").image(1).shape == (112, 224, kept)


def test_more_numbers_than_a_report_shows_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("src.answers.ENTRIES", 8)
    write_answers(tmp_path / "a.npz", answers())
    assert not (tmp_path / "a.npz").exists()


def test_nothing_is_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", kind=np.array(["classification", None], object))
    with pytest.raises(ValueError, match="pickle"):
        read_answers(tmp_path / "a.npz")
