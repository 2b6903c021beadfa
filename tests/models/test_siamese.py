"""The siamese network from the command's recipe: threshold, collapse, lists, what it refuses."""

from __future__ import annotations

import csv
import functools
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from src.config.command import compose
from src.config.problems import ConfigurationError
from src.data.sources.shapes import Shapes
from src.data.spec import DataSpec
from src.errors import UserError
from src.metrics.verification import all_pairs, fold_accuracy
from src.models.schedules import constant
from src.models.siamese import Siamese
from src.runs import session
from src.runs.evaluation import Evaluation, evaluate, restore
from src.runs.prediction import predict
from tests.training import on_top, train

SIAMESE = (
    *("model=siamese", "network=lenet", "model.embedding_dim=8", "model.images_per_identity=2", "optimizer.lr=0.1"),
    *("data.source.identities=14", "data.val_fraction=0.3", "data.test_fraction=0.3"),
)
FOLDER = (
    *("model=siamese", "network=lenet", "data=identities", "data.image_size=32", "data.batch_size=8", "augment=none"),
    *("data.num_workers=0", "model.images_per_identity=2", "data.val_fraction=0.3", "data.test_fraction=0.3"),
    *("trainer.max_epochs=1", "trainer.accelerator=cpu", "threads=1", "logger=csv"),
)


def run_folder(run_dir: Path, root: Path, *overrides: str) -> Path:
    typed = on_top(FOLDER, [f"data.root={root}", *overrides])
    if "model.mining=curated" in typed:  # whose batches are the table's
        typed.remove("model.images_per_identity=2")
    session.start(compose("train", [*typed, f"run_dir={run_dir}"]))
    return run_dir


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    """A folder of ten individuals with four pictures each."""
    root = tmp_path_factory.mktemp("people")
    source = Shapes(size=32, train=200, val=1, test=1, identities=10, max_objects=1, nothing=0.0, seed=0)
    for identity in range(10):
        for number, index in enumerate(np.flatnonzero(source.identities()[:200] == identity)[:4]):
            path = root / f"p{identity}" / f"{number + 1}.png"
            path.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(path), source.read(int(index))["image"][..., ::-1])
    return root


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    average = ("callbacks=[default,ema]", "callbacks.ema.decay=0.8")
    return train(tmp_path_factory.mktemp("siamese") / "run", *SIAMESE, *average)


def metrics(run_dir: Path) -> dict[str, float]:
    return json.loads((run_dir / "metrics.json").read_text())


def siamese(**overrides) -> Siamese:
    spec = DataSpec(
        targets=("identity",), classes=("a", "b"), channels=1, image_size=8, eval_crop=1.0, mean=(0.0,), std=(1.0,),
        multilabel=False, num_keypoints=0, class_counts=(1, 1), train_samples=2, digest="",
    )  # fmt: skip
    options = {
        "embedding_dim": 3, "normalize": True, "images_per_identity": 2, "margin": 0.2, "mining": "hard",
        "distance": "squared_euclidean", "collapse_spread": 0.05, "source": None, "trainable": "all",
        "layer_lr_decay": 1.0, "decay_norm_and_bias": False, "channels_last": False, "compile": False,
        "monitor": "val/roc_auc", "monitor_mode": "max", "seed": 0,
        "optimizer": functools.partial(torch.optim.SGD, lr=0.1),
        "scheduler": functools.partial(constant, warmup_epochs=0),
    }  # fmt: skip
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    return Siamese(network=network, spec=spec, **options | overrides)


def test_embeddings_have_length_one_where_they_shall():
    images = torch.rand(4, 1, 8, 8)
    torch.testing.assert_close(siamese().embed(images).norm(dim=1), torch.ones(4))
    model = siamese(normalize=False)
    torch.testing.assert_close(model.embed(images), model.network(images))


def test_the_probability_is_a_half_at_the_threshold_and_falls_with_the_distance():
    model = siamese()
    model.threshold.fill_(0.4)
    model.slope.fill_(5.0)
    found = model.probabilities(torch.tensor([0.0, 0.4, 0.8], dtype=torch.float64))
    assert found.tolist() == pytest.approx([1 / (1 + np.exp(-2)), 0.5, 1 / (1 + np.exp(2))])


