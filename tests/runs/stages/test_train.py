"""The training stage goes on with its own scratch run and with no other."""

from __future__ import annotations

import json

import pytest

from src.config.experiments import Experiment, read_experiments
from src.errors import UserError
from src.runs.stages import train as stage
from src.runs.stages.places import DATA, LEARNED, PARAMS, SCRATCH, STAGES

SCRATCH_RUN = SCRATCH / "one"


@pytest.fixture
def started(tmp_path, monkeypatch):
    """A pipeline of one experiment whose trainings are only noted, as commands."""
    monkeypatch.chdir(tmp_path)
    PARAMS.write_text("experiments: {one: model=lenet threads=1}\nsuccessors: {}\n")
    for path, content in ((STAGES / "one" / "train.json", {"code": {}}), (DATA / "one.json", {"digest": "d"})):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    commands: list[list[str]] = []

    def run_to_end(command):
        commands.append(command[3:])
        (SCRATCH_RUN / "checkpoints").mkdir(parents=True, exist_ok=True)
        (SCRATCH_RUN / "checkpoints" / "last.ckpt").touch()
        (SCRATCH_RUN / "data.json").write_text('{"digest": "d"}')
        return 137 if len(commands) == 1 else 0

    monkeypatch.setattr(stage, "current", lambda _: read_experiments(PARAMS))
    monkeypatch.setattr(stage, "run_to_end", run_to_end)
    monkeypatch.setattr(stage, "publish", lambda *_: [])
    with pytest.raises(SystemExit) as ended:  # the first is killed
        stage.train("one")
    assert ended.value.code == 137
    return commands


NEW, CONTINUED = ["model=lenet", "threads=1", f"run_dir={SCRATCH_RUN}"], [f"resume={SCRATCH_RUN}"]


def test_an_interrupted_training_is_continued(started):
    stage.train("one")
    assert started == [NEW, CONTINUED]
    assert (LEARNED / "one.json").exists()


def test_it_may_use_the_packages_again_that_it_was_begun_with(started, monkeypatch):
    monkeypatch.setattr(Experiment, "trust", ("allowed_packages=[mine]",))
    stage.train("one")
    assert started == [NEW, [*CONTINUED, "allowed_packages=[mine]"]]


@pytest.mark.parametrize("file", [STAGES / "one" / "train.json", DATA / "one.json"], ids=["code", "data"])
def test_one_of_other_code_or_data_is_not(started, file):
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "new": 1}))
    stage.train("one")
    assert started == [NEW, NEW]


@pytest.mark.parametrize(("name", "other"), [("versions", lambda: {"torch": "0.1"}), ("processor", lambda: "Another")])
def test_one_of_other_packages_or_of_another_machine_is_not(started, monkeypatch, name, other):
    monkeypatch.setattr(stage, name, other)
    stage.train("one")
    assert started == [NEW, NEW]


def test_a_finished_training_is_never_taken_for_a_new_one(started):
    stage.train("one")
    stage.train("one")
    assert started == [NEW, CONTINUED, NEW]


def test_what_was_trained_while_the_code_changed_is_not_published(started, monkeypatch):
    asked = []

    def current(_):
        asked.append(len(started))
        if len(started) == 2:  # trainings begun
            raise UserError("out of date")
        return read_experiments(PARAMS)

    monkeypatch.setattr(stage, "current", current)
    with pytest.raises(UserError, match="out of date"):
        stage.train("one")
    assert asked == [1, 2]
    assert not (LEARNED / "one.json").exists()


def test_data_that_have_changed_since_are_refused(started):
    (SCRATCH_RUN / "data.json").unlink()
    (DATA / "one.json").write_text('{"digest": "another"}')
    with pytest.raises(UserError, match="dvc repro --force prepare"):
        stage.train("one")
    assert not (LEARNED / "one.json").exists()
