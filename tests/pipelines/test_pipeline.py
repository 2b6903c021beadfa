"""`dvc repro` in a copy of the project, with real DVC: what runs, what it leaves, and what a change invalidates."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.pipelines.repository import (
    SMALLEST,
    commit,
    copy_of_project,
    dvc,
    environment,
    git,
    out_of_date,
    ran,
)

STAGES = [
    *("configs", "prepare", "train@classifier", "evaluate@classifier", "sources", "train-successor@transfer"),
    *("evaluate-successor@transfer", "report"),
]
TRAININGS = {"train@classifier", "train-successor@transfer"}
EVALUATIONS = {"evaluate@classifier", "evaluate-successor@transfer"}
CODE = "NEW = 1"


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The project after one `dvc repro`, committed."""
    folder = copy_of_project(tmp_path_factory.mktemp("pipeline") / "project", SMALLEST)
    done = dvc(folder, "repro")
    assert sorted(ran(done.stdout)) == sorted(STAGES)
    commit(folder)
    return folder


@pytest.fixture
def changed(repository):
    """The repository, to be changed: it is put back afterwards."""
    yield repository
    git(repository, "checkout", "-q", ".")
    git(repository, "clean", "-qfd")
    dvc(repository, "checkout", "--force")


def test_a_second_repro_runs_nothing(repository):
    assert ran(dvc(repository, "repro").stdout) == []
    assert git(repository, "status", "--porcelain") == ""


def test_outputs_hold_no_place_no_time_and_no_name_of_a_machine(repository):
    files = [path for path in (repository / "outputs").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"weights.safetensors", "metrics.csv", "predictions.csv", "report.html"}
    host = os.uname().nodename
    for path in files:
        content = path.read_bytes().decode("latin-1")
        assert str(repository) not in content, path
        assert str(Path.home()) + "/" not in content, path
        assert len(host) < 4 or host not in content, path
        assert not re.search(r"20\d\d-\d\d-\d\d[T ]\d\d:", content), path
    records = list((repository / "build" / "runs").glob("*/record.json"))
    assert len(records) == 2, "what holds those stays outside"


def test_a_successor_keeps_its_source_as_it_was_typed(repository):
    config = (repository / "outputs" / "transfer" / "config.yaml").read_text()
    assert "source: outputs/classifier" in config
    assert "weights: outputs/classifier" in config


def test_metrics_and_plots_are_shown(repository):
    shown = json.loads(dvc(repository, "metrics", "show", "--json").stdout)
    figures = {key for entry in shown.values() for file in entry["data"].values() for key in file["data"]}
    assert {"test/accuracy", "val/loss"} <= figures
    plots = dvc(repository, "plots", "show", "--json").stdout
    assert "metrics.csv" in plots


@pytest.mark.parametrize(
    ("file", "old", "new", "stages"),
    [
        ("conf/model/_classifier.yaml", "label_smoothing: 0.0", "label_smoothing: 0.1", TRAININGS),
        ("conf/network/lenet.yaml", "# @", "# Said otherwise. # @", set()),
        ("conf/network/vgg19.yaml", "weights: null", "weights: IMAGENET1K_V1", set()),
        ("src/networks/vgg.py", None, CODE, set()),
        ("src/networks/lenet.py", None, CODE, TRAININGS | EVALUATIONS),
        ("src/models/classifier.py", None, CODE, TRAININGS | EVALUATIONS),
        ("src/models/transfer.py", None, CODE, {"train-successor@transfer", "evaluate-successor@transfer"}),
        ("src/models/transfer.py", None, "# a comment", set()),
        ("src/models/localizer.py", None, CODE, set()),
        ("src/data/sources/drawing.py", None, CODE, {"prepare"} | TRAININGS | EVALUATIONS),
        ("src/report/overview.py", None, CODE, {"report"}),
        ("src/report/templates/style.css", None, "/* wider */", {"report"}),
        ("src/config/settings.py", None, CODE, {"report"}),
        ("src/config/saved.py", None, CODE, EVALUATIONS),
        ("src/runs/stages/publish.py", None, CODE, TRAININGS | EVALUATIONS),
        ("src/runs/stages/evaluate.py", None, CODE, EVALUATIONS),
        ("pipelines/overview.py", None, CODE, {"report"}),
        ("pipelines/sources.py", None, CODE, {"sources"}),
        ("src/sweeps/locks.py", None, CODE, set()),
        ("src/data/stream/chunks.py", None, CODE, set()),
        ("src/.lenet.py.swp", "", CODE, None),
        ("src/networks/__init__.py.orig", "", CODE, None),
        ("README.md", None, "More.", None),
        ("tests/training.py", None, CODE, None),
        ("params.yaml", "data.source.seed=1", "data.source.seed=2", {"prepare", "train-successor@transfer"}),
        ("params.yaml", "trainer.max_epochs=1", "trainer.max_epochs=3", {"train-successor@transfer"}),
    ],
    ids=[
        *("a key of all classifiers", "a comment in conf", "another network's key", "another network", "the network"),
        *("the task", "the task of one", "a comment", "another task", "the drawing", "the report", "its style"),
        *("what the report lists", "what evaluation reads", "what training leaves", "what evaluation leaves"),
        *("the stage of the report", "the stage of sources", "a search", "a stream"),
        *("a file of an editor", "what a merge left"),
        *("the README", "a test", "the data of one", "an override of one"),
    ],
)
def test_what_a_change_invalidates(changed, file, old, new, stages):
    """Evaluation and report then follow where what they read has changed; None where not even `configs` runs."""
    path = changed / file
    text = path.read_text() if path.exists() else ""
    path.write_text(f"{text}\n{new}\n" if old is None else text.replace(old, new, 1))
    if stages is None:
        assert out_of_date(changed) == set()
        return
    dvc(changed, "repro", "configs")
    assert out_of_date(changed) == stages