def test_the_kept_threshold_is_the_best_of_the_validation_pairs_of_the_kept_weights(finished):
    """Averaged weights are measured and kept: the threshold must be theirs, not that of the weights being trained."""
    run, config = session.reopen(str(finished), ())
    model, data, _ = restore(config, run, "best")
    batches = [data.on_after_batch_transfer(batch, 0) for batch in data.in_order("val")]
    with torch.inference_mode():
        embeddings = torch.cat([model.embed(batch["image"]) for batch in batches]).double()
    identities = torch.cat([batch["identity"] for batch in batches])
    found = all_pairs(embeddings, identities, model.comparer())
    assert float(model.threshold) == pytest.approx(found.curve.best_threshold(), abs=1e-6)
    assert float(model.slope) == pytest.approx(found.histogram.slope_at(float(model.threshold)), rel=1e-3)
    assert metrics(finished)["val/loss"] == pytest.approx(found.loss, abs=1e-6)
    assert metrics(finished)["val/roc_auc"] == pytest.approx(found.curve.roc_auc(), abs=1e-6)


def test_a_run_has_the_figures_that_are_promised(finished):
    names = {
        "loss", "roc_auc", "equal_error_rate", "verification_accuracy", "tar_at_far_0.01", "tar_at_far_0.001",
        "recall_at_1", "embedding_spread", "same_distance", "different_distance",
    }  # fmt: skip
    found = metrics(finished)
    assert {f"{split}/{name}" for split in ("val", "test") for name in names} <= found.keys()
    assert "test/baseline/pixel_roc_auc" in found
    assert {
        f"train/{name}" for name in ("loss", "active_triplets", "embedding_spread", "same_distance")
    } <= found.keys()


def test_collapse_is_said_once(tmp_path, capsys):
    """With a margin of 50 the loss of embeddings of length one is always about the margin; each spread is below 2."""
    train(tmp_path / "run", *SIAMESE, "model.margin=50", "model.collapse_spread=2", "data.source.train=80")
    assert capsys.readouterr().err.count("The embeddings collapse") == 1


def test_a_run_that_learns_does_not_collapse(finished):
    assert "collapse" not in (finished / "log.txt").read_text()


@pytest.mark.parametrize("mining", ["all", "semi_hard"])
def test_other_miners_and_the_cosine_train_too(mining, tmp_path):
    run = train(tmp_path / "run", *SIAMESE, f"model.mining={mining}", "model.distance=cosine", "trainer.max_epochs=1")
    assert 0 < metrics(run)["train/active_triplets"] <= 1


def test_curated_triplets_train(people, tmp_path):
    rows = [f"p{a}/1.png,p{a}/{k}.png,p{b}/{k}.png" for a in range(10) for b in range(10) for k in (2, 3) if a != b]
    (people / "triplets.csv").write_text("\n".join(["anchor,positive,negative", *rows]))
    curated = ("model.mining=curated", "data.source.triplets=triplets.csv")
    run = run_folder(tmp_path / "run", people, *curated, "data.batch_size=12")
    assert metrics(run)["train/loss"] > 0
    with pytest.raises(UserError, match=r"data\.batch_size=8: curated triplets are three images each"):
        run_folder(tmp_path / "wrong", people, *curated)
    with pytest.raises(UserError, match=r"model\.mining=curated needs data\.source\.triplets"):
        run_folder(tmp_path / "none", people, "model.mining=curated", "data.batch_size=12")


