"""What params.yaml says is to be explained: checked with the experiments, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.config.experiments import read_experiments
from src.config.explained import read_explanations
from src.errors import UserError
from src.runs.stages import dependencies
from src.runs.stages.dependencies import current, write_dependencies

PARAMS = "experiments: {one: model=lenet threads=1, pair: model=siamese network=conv4}\nsuccessors: {}\n"
PIPELINE = "stages: {configs: {deps: [conf, src, photos]}}\n"


def write(folder: Path, explanations: str) -> Path:
    path = folder / "params.yaml"
    path.write_text(f"{PARAMS}explanations: {explanations}\n")
    return path


def test_one_text_or_several_are_composed_for_the_outputs_of_the_experiment(tmp_path):
    path = write(tmp_path, "{one: [method=gradcam split=test method.limit=2, method=filters]}")
    found = read_explanations(path, read_experiments(path))["one"]
    assert [one.choices["method"] for one in found] == ["gradcam", "filters"]
    assert {one.config.run for one in found} == {"outputs/one"}
    assert found[0].config.method.limit == 2


def test_a_file_without_explanations_has_none(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS)
    assert read_explanations(path, read_experiments(path)) == {}


@pytest.mark.parametrize(
    ("explanations", "words"),
    [
        ("{onne: method=filters}", "did you mean one"),
        ("{one: method=gradcm split=test}", "did you mean gradcam"),
        ("{one: method=gradcam}", "of which images"),
        ("{one: [method=filters, method=filters]}", "twice"),
        ("{one: method=layers}", "leaves no file"),
        ("{one: method=filters output=x}", "is set by the pipeline"),
        ("{one: method=gradcam split=test data.root=x}", "as it is"),
        ("{one: method=occlusion split=test method.layer=features.0}", "also type method.channel=NUMBER"),
        ("{one: method=gradcam split=test method.what=box}", "the answer of this model is class"),
        ("{one: method=patches split=test method.layer=feature.0}", "the nearest are features.0"),
        ("{one: method=gradcam input=photos/nowhere}", "no file photos/nowhere"),
        ("{one: method=gradcam input=elsewhere/*.png}", "add elsewhere to its deps in dvc.yaml"),
        ("{one: method=gradcam split=test anchor=photos/a.png}", "compares no images"),
        ("{pair: method=gradcam split=test}", "Type anchor=IMAGE"),
        ("{pair: method=gradcam split=test method.label=circle anchor=photos/a.png}", "no file photos/a.png"),
        ("{one: 3}", "a list of such"),
        ("[one]", "must be a section"),
    ],
)
def test_a_mistake_is_told_with_its_place(explanations, words, tmp_path, monkeypatch):
    write(tmp_path, explanations)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        write_dependencies()
    assert "params.yaml" in str(caught.value)
    assert "explanations" in str(caught.value)
    assert words in str(caught.value)


def test_images_that_change_make_the_explanation_another(tmp_path, monkeypatch):
    write(tmp_path, "{one: method=sobel input=photos}")
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "photos").mkdir()
    image = tmp_path / "photos" / "a.png"
    image.write_bytes(b"one")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dependencies, "code_digests", lambda *_, **__: {})  # the code is another test's business
    write_dependencies()
    current("one/explain.json")
    image.write_bytes(b"two")
    with pytest.raises(UserError, match=r"explain\.json is out of date \(images\.input=photos\.photos/a\.png\)"):
        current("one/explain.json")
