"""Whatever a person waits for says how far it is: a bar on a terminal, which counts to its end."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import requests

from src import download, progress
from src.config import saved
from src.config.command import compose, end_with
from src.explanations.command import explain
from src.runs import session
from src.runs.class_maps import map_classes
from src.runs.evaluation import evaluate
from src.runs.prediction import predict
from src.runs.range_test import range_test
from tests.training import TINY, on_top, train


class Bar:
    """Stands for tqdm's bar."""

    shown: dict[str, Bar]

    def __init__(self, *, total: int | None, initial: int, desc: str, **_: object) -> None:
        self.total, self.done, self.closed = total, initial, False
        self.shown[desc] = self

    def update(self, number: int = 1) -> None:
        self.done += number

    def set_postfix_str(self, text: str, refresh: bool) -> None:
        self.figures = text

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def bars(monkeypatch):
    """What a terminal would show, by its words: how many of how many."""
    monkeypatch.setattr(Bar, "shown", {}, raising=False)
    monkeypatch.setattr(progress, "tqdm", Bar)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    logging.getLogger("src").setLevel(logging.INFO)

    def shown() -> dict[str, tuple[int, int | None]]:
        assert all(bar.closed for bar in Bar.shown.values())
        return {what: (bar.done, bar.total) for what, bar in Bar.shown.items()}

    yield shown
    logging.getLogger("src").setLevel(logging.NOTSET)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    return train(tmp_path_factory.mktemp("waiting") / "run", "trainer.max_epochs=1")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(5):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((40, 40, 3), number, np.uint8))
    return folder


def test_the_test_after_training_and_kept_features(finished, tmp_path, bars):
    options = ("model=transfer", f"model.source={finished}", "augment=none", "trainer.max_epochs=1")
    train(tmp_path / "run", *options)
    shown = bars()
    assert shown["Measuring test"] == (4, 4)  # 50 images in batches of 16
    assert shown["Computing features of train"] == (10, 10)
    assert shown["Computing features of val"] == (3, 3)


def test_evaluating(finished, tmp_path, bars):
    run, config = session.reopen(str(finished), ())
    evaluate(config, run, split="val", checkpoint="best", output=str(tmp_path / "figures.json"))
    assert bars()["Measuring val"] == (3, 3)


def test_predicting_and_mapping(finished, photos, tmp_path, bars):
    run, config = session.reopen(str(finished), ())
    asked = {"output": str(tmp_path / "p.csv"), "pictures": None, "anchor": None, "gallery": None}
    asked |= {"checkpoint": "best", "device": "cpu", "source": str(photos)}
    predict(config, run, batch_size=2, num_workers=0, **asked)
    map_classes(config, run, size="auto", **asked)
    assert bars() == {"Predicting": (5, 5), "Mapping": (5, 5)}


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("gradcam", {"Explaining": (5, 5)}),
        ("saliency", {"Explaining": (5, 5)}),
        ("sobel", {"Explaining": (5, 5)}),
        ("occlusion", {"Explaining": (5, 5), "Covering": (3, 3)}),  # 13 x 13 places in batches of 64
        ("patches", {"Looking": (5, 5)}),
    ],
)
def test_explaining_many_images(method, expected, finished, photos, tmp_path, bars):
    explain(compose("explain", [f"run={finished}", f"method={method}", f"input={photos}", f"output={tmp_path}/out"]))
    shown = bars()
    assert {what: shown[what] for what in expected} == expected


def test_explaining_without_a_run(photos, tmp_path, bars):
    explain(compose("explain", ["method=sobel", f"input={photos}", f"output={tmp_path}/out"]))
    assert bars() == {"Explaining": (5, 5)}


def test_a_range_test(tmp_path, bars):
    options = on_top(TINY, ["steps=12", f"output={tmp_path}/lr.html"])
    options = [
        text
        for text in options
        if text.split("=")[0] not in ("logger", "trainer.max_epochs", "trainer.log_every_n_steps")
    ]
    range_test(saved.plain(compose("lr_find", options).config))
    assert bars()["Range test"] == (12, 12)
    assert Bar.shown["Range test"].figures.startswith("rate ")