def test_a_file_of_pairs_is_measured_by_its_protocol(people, tmp_path):
    """Its people are the test; accuracy and standard error are those of its pairs, computed here from the pictures."""
    same = [(f"p{k}/{i}.png", f"p{k}/{i + 1}.png") for k in (2, 5, 7, 8) for i in (1, 2, 3)]
    different = [(f"p2/{i}.png", f"p{k}/{i}.png") for k in (5, 7, 8) for i in (1, 2, 3, 4)]
    lines = ["12"]
    for fold in range(2):
        lines += [f"{a[:2]}\t{a[3]}\t{b[3]}" for a, b in same[6 * fold : 6 * fold + 6]]
        lines += [f"{a[:2]}\t{a[3]}\t{b[:2]}\t{b[3]}" for a, b in different[6 * fold : 6 * fold + 6]]
    (people / "pairs.txt").write_text("\n".join(lines))
    run = run_folder(tmp_path / "run", people, "data.source.pairs=pairs.txt")
    opened, config = session.reopen(str(run), ())
    model, data, _ = restore(config, opened, "best")
    assert {data.name_of(int(index))[:2] for index in data.splits["test"]} == {"p2", "p5", "p7", "p8"}
    distances = []
    for a, b in [*same[:6], *different[:6], *same[6:], *different[6:]]:
        indices = [index for name in (a, b) for index in range(len(data.source)) if data.name_of(index) == name]
        dataset = data.dataset("test")
        places = [int(np.flatnonzero(dataset.indices == index)[0]) for index in indices]
        pictures = np.stack([dataset.sample(place)["image"] for place in places])
        batch = {"image": torch.from_numpy(pictures).permute(0, 3, 1, 2)}
        with torch.inference_mode():
            left, right = model.embed(data.on_after_batch_transfer(batch, 0)["image"]).double()
        distances.append(float((left - right).square().sum()))
    truth = torch.tensor(([True] * 6 + [False] * 6) * 2)
    dealt = torch.arange(12) * 10 // 12  # each kind into ten folds
    folds = torch.cat([dealt[:6], dealt[:6], dealt[6:], dealt[6:]])
    accuracy, error = fold_accuracy(torch.tensor(distances), truth, folds)
    assert metrics(run)["test/lfw_accuracy"] == pytest.approx(accuracy)
    assert metrics(run)["test/lfw_standard_error"] == pytest.approx(error)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def one_fold(people, tmp_path_factory) -> Evaluation:
    """A run that trained on fold 0 and everyone in no pair, measured on its own fold: p7 and p8."""
    lines = ["2\t3"]
    for a, b in (("p2", "p5"), ("p7", "p8")):
        lines += [f"{a}\t1\t2", f"{a}\t2\t3", f"{b}\t1\t4", *(f"{a}\t{i}\t{b}\t{5 - i}" for i in (1, 2, 4))]
    (people / "folds.txt").write_text("\n".join(lines))
    run = run_folder(tmp_path_factory.mktemp("fold") / "run", people, "data.source.pairs=folds.txt")
    opened, config = session.reopen(str(run), ())
    return evaluate(config, opened, split="test", checkpoint="best", output=str(run / "again.json"))


def test_people_of_the_tested_fold_never_train_and_only_images_in_its_pairs_are_measured(one_fold):
    data = one_fold.data
    files = {name: {data.name_of(int(index)) for index in indices} for name, indices in data.splits.items()}
    assert files["test"] == {*(f"p7/{i}.png" for i in (1, 2, 3, 4)), *(f"p8/{i}.png" for i in (1, 3, 4))}
    assert len(files["train"] | files["val"]) == 8 * 4
    assert not {name[:2] for name in files["train"] | files["val"]} & {"p7", "p8"}


def test_predictions_have_a_row_for_each_pair_with_names_and_the_fold(one_fold, tmp_path):
    one_fold.write_predictions(tmp_path / "pairs.csv")
    one_fold.write_embeddings(tmp_path / "embeddings.csv")
    rows = rows_of(tmp_path / "pairs.csv")
    assert [(row["first"], row["second"], row["truth"]) for row in rows] == [
        ("p7/1.png", "p7/2.png", "same"),
        ("p7/2.png", "p7/3.png", "same"),
        ("p8/1.png", "p8/4.png", "same"),
        ("p7/1.png", "p8/4.png", "different"),
        ("p7/2.png", "p8/3.png", "different"),
        ("p7/4.png", "p8/1.png", "different"),
    ]
    assert [(row["first_identity"], row["second_identity"], row["fold"]) for row in rows[2:4]] == [
        ("p8", "p8", "1"),
        ("p7", "p8", "1"),
    ]
    vectors = {}
    for row in rows_of(tmp_path / "embeddings.csv"):
        assert row["identity"] == row["path"][:2]
        vectors[row["path"]] = np.array([float(value) for name, value in row.items() if name[0] == "e"])
    for row in rows:
        apart = ((vectors[row["first"]] - vectors[row["second"]]) ** 2).sum()
        assert float(row["distance"]) == pytest.approx(apart, abs=1e-6)
    right = np.mean([row["answer"] == row["truth"] for row in rows])
    assert one_fold.figures["test/lfw_accuracy"] == pytest.approx(right)
    assert "test/lfw_standard_error" not in one_fold.figures, "of one fold"


def test_without_pairs_predictions_name_the_nearest_other_image(finished, people, tmp_path):
    run, config = session.reopen(str(finished), ("data=identities", f"data.root={people}", "data.test_fraction=0.6"))
    found = evaluate(config, run, split="test", checkpoint="best", output=str(tmp_path / "out.json"))
    found.write_predictions(tmp_path / "images.csv")
    rows = rows_of(tmp_path / "images.csv")
    assert len(rows) == len(found.data.splits["test"])
    assert all(row["identity"] == row["path"][:2] and row["nearest"] != row["path"] for row in rows)
    hits = np.mean([row["identity"] == row["nearest_identity"] for row in rows])
    assert found.figures["test/recall_at_1"] == pytest.approx(hits)


