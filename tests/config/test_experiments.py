"""params.yaml: every mistake in it is told at once, where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.config.experiments import read_experiments
from src.config.explained import read_explanations
from src.config.problems import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]


def written(path: Path, experiments: str, successors: str = "{}") -> Path:
    path.write_text(f"experiments:\n  {experiments}\nsuccessors: {successors}\n")
    return path


@pytest.mark.parametrize("preset", sorted((ROOT / "params").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_preset_composes(preset):
    experiments = read_experiments(preset)
    assert {name for name, one in experiments.items() if one.source} == {
        name for name, one in experiments.items() if one.composed.config.model.source
    }
    assert all(one.composed.config.threads != "auto" for one in experiments.values())
    assert read_explanations(preset, experiments).keys() <= experiments.keys()


def test_params_yaml_is_the_default_preset():
    assert (ROOT / "params.yaml").read_bytes() == (ROOT / "params" / "default.yaml").read_bytes()


def test_overrides_are_read_as_a_shell_reads_them(tmp_path):
    text = "one: >-\n    model=lenet\n    'model.trainable={0: head, 1: all}'"
    found = read_experiments(written(tmp_path / "params.yaml", text))["one"]
    assert found.overrides == ("model=lenet", "model.trainable={0: head, 1: all}")
    assert found.composed.config.model.trainable == {0: "head", 1: "all"}


def test_a_package_that_is_no_dependency_is_refused_and_one_that_is_is_trusted_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "nets_beside").mkdir()
    (tmp_path / "nets_beside" / "__init__.py").touch()
    pipeline, path = tmp_path / "dvc.yaml", tmp_path / "params.yaml"
    pipeline.write_text("stages: {configs: {deps: [src]}}")
    written(path, "one: model=lenet allowed_packages=[nets_beside]")
    with pytest.raises(ConfigurationError, match=r"add nets_beside to its deps in dvc\.yaml"):
        read_experiments(path)
    pipeline.write_text("stages: {configs: {deps: [src, nets_beside]}}")
    assert read_experiments(path)["one"].trust == ("allowed_packages=[nets_beside]",)
    assert read_experiments(written(path, "one: model=lenet"))["one"].trust == ()


def test_mistakes_of_all_experiments_are_told_at_once(tmp_path):
    path = written(
        tmp_path / "params.yaml",
        "\n  ".join(
            [
                "misspelt: model=resnt",
                "value: optimizer.lr=fast",
                "place: run_dir=here",
                "early: model=transfer model.source=outputs/value",
                "a.b: model=lenet",
                "number: 3",
            ]
        ),
        "{elsewhere: model=transfer model.source=runs/latest, lonely: model=lenet}",
    )
    with pytest.raises(ConfigurationError) as raised:
        read_experiments(path)
    text = str(raised.value)
    for words in (
        *("experiments.misspelt", "resnet", "experiments.value", "optimizer.lr", "experiments.place", "run_dir"),
        *("experiments.early", "stands under successors", "a.b", "letters", "experiments.number", "one text"),
        *("successors.elsewhere", "runs/latest", "successors.lonely", "names no experiment"),
    ):
        assert words in text, words


def test_a_source_that_is_misspelt_is_told_with_the_right_name(tmp_path):
    path = written(tmp_path / "params.yaml", "faces: model=siamese", "{c: model=comparison model.source=outputs/face}")
    with pytest.raises(ConfigurationError, match="did you mean faces"):
        read_experiments(path)


def test_published_weights_are_no_source_of_the_pipeline(tmp_path):
    path = written(tmp_path / "params.yaml", "one: model=resnet network.depth=18 network.weights=IMAGENET1K_V1")
    assert read_experiments(path)["one"].source is None