def test_reading_measuring_and_packing(photos, tmp_path, bars):
    for name in ("one", "two"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(6):
            image = np.random.default_rng(i).integers(0, 255, (32, 32, 3), np.uint8)
            cv2.imwrite(str(tmp_path / "data" / name / f"{name}{i}.png"), image)
    options = {key: value for key, value in (text.split("=", 1) for text in TINY) if not key.startswith("data.source")}
    options |= {"data": "folder", "data.root": str(tmp_path / "data"), "data.normalize": "dataset", "test": "false"}
    options |= {"data.cache_dir": str(tmp_path / "cache"), "data.store": "packed", "data.image_size": "32"}
    options |= {"data.batch_size": "4", "trainer.max_epochs": "1"}
    session.start(compose("train", [*(f"{key}={value}" for key, value in options.items()), f"run_dir={tmp_path}/run"]))
    shown = bars()
    assert shown["Reading"] == shown["Packing"] == (12, 12)
    assert shown["Measuring colours"][0] == shown["Measuring colours"][1] > 0


def test_downloads_are_counted_in_mebibytes(tmp_path, bars, monkeypatch):
    class Response:
        status_code, headers = 200, {"Content-Length": str(3 * 2**20 + 5)}

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def raise_for_status(self):
            pass

        def iter_content(self, size):
            left = 3 * 2**20 + 5
            while left > 0:
                yield os.urandom(min(size, left))
                left -= size

    monkeypatch.setattr(requests, "get", lambda *_, **__: Response())
    download.fetch(download.Remote(("http://example.org/weights.bin",), ""), tmp_path / "weights.bin")
    assert bars() == {"Downloading weights.bin": (3, 4)}
    assert (tmp_path / "weights.bin").stat().st_size == 3 * 2**20 + 5


def test_what_is_interrupted_ends_with_130_and_a_word(capsys):
    def broken_off() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        end_with(broken_off)
    assert end.value.code == 130
    assert capsys.readouterr().err == "Stopped by Ctrl-C before the end.\n"


@pytest.mark.parametrize("command", ["evaluate", "predict", "explain"])
def test_ctrl_c_ends_each_command_on_a_run_with_130_and_without_an_answer(
    command, finished, photos, tmp_path, capsys, monkeypatch
):
    def begin() -> None:
        run, config = session.reopen(str(finished), ())
        if command == "evaluate":
            evaluate(config, run, split="val", checkpoint="best", output=str(tmp_path / "new.json"))
        elif command == "predict":
            rest = {"pictures": None, "anchor": None, "gallery": None, "checkpoint": "best", "device": "cpu"}
            asked = {"source": str(photos), "output": str(tmp_path / "new.csv"), "batch_size": 2, "num_workers": 0}
            predict(config, run, **asked, **rest)
        else:
            asked = [f"run={finished}", "method=gradcam", f"input={photos}", f"output={tmp_path}/new"]
            explain(compose("explain", asked))

    before = {path for path in finished.rglob("*") if path.is_file()}
    asked_to_stop = []

    def ctrl_c(*_: object) -> None:
        asked_to_stop.append(True)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(progress.Advance, "update", ctrl_c)
    answering = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        with pytest.raises(SystemExit) as end:
            end_with(begin)
    finally:
        signal.signal(signal.SIGINT, answering)
    assert asked_to_stop
    assert end.value.code == 130
    assert capsys.readouterr().err.endswith("Stopped by Ctrl-C before the end.\n")
    left = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert left <= ({".png", ".npz"} if command == "explain" else set())  # pictures so far, each whole, and no page
    assert {path for path in finished.rglob("*") if path.is_file()} == before


def test_a_range_test_that_is_interrupted_is_a_keyboard_interrupt(tmp_path, monkeypatch):
    """Lightning answers Ctrl-C with SystemExit(1)."""
    from src.runs import range_test as module

    def interrupted(self, *_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.GrowingRate, "on_train_batch_start", interrupted)
    options = on_top(TINY, ["steps=12", f"output={tmp_path}/lr.html"])
    options = [
        text
        for text in options
        if text.split("=")[0] not in ("logger", "trainer.max_epochs", "trainer.log_every_n_steps")
    ]
    with pytest.raises(KeyboardInterrupt):
        range_test(saved.plain(compose("lr_find", options).config))
    assert not (tmp_path / "lr.html").exists()