def test_a_changed_override_runs_what_depends_on_it_and_nothing_else(changed):
    path = changed / "params.yaml"
    path.write_text(path.read_text().replace("trainer.max_epochs=1", "trainer.max_epochs=2"))
    expected = ["configs", "train-successor@transfer", "evaluate-successor@transfer", "report"]
    assert ran(dvc(changed, "repro").stdout) == expected


def test_one_more_entry_is_one_more_experiment(changed):
    path = changed / "params.yaml"
    path.write_text(path.read_text().replace("successors:", "  second: model=lenet threads=1\nsuccessors:"))
    dvc(changed, "repro", "configs")
    assert out_of_date(changed) == {"prepare", "train@second", "evaluate@second", "sources", "report"}


def test_there_and_back_leaves_the_lock_as_it_was(changed):
    """Other experiments and the first ones again, twice: what is left of those that are gone is counted nowhere."""
    params, lock = changed / "params.yaml", changed / "dvc.lock"
    here = params.read_text()
    there = here.replace("  classifier:", "  second:").replace("outputs/classifier", "outputs/second")
    locks = {here: lock.read_text()}
    for text in (there, here, there, here):
        params.write_text(text)
        dvc(changed, "repro")
        assert out_of_date(changed) == set()
        assert _folders(lock.read_text()) == _folders(locks.setdefault(text, lock.read_text()))
        names = {path.stem for path in (changed / "build" / "evaluated").iterdir()}
        assert names == {"transfer", "second" if text == there else "classifier"}


def _folders(lock: str) -> dict[str, object]:
    """Return what a lock says of the stages that depend on a folder that others fill."""
    stages = yaml.safe_load(lock)["stages"]
    return {name: stages[name] for name in ("sources", "report")}


def test_a_mistake_in_an_experiment_ends_before_anything_runs(changed):
    path = changed / "params.yaml"
    path.write_text(path.read_text().replace("model=lenet", "model=lennet"))
    done = dvc(changed, "repro", check=False)
    assert done.returncode != 0
    assert "params.yaml experiments.classifier" in done.stderr
    assert "did you mean lenet" in done.stderr
    assert "Traceback" not in done.stderr
    assert ran(done.stdout) == ["configs"]


def test_a_stage_refuses_what_has_changed_since_the_first(changed):
    path = changed / "src" / "networks" / "lenet.py"
    path.write_text(path.read_text() + "\nNEW = 1\n")
    done = module(changed, "pipelines.train", "classifier")
    assert done.returncode == 2
    assert "src.networks.lenet" in done.stderr
    assert "dvc repro" in done.stderr


def test_presets_are_chosen_and_own_changes_kept(changed):
    assert module(changed, "pipelines.use", "tiny").returncode == 0
    assert (changed / "params.yaml").read_bytes() == (changed / "params" / "tiny.yaml").read_bytes()
    assert "did you mean tiny" in module(changed, "pipelines.use", "tinny").stderr
    (changed / "params.yaml").write_text(SMALLEST + "# mine\n")
    done = module(changed, "pipelines.use", "tiny")
    assert done.returncode == 2
    assert "changes of your own" in done.stderr
    assert (changed / "params.yaml").read_text().endswith("# mine\n")


def module(folder: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=folder, env=environment(folder), capture_output=True, text=True, check=False,
    )  # fmt: skip


EXPLAINED = "explanations: {classifier: [method=gradcam split=test method.limit=2, method=filters]}"


def test_explanations_are_a_stage_whose_outputs_are_the_same_bytes_again(changed):
    path = changed / "params.yaml"
    path.write_text(path.read_text().replace("explanations: {}", EXPLAINED))
    assert sorted(ran(dvc(changed, "repro").stdout)) == ["configs", "explain@classifier", "report"]
    outputs, lock = changed / "outputs", (changed / "dvc.lock").read_text()
    assert 'href="classifier/explain.html"' in (outputs / "report.html").read_text()
    files = [outputs / "classifier" / "explain.html", *(outputs / "classifier" / "explain").rglob("*.*")]
    assert {file.suffix for file in files} == {".html", ".png", ".json", ".npz"}
    assert not any(str(changed).encode() in file.read_bytes() for file in files)
    dvc(changed, "repro", "--force", "--single-item", "explain@classifier")
    assert (changed / "dvc.lock").read_text() == lock
    for file, stages in {
        "src/explanations/gradcam.py": {"explain@classifier"},
        "src/report/templates/style.css": {"explain@classifier", "report"},
    }.items():
        text = (changed / file).read_text()
        (changed / file).write_text(f"{text}\n{CODE}\n")
        dvc(changed, "repro", "configs")
        assert out_of_date(changed) == stages, file
        (changed / file).write_text(text)
