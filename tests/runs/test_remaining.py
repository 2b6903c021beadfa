"""`resume=` of a run that has come to its end says so, and touches nothing; `runs/latest` is a person's last run."""

from __future__ import annotations

import os

import pytest

from src.config.command import compose
from src.errors import UserError
from src.runs import session
from tests.training import TINY, on_top, resume, train

SHORT = ("data.source.train=32", "data.source.val=16", "data.source.test=16", "trainer.max_epochs=1")


def content(run):
    """Return the bytes and times of all files of a run."""
    files = sorted(path for path in run.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return train(tmp_path_factory.mktemp("finished") / "run", *SHORT)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that stopped early: at such a rate nothing improves."""
    typed = ("callbacks=[default,early_stopping]", "callbacks.early_stopping.patience=1", "optimizer.lr=1e-12")
    return train(tmp_path_factory.mktemp("stopped") / "run", *SHORT, *typed, "trainer.max_epochs=6")


@pytest.mark.parametrize("typed", [[], ["trainer.max_epochs=1"], ["data.num_workers=1", "name=other"]])
def test_resuming_a_finished_run_changes_nothing_of_it(finished, typed, capsys):
    before = content(finished)
    resume(finished, typed)
    assert content(finished) == before
    said = capsys.readouterr()
    assert "has finished already, after 1 epochs, 2 steps; nothing of it was touched" in said.err
    assert "type trainer.max_epochs=2 or more" in said.err
    assert said.out.strip().endswith("/run")


def test_a_run_that_stopped_early_says_so_when_more_epochs_are_asked_for(stopped, capsys):
    before = content(stopped)
    with pytest.raises(UserError, match=r"ended early, after \d epochs.*callbacks.early_stopping.patience=1.*nothing"):
        resume(stopped, ["trainer.max_epochs=20"])
    resume(stopped)
    assert "early, since val/accuracy had not improved" in capsys.readouterr().err
    assert content(stopped) == before


def test_fewer_epochs_than_are_done_train_nothing(tmp_path):
    run = train(tmp_path / "run", *SHORT, "trainer.max_epochs=2")
    with pytest.raises(UserError, match=r"would train nothing, since 2 epochs, 4 steps are done; type .*max_epochs=3"):
        resume(run, ["trainer.max_epochs=1"])


def test_the_latest_run_is_the_last_that_a_person_started(tmp_path):
    typed = [*on_top(TINY, SHORT), f"runs_dir={tmp_path}"]
    own = session.start(compose("train", [*typed, "test=false"]))
    assert os.path.realpath(tmp_path / "latest") == str(own.path)
    session.start(compose("train", [*on_top(typed, ["seed=1"]), "debug=step"]))
    job = tmp_path / "sweeps" / "s" / "job"
    job.mkdir(parents=True)
    (job / "job.json").write_text('{"sweep": "s"}')
    session.start(compose("train", [*typed, f"run_dir={job}"]))
    assert os.path.realpath(tmp_path / "latest") == str(own.path)


def test_a_batch_that_was_learned_by_heart_is_said_to_be(tmp_path, capsys):
    typed = [o for o in TINY if not o.startswith(("trainer.max_epochs", "augment", "optimizer"))]
    options = ["debug=overfit", "trainer.max_epochs=60", "optimizer=adamw", "optimizer.lr=0.005"]
    session.start(compose("train", [*typed, *options, f"run_dir={tmp_path}/run"]))
    assert "learned by heart: yes, 16 of 16 in the last epoch" in (tmp_path / "run" / "log.txt").read_text()
    figures = dict(line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("train/"))
    assert float(figures["train/accuracy"]) == 1.0
    session.start(compose("train", [*typed, *on_top(options, ["trainer.max_epochs=1"]), f"run_dir={tmp_path}/short"]))
    assert "learned by heart: no, " in (tmp_path / "short" / "log.txt").read_text()
