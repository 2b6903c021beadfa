"""Each learning problem keeps the promises that the classifier keeps: bits, resume, moved directories, prediction."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import pytest

from src.config.build import build
from src.config.signatures import class_literal
from src.report.answered import kept_sections
from src.runs import session
from tests.prove.promise import same, tensors
from tests.training import killed, resume, train

SIAMESE = ("model=siamese", "network=lenet", "data.source.train=320", "data.source.val=120", "data.source.test=120")
PROBLEMS: dict[str, tuple[str, ...]] = {
    "localizer": ("model=localizer", "network=lenet", "callbacks=[default,ema]", "callbacks.ema.decay=0.9"),
    "siamese": SIAMESE,
    "comparison": ("model=comparison", *SIAMESE[2:], "callbacks=[default,ema]", "callbacks.ema.decay=0.9"),
    "transfer": ("model=transfer", "augment=none"),
    "transfer, augmented": ("model=transfer", "augment=light", "model.trainable={0: head, 1: classifier.1}"),
}
SOURCES = {"transfer": (), "transfer, augmented": (), "comparison": SIAMESE}
"""What the source of a problem that needs one is trained with."""


@pytest.fixture(scope="module", params=PROBLEMS)
def problem(request, tmp_path_factory) -> tuple[str, ...]:
    """Return what to type to train a learning problem."""
    overrides = PROBLEMS[request.param]
    if request.param not in SOURCES:
        return overrides
    source = train(tmp_path_factory.mktemp("source") / "run", *SOURCES[request.param], "trainer.max_epochs=1")
    return (*overrides, f"model.source={source}")


@pytest.fixture(scope="module")
def finished(problem, tmp_path_factory) -> Path:
    return train(tmp_path_factory.mktemp("finished") / "run", "callbacks.last.every_n_train_steps=2", *problem)


def test_a_run_directory_holds_what_is_promised(finished):
    promised = ("checkpoints/best.ckpt", "checkpoints/last.ckpt", "weights.safetensors", "report.html", "data.json")
    assert all((finished / name).exists() for name in promised)
    metrics = json.loads((finished / "metrics.json").read_text())
    assert {"train/loss", "val/loss", "test/loss"} <= metrics.keys()
    assert json.loads((finished / "record.json").read_text())["status"] == "finished"


def test_the_same_run_with_workers_has_the_same_bits(problem, finished, tmp_path):
    again = train(tmp_path / "again", *problem, "data.num_workers=2", "callbacks.last.every_n_train_steps=2")
    assert same(tensors(finished), tensors(again))
    assert (again / "answers-test.npz").read_bytes() == (finished / "answers-test.npz").read_bytes()
    assert (again / "samples.txt.gz").read_bytes() == (finished / "samples.txt.gz").read_bytes()


def test_what_is_kept_of_the_answers_shows_the_same_as_the_runs_own_report(finished):
    """Every picture too: small ones are kept without loss."""
    own = (finished / "report.html").read_text(encoding="utf-8")
    sections = kept_sections(finished)
    assert len(sections) >= 4
    for section in sections:
        assert f"<h2>{section.title}</h2>" in own
        assert section.html in own


def test_a_killed_and_resumed_run_equals_an_undisturbed_one(problem, finished, tmp_path, monkeypatch):
    broken = tmp_path / "broken"
    steps = len((finished / "metrics.csv").read_text().splitlines())
    assert steps > 2
    killed(monkeypatch, broken, 5, *problem)
    assert (broken / "checkpoints" / "last.ckpt").exists()
    resume(broken)
    assert same(tensors(finished), tensors(broken))


def test_a_moved_run_evaluates_to_the_same_figures(finished, tmp_path):
    from src.runs.evaluation import evaluate

    moved = shutil.copytree(finished, tmp_path / "elsewhere" / "run")
    run, config = session.reopen(str(moved), ())
    figures = evaluate(config, run, split="test", checkpoint="best", output=None).figures
    trained = json.loads((finished / "metrics.json").read_text())
    assert figures == {key: value for key, value in trained.items() if key.startswith("test/")}


def test_the_best_weights_have_the_figures_that_validation_found(finished):
    from src.runs.evaluation import evaluate

    run, config = session.reopen(str(finished), ())
    figures = evaluate(config, run, split="val", checkpoint="best", output=None).figures
    trained = json.loads((finished / "metrics.json").read_text())
    validated = {key: value for key, value in trained.items() if key.startswith("val/")}
    assert {key: figures[key] for key in validated} == pytest.approx(validated, abs=1e-5)


def test_predictions_do_not_depend_on_the_batch(finished, tmp_path):
    from src.runs.prediction import predict

    run, config = session.reopen(str(finished), ())
    source = build(config["data"]["source"])
    source.setup()
    images = tmp_path / "images"
    images.mkdir()
    for index in source.splits()["test"][:20]:
        cv2.imwrite(str(images / f"{index:04d}.png"), source.read(int(index))["image"][..., ::-1])
    compares = class_literal(config["model"]["_target_"], "compares")
    anchor = str(min(images.iterdir())) if compares else None
    tables = []
    for batch in (20, 3):
        rows, path = predict(
            config,
            run,
            source=str(images),
            output=str(tmp_path / "out.csv"),
            pictures="auto",
            anchor=anchor,
            gallery=None,
            checkpoint="best",
            batch_size=batch,
            num_workers=0,
            device="cpu",
        )
        assert path.exists()
        tables.append(rows)
    assert len(tables[0]) == 20
    for one, other in zip(*tables, strict=True):
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert value == (pytest.approx(other[key], abs=1e-3) if isinstance(value, float) else other[key]), key
