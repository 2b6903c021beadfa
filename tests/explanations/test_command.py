"""`python -m src.explain`, as a person types it: every method on runs of every kind, mistakes, and equal bytes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from src.config.command import compose
from src.errors import UserError
from src.explanations.answers import Question
from src.explanations.command import explain
from src.explanations.output import Output
from tests.models.test_comparison import compared
from tests.models.test_siamese import SIAMESE
from tests.training import train

SHORT = ("trainer.max_epochs=1", "data.source.test=24")
METHODS = {
    "sobel": ("split=test", "method.limit=2"),
    "filters": ("method.layer=[features.0,features.3]", "method.limit=4"),
    "activations": ("split=test", "method.limit=1", "method.layer=features.0"),
    "patches": ("split=test", "batch_size=7", "num_workers=1"),
    "deconvnet": ("split=test", "batch_size=7"),
    "occlusion": ("split=test", "method.limit=1"),
    "gradcam": ("split=test", "method.limit=1"),
    "saliency": ("split=test", "method.limit=1"),
}


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> Path:
    return train(tmp_path_factory.mktemp("explain") / "run", *SHORT)


@pytest.fixture(scope="module")
def localizer(tmp_path_factory) -> Path:
    network = ("model=localizer", "network=conv4", "network.widths=[8,8]", "optimizer.lr=0.01")
    return train(tmp_path_factory.mktemp("explain") / "run", *SHORT, *network)


@pytest.fixture(scope="module")
def siamese(tmp_path_factory) -> Path:
    return train(tmp_path_factory.mktemp("explain") / "run", "trainer.max_epochs=1", *SIAMESE)


@pytest.fixture(scope="module")
def comparison(siamese, tmp_path_factory) -> Path:
    return compared(tmp_path_factory.mktemp("explain") / "run", siamese, "trainer.max_epochs=1")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        cv2.imwrite(str(folder / f"{name}.png"), random.integers(0, 256, (50, 70, 3), dtype=np.uint8))
    return folder


def run(*typed: str) -> tuple[str | None, Path | None]:
    return explain(compose("explain", list(typed)))


def numbers(folder: Path) -> dict:
    return json.loads((folder / "explanation.json").read_text())["numbers"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_writes_pictures_numbers_and_a_page_and_again_the_same_bytes(method, classifier, tmp_path):
    written = []
    for name in ("one", "two"):
        _, folder = run(f"run={classifier}", f"method={method}", f"output={tmp_path}/{name}", *METHODS[method])
        assert folder == tmp_path / name / method
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        files["page"] = (tmp_path / f"{name}.html").read_bytes()
        written.append(files)
        pictures = [Image.open(path) for path in folder.glob("*.png")]
        assert pictures
        assert all(min(picture.size) > 150 for picture in pictures)
    assert written[0] == written[1]
    assert {Path(name).suffix for name in written[0]} >= {".png", ".json"}


def test_layers_are_listed_with_their_fields(classifier):
    text, folder = run(f"run={classifier}", "method=layers")
    assert folder is None
    rows = [line.split() for line in text.splitlines()]
    assert ["features.3", "Conv2d", "16x10x10", "14", "2"] in rows  # 5 + 1 for the pooling + 4 * 2
    assert ["classifier.5", "Linear", "8"] in rows


def test_an_entry_is_made_in_the_page_and_in_the_report_and_what_is_stale_goes(classifier):
    report = classifier / "report.html"
    run(f"run={classifier}", "method=gradcam", "split=test", "method.limit=3")
    once = report.read_text()
    assert once.count('<a href="explain.html">Looking inside</a>') == 1
    _, folder = run(f"run={classifier}", "method=gradcam", "split=test", "method.limit=1")
    assert report.read_text() == once
    assert len(list(folder.glob("*.png"))) == 1
    assert folder == classifier / "explain" / "gradcam"
    page = (classifier / "explain.html").read_text()
    assert "Grad-CAM" in page
    assert page.count("data:image/jpeg") == 1


def test_own_images_and_a_class_by_name_and_by_number(classifier, photos):
    typed = (f"run={classifier}", "method=occlusion", f"input={photos}", "method.patch=8")
    named = numbers(run(*typed, "method.label=star")[1])
    classes = json.loads((classifier / "data.json").read_text())["classes"]
    by_number = run(*typed, f"method.label={classes.index('star')}")[1]
    assert numbers(by_number) == named
    assert [one["image"] for one in named["images"]] == [str(photos / "a.png"), str(photos / "b.png")]
    assert named["images"][0]["answer"] == "probability of star"


def test_a_box_is_covered_in_the_images_own_pixels_and_the_most_sensitive_channels_are_listed(classifier, photos):
    """The network sees the central 50 of 70 columns, at 32 px: columns 10 to 35 of the image are 0 to 16 there."""
    _, folder = run(f"run={classifier}", "method=occlusion", f"input={photos}/a.png", "method.box=[10,0,35,25]")
    found = numbers(folder)["images"][0]
    assert found["window"] == [0, 0, 16, 16]
    assert found["before"] != found["after"]
    changes = [abs(one["after"] - one["before"]) for one in found["most_sensitive_channels"]]
    assert changes == sorted(changes, reverse=True)
    assert len(changes) == 10


def test_what_moves_the_box_of_a_localizer(localizer):
    typed = (f"run={localizer}", "split=test", "method.limit=2")
    for method in ("gradcam", "saliency"):
        _, folder = run(*typed, f"method={method}", "method.what=box")
        assert numbers(folder)["images"][0]["value"] == 1  # the IoU of a box with itself
        assert set(np.load(next(folder.glob("*.npz")))) == {"left", "top", "right", "bottom"}
    _, folder = run(*typed, "method=occlusion", "method.what=box")
    assert numbers(folder)["images"][0]["answer"] == "IoU with its box"
    _, folder = run(*typed, "method=occlusion", "method.what=class")
    assert numbers(folder)["images"][0]["answer"].startswith("probability of")


def test_where_a_localizer_sees_nothing_that_is_what_is_explained(localizer, photos):
    """Of an image without an object the box has no meaning, so by itself the method takes the class."""
    from src.explanations.opening import opened

    composed = compose("explain", [f"run={localizer}", "method=gradcam", f"input={photos}"])
    output = Output(Path(), "gradcam")
    given = opened(composed.config, (), output, needs_images=True, needs_network=True, untrained=False).given
    item, question = given.images.item(0), Question().settled(given.subject)
    for score, words in ((1e6, "probability of nothing"), (-1e6, "IoU with its box")):
        with torch.no_grad():
            given.subject.network.classifier[-1].bias[0] = score
        assert question.answer(given.subject, item, None).words == words


@pytest.mark.parametrize("kind", ["siamese", "comparison"])
def test_what_makes_two_images_the_same_is_shown_in_both(kind, request, photos):
    run_dir = request.getfixturevalue(kind)
    for method in ("gradcam", "saliency", "occlusion"):
        _, folder = run(f"run={run_dir}", f"method={method}", f"input={photos}/b.png", f"anchor={photos}/a.png")
        found = numbers(folder)["images"]
        assert [one["image"] for one in found] == [f"{photos}/b.png", f"{photos}/a.png"]
        assert {one["answer"] for one in found} == {"probability of same"}
        assert found[0]["value"] == pytest.approx(found[1]["value"], abs=1e-5)
        assert len(list(folder.glob("*.png"))) == 2
        maps = [np.load(folder / f"{name}.npz") for name in ("0-b", "0-a-anchor")]
        assert method == "gradcam" or all(any(values.any() for values in one.values()) for one in maps)


def test_weights_without_a_run_answer_as_the_run(classifier, photos, tmp_path):
    typed = ("method=occlusion", f"input={photos}/a.png", f"output={tmp_path}", "method.label=3")
    of_run = numbers(run(f"run={classifier}", *typed)[1])
    of_weights = numbers(run("model=lenet", f"network.weights={classifier}/weights.safetensors", *typed)[1])
    for one in (of_run, of_weights):
        one["images"][0].pop("answer")  # a file of weights has no names of classes
    assert of_weights == of_run


def test_sobel_needs_neither_run_nor_weights(photos, tmp_path):
    _, folder = run("method=sobel", f"input={photos}/a.png", f"output={tmp_path}/x")
    assert np.load(folder / "0-a.npz")["sum"].shape == (50, 70)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["method=gradcam", "input=x"], r"explain what\? Type run=RUN_DIR"),
        (["method=gradcam"], "of which images"),
        ([], "explain what, and how"),
        (["batch_size=8"], "explain what, and how"),
        (["run=RUN", "input=x"], "explained how.*gradcam"),
        (["method=gradcam", "run=RUN", "input=x", "data.eval_crop=1.0"], "no data of the run are used"),
        (["method=gradcam", "run=RUN", "split=test", "data.eval_crop=0.5"], "as the run was trained"),
        (["method=gradcam", "split=test"], "split=test is of a run's data"),
        (["method=filters", "input=x", "run=RUN"], "whatever the image; leave it out"),
        (["method=gradcm"], "did you mean gradcam"),
        (["method=occlusion", "method.pach=3", "input=x", "run=RUN"], "did you mean patch"),
        (["method=gradcam", "run=RUN", "split=test", "method.layer=features.33"], r"nearest are .*features\.3"),
        (["method=gradcam", "run=RUN", "split=test", "method.label=strs"], r"nearest are .*star"),
        (["method=patches", "run=RUN", "split=test", "method.layer=features.0", "method.channels=[6]"], "0 to 5"),
        (["method=gradcam", "run=RUN", "split=test", "model=lenet"], "has its own network"),
        (["method=gradcam", "run=RUN", "split=test", "anchor=x"], "compares no images"),
        (["method=sobel", "input=x", "model=lenet"], "needs no network"),
        (["method=gradcam", "input=x", "model=localizer"], "without a run a classifier is explained"),
        (["method=saliency", "run=RUN", "split=test", "method.what=box"], "the answer of this model is class"),
        (["method=occlusion", "run=RUN", "split=test", "method.channel=1"], "needs both"),
        (["method=layers", "data=shapes"], "other overrides apply to a saved run"),
        (["method=gradcam", "input=x", "model=lenet", "network.weights=RUN", "num_classes=3"], "have 8 outputs"),
    ],
)
def test_mistakes_are_told(typed, message, classifier):
    with pytest.raises(UserError, match=message):
        run(*(text.replace("RUN", str(classifier)) if text.endswith("=RUN") else text for text in typed))


def test_siamese_runs_need_something_to_compare_with(siamese, photos):
    with pytest.raises(UserError, match="this model compares images: with what"):
        run(f"run={siamese}", "method=occlusion", f"input={photos}")
    with pytest.raises(UserError, match="looks at one image alone"):
        run(f"run={siamese}", "method=patches", f"input={photos}", f"anchor={photos}/a.png")


def test_a_classifiers_true_boxes_can_be_covered(classifier):
    """A classifier requires no boxes; shapes have them."""
    _, folder = run(
        f"run={classifier}",
        "method=occlusion",
        "split=test",
        "method.box=true",
        "method.limit=null",
        "data.source.nothing=0",
    )
    assert len(numbers(folder)["images"]) == 24


def test_a_report_that_is_made_again_still_leads_to_the_explanations(classifier):
    from src.report.page import write_run_report

    run(f"run={classifier}", "method=filters")
    write_run_report(classifier, [])
    once = (classifier / "report.html").read_text()
    assert once.count('<li><a href="explain.html">Looking inside</a></li>') == 1
    run(f"run={classifier}", "method=filters")
    assert (classifier / "report.html").read_text() == once


def test_a_mistake_leaves_the_earlier_explanation(classifier, tmp_path):
    typed = (f"run={classifier}", "method=gradcam", "split=test", "method.limit=1", f"output={tmp_path}/x")
    _, folder = run(*typed)
    before = sorted(folder.iterdir())
    with pytest.raises(UserError, match="no such layer"):
        run(*typed, "method.layer=featurs")
    assert sorted(folder.iterdir()) == before
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="output= names another folder"):
        run(*typed[:-1], f"output={tmp_path}/file")


def test_the_page_names_the_run_and_its_weights_and_says_where_they_are_several(tmp_path):
    run_dir = train(tmp_path / "run", *SHORT)
    run(f"run={run_dir}", "method=gradcam", "split=test", "method.limit=2")
    page = (run_dir / "explain.html").read_text()
    assert "<title>Looking inside lenet on shapes</title>" in page
    (first,) = re.findall(r"lenet on shapes, its best weights [0-9a-f]{8}", page)
    assert "<figcaption>" not in page  # the words are in the pictures
    with safe_open(run_dir / "weights.safetensors", "pt") as file:
        name = next(iter(file.keys()))
    checkpoint = run_dir / "checkpoints" / "best.ckpt"
    state = torch.load(checkpoint, weights_only=True)
    state["state_dict"][f"network.{name}"] += 1
    torch.save(state, checkpoint)
    run(f"run={run_dir}", "method=saliency", "split=test", "method.limit=2")
    page = (run_dir / "explain.html").read_text()
    assert "of different weights, as each section says" in page
    of = re.findall(r"Of (lenet on shapes, its best weights [0-9a-f]{8})\.", page)
    assert len(set(of)) == 2
    assert first in of