def test_a_run_of_strangers_is_measured_on_all_folds_of_the_pairs(finished, people, one_fold, tmp_path):
    data = ("data=identities", f"data.root={people}", "data.source.pairs=folds.txt")
    run, config = session.reopen(str(finished), data)
    found = evaluate(config, run, split="test", checkpoint="best", output=str(tmp_path / "out.json"))
    found.write_predictions(tmp_path / "pairs.csv")
    assert [row["fold"] for row in rows_of(tmp_path / "pairs.csv")] == ["0"] * 6 + ["1"] * 6
    assert "test/lfw_standard_error" in found.figures


@pytest.mark.parametrize(("area", "told"), [(0.45, True), (0.55, False)])
def test_telling_people_apart_worse_than_by_chance_is_told(area, told, caplog):
    model = siamese()
    model.validated = {"val/roc_auc": area}
    with caplog.at_level("WARNING", logger="src.models.verification"):
        model.on_train_end()
    assert ("val/roc_auc is 0.4500, below chance" in caplog.text) is told


def test_another_folder_of_other_people_can_be_measured(finished, people, tmp_path):
    run, config = session.reopen(str(finished), ("data=identities", f"data.root={people}", "data.test_fraction=0.99"))
    figures = evaluate(config, run, split="test", checkpoint="best", output=str(tmp_path / "out.json")).figures
    assert 0 < figures["test/roc_auc"] <= 1


def answers(run_dir: Path, folder: Path, output: Path, **asked: str) -> list[dict[str, str | float]]:
    run, config = session.reopen(str(run_dir), ())
    options = {"anchor": None, "gallery": None, "pictures": None} | asked
    rows, _ = predict(
        config, run, source=str(folder), output=str(output), checkpoint="best", batch_size=8, num_workers=0,
        device="cpu", **options,
    )  # fmt: skip
    return rows


def test_predict_compares_with_an_anchor_or_finds_the_nearest(finished, people, tmp_path):
    anchor = str(people / "p3" / "2.png")
    rows = answers(finished, people / "p3", tmp_path / "out.csv", anchor=anchor)
    assert [row["anchor"] for row in rows] == [anchor] * 4
    assert rows[1]["distance"] == pytest.approx(0, abs=1e-5)
    for row in rows:
        assert row["answer"] == ("same" if row["distance"] <= row["threshold"] else "different")
        assert (row["probability"] >= 0.5) == (row["answer"] == "same")
    rows = answers(finished, people / "p3", tmp_path / "out.json", gallery=str(people))
    assert [row["nearest"] for row in rows] == [row["path"] for row in rows]  # each is in the gallery itself
    with pytest.raises(UserError, match="with what"):
        answers(finished, people, tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("data.batch_size=17",), r"data\.batch_size=17 with model\.images_per_identity=2.*type data\.batch_size=16"),
        (("data.batch_size=2",), r"at least two identities with 2 images each; type data\.batch_size=4"),
        (("data.val_fraction=0",), r"data\.val_fraction=0: the threshold between same and different"),
        (("trainer.limit_val_batches=0",), "the threshold of a Siamese"),
        (("data.source.identities=7", "data.test_fraction=0.9"), "train has"),
    ],
)
def test_what_cannot_work_is_refused(overrides, words, tmp_path):
    with pytest.raises(UserError, match=words):
        train(tmp_path / "run", *SIAMESE, *overrides)


def test_one_image_per_identity_is_refused_before_any_image_is_read(tmp_path):
    for number in range(12):
        path = tmp_path / "alone" / f"p{number}" / "1.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"not read")
    with pytest.raises(UserError, match="one image per identity"):
        run_folder(tmp_path / "run", tmp_path / "alone")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("data=mnist",), "model=siamese needs identity; data=mnist provides label"),
        (("augment.mixup=0.2",), "cannot learn from images that are mixed up"),
        (("model.margin=0",), "model.margin"),
        (("model.mining=hardest",), "model.mining"),
    ],
)
def test_what_does_not_fit_is_a_mistake_of_the_configuration(overrides, words):
    with pytest.raises(ConfigurationError, match=words):
        compose("train", ["model=siamese", *overrides])
