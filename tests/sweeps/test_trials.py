"""What a search promises, with jobs that end at once."""

from __future__ import annotations

import math
import os
import re
import signal
import time

import optuna
import pytest

from src.config.groups import Groups, document
from src.errors import UserError
from src.sweeps import locks
from src.sweeps.devices import Gpus
from src.sweeps.engine import Engine
from src.sweeps.space import dimension
from src.sweeps.trials import ALIVE, OWNER, Trials, counted
from tests.sweeps.stubs import CONFIG, Silent, StubPlace, job, write_run

RATE = "lr=tag(log,interval(0.00001,1))"


def preset(name: str, **changes) -> dict:
    """The section `search` as conf/search/NAME.yaml makes it."""
    section = Groups().content("search", name).values
    assert "defaults" not in section
    section["sampler"]["seed"] = 0
    return section | {"metric": "val/accuracy", "direction": "max", "pruner": None, "study": None} | changes


def search(folder, section, *texts, **options) -> Trials:
    dimensions = [dimension(text, Groups()) for text in texts or (RATE,)]
    return Trials(section, dimensions, "study", folder, lambda values: job(folder, **values), **options)


def quality(job) -> tuple[str, dict[str, float]]:
    return "finished", {"val/accuracy": -((math.log10(float(job.swept["lr"])) + 2.5) ** 2)}


def run(trials, outcome=quality, *, parallel=1):
    place = StubPlace(outcome)
    engine = Engine(trials, place, Silent(), parallel, None, Gpus([]), -1)
    engine.run()
    return place


def test_twenty_trials_of_tpe_come_near_the_best_in_nine_of_ten_seeds(tmp_path, monkeypatch):
    monkeypatch.setattr("src.sweeps.engine.WAIT", 0)
    near = 0
    for seed in range(10):
        section = preset("tpe")
        section["sampler"] = section["sampler"] | {"seed": seed}
        trials = search(tmp_path / str(seed), section)
        run(trials, parallel=2)
        assert len(trials.study.trials) == 20
        near += abs(math.log10(trials.study.best_params["lr"]) + 2.5) <= 0.2
    assert near >= 9


@pytest.mark.parametrize("name", [path.stem for path in sorted((Groups().folders[0] / "search").glob("[a-z]*.yaml")) if document(path).get("sampler")])  # fmt: skip # noqa: E501
def test_every_preset_runs_and_goes_on_to_more_trials(tmp_path, name, monkeypatch):
    monkeypatch.setattr("src.sweeps.engine.WAIT", 0)
    run(search(tmp_path, preset(name, n_trials=3)))
    trials = search(tmp_path, preset(name, n_trials=5))
    again = run(trials)
    assert len(again.starts) == 2
    assert len({trial.params["lr"] for trial in trials.study.trials}) == 5


def test_a_search_that_was_killed_goes_on_with_its_trials_and_draws_the_same_points(tmp_path):
    whole = search(tmp_path / "whole", preset("tpe", n_trials=12))
    run(whole)
    broken = tmp_path / "broken"
    for number in range(12):  # killed whenever a trial had begun, and again when it had ended but nobody was told
        trials = search(broken, preset("tpe", n_trials=12))
        begun = trials.next()
        assert begun.trial == number
        if number % 2:
            begun.path.mkdir()
            begun.begin(None)
            write_run(begun, *quality(begun)[:1], **quality(begun)[1])
        trials = search(broken, preset("tpe", n_trials=12))
        same = trials.next()
        assert same.path == begun.path
        write_or_leave(same)
        trials.ended(same, same.state())
    last = search(broken, preset("tpe", n_trials=12))
    assert last.next() is None
    assert [trial.params for trial in last.study.trials] == [trial.params for trial in whole.study.trials]


def write_or_leave(job) -> None:
    if job.state() != "finished":
        write_run(job, "finished", **quality(job)[1])
        job.begin(None)


def test_pruned_and_failed_trials_count_and_failed_ones_are_repeated_when_asked(tmp_path):
    outcomes = iter([("finished", {"val/accuracy": 0.5}), ("pruned", {}), ("failed", {})])
    run(search(tmp_path, preset("random", n_trials=3)), lambda job: next(outcomes))
    assert run(search(tmp_path, preset("random", n_trials=3))).starts == []
    trials = search(tmp_path, preset("random", n_trials=3), retry_failed=True)
    place = StubPlace(quality)
    Engine(trials, place, Silent(), 1, "failed", Gpus([]), -1).run()
    assert len(place.starts) == 1
    assert len(counted(trials.study.trials)) == 3
    assert [trial.state.name for trial in trials.study.trials] == ["COMPLETE", "PRUNED", "FAIL", "COMPLETE"]


def test_a_trial_without_the_metric_has_failed_for_that_reason_and_the_search_goes_on(tmp_path):
    outcomes = iter([{"train/loss": 0.1}, {"val/accuracy": 0.5}])
    trials = search(tmp_path, preset("random", n_trials=2))
    place = StubPlace(lambda job: ("finished", next(outcomes)))
    engine = Engine(trials, place, Silent(), 1, None, Gpus([]), -1)
    engine.run()
    assert [trial.state.name for trial in trials.study.trials] == ["FAIL", "COMPLETE"]
    assert list(engine.states.values()) == ["failed", "finished"]
    (without, _) = engine.seen.values()
    assert "search.metric=val/accuracy" in without.reason()
    assert job(tmp_path, **without.swept).state() == "failed"
    again = run(search(tmp_path, preset("random", n_trials=2)))
    assert again.starts == []


def test_another_machine_on_the_same_storage_shares_the_trials_and_takes_over_those_of_the_dead(tmp_path):
    section = preset("random", n_trials=4, storage=f"sqlite:///{tmp_path}/study.db")
    here, there = (search(tmp_path / name, section) for name in ("here", "there"))
    lost = there.next()
    assert here.next().path != lost.path
    study = here.study
    trial = study.trials[lost.trial]
    assert trial.user_attrs[OWNER] == there.owner
    here.storage.set_trial_user_attr(trial._trial_id, ALIVE, time.time() - section["dead_after"] - 1)
    taken = here.next()
    assert taken.swept == lost.swept
    assert study.trials[lost.trial].state is optuna.trial.TrialState.FAIL
    there.ended(lost, "finished") if (write_run(lost, "finished") or False) else None
    assert len(counted(study.trials)) == 2


def test_machines_with_equal_paths_on_disks_of_their_own_are_not_taken_for_each_other(tmp_path):
    section = preset("random", n_trials=4, storage=f"sqlite:///{tmp_path}/study.db")
    (sweep := tmp_path / "sweep").mkdir()
    here = search(sweep, section)
    begun = here.next()
    sweep.rename(tmp_path / "disk of another machine")
    there = search(sweep, section)
    assert there.waits
    assert there.next().trial != begun.trial
    sweep.rename(tmp_path / "disk of the other")
    (tmp_path / "disk of another machine").rename(sweep)
    again = search(sweep, section)
    assert again.next().trial == begun.trial


def test_trials_that_run_or_wait_for_a_gpu_or_for_their_turn_are_not_taken_for_dead(tmp_path, monkeypatch):
    """One of three that an earlier start left runs on the only GPU, one waits for it, and one was not looked at."""
    monkeypatch.setattr("src.sweeps.engine.WAIT", 0)
    monkeypatch.setattr("src.sweeps.engine.BEAT", 0)
    monkeypatch.setitem(CONFIG["trainer"], "accelerator", "gpu")
    section = preset("random", n_trials=3, storage=f"sqlite:///{tmp_path}/study.db")
    earlier = search(tmp_path / "here", section)
    left = [earlier.next().trial for _ in range(3)]
    start = time.time()
    here, there = (search(tmp_path / name, section) for name in ("here", "there"))
    for trial in here.study.trials:
        here.storage.set_trial_user_attr(trial._trial_id, ALIVE, start - section["dead_after"] - 1)

    class Stops(Silent):
        looks = 0

        def show(self, jobs, states):
            self.looks += 1
            if self.looks == 2:
                assert there.next() is None
                os.kill(os.getpid(), signal.SIGTERM)

    place = StubPlace(lambda job: ("running", {}))
    Engine(here, place, Stops(), 2, None, Gpus(["0"]), -1).run()
    assert len(place.starts) == 1
    trials = [here.study.trials[number] for number in left]
    assert all(trial.user_attrs[ALIVE] >= start for trial in trials)


def test_the_last_machine_waits_for_the_others_and_runs_what_a_dead_one_left(tmp_path, monkeypatch):
    monkeypatch.setattr("src.sweeps.engine.WAIT", 0)
    section = preset("random", n_trials=3, storage=f"sqlite:///{tmp_path}/study.db")
    here, there = (search(tmp_path / name, section) for name in ("here", "there"))
    lost = there.next()
    looks = 0

    class Dies(Silent):
        def show(self, jobs, states):
            nonlocal looks
            looks += 1
            if looks == 5 and here.waits:  # in all this time nothing was heard of it
                trial = here.study.trials[lost.trial]
                here.storage.set_trial_user_attr(trial._trial_id, ALIVE, time.time() - section["dead_after"] - 1)

    place = StubPlace(quality)
    Engine(here, place, Dies(), 2, None, Gpus([]), -1).run()
    assert looks >= 5
    assert len(place.starts) == 3
    assert not here.waits
    assert [trial.state.name for trial in here.study.trials].count("COMPLETE") == 3
    repeated = here.study.trials[-1]
    assert repeated.params == here.study.trials[lost.trial].params


def test_a_journal_cut_off_in_the_middle_of_a_line_is_read_to_its_last_whole_one(tmp_path):
    run(search(tmp_path, preset("random", n_trials=2)))
    with (tmp_path / "study.journal").open("a") as file:
        file.write('{"op_code":4,"worker')
    trials = search(tmp_path, preset("random", n_trials=3))
    assert len(run(trials).starts) == 1
    assert len(trials.study.trials) == 3


def test_several_objectives_each_have_a_direction(tmp_path):
    both = {"metric": ["val/accuracy", "val/loss"], "direction": ["max", "min"]}
    trials = search(tmp_path, preset("nsga2", n_trials=4, **both))
    run(trials, lambda job: ("finished", {"val/accuracy": float(job.swept["lr"]), "val/loss": float(job.swept["lr"])}))
    assert len(trials.study.best_trials) == 4  # what is gained in one is lost in the other


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"metric": "test/accuracy"}, "leaves nothing to test with"),
        ({"metric": ["val/accuracy", "val/loss"]}, "a direction for each"),
        (
            {"metric": ["val/loss"] * 2, "direction": ["min"] * 2, "pruner": {"_target_": "optuna.pruners.NopPruner"}},
            "stopped early",
        ),
    ],
)
def test_objectives_that_cannot_be_are_refused(tmp_path, changes, words):
    with pytest.raises(UserError, match=words):
        search(tmp_path, preset("tpe", **changes))


@pytest.mark.parametrize(
    ("earlier", "now", "words"),
    [
        ("m=a,b", "m=a,b,c", "m=a,b,c: the study study has drawn m from a,b"),
        ("lr=interval(0.1,1)", "lr=tag(log,interval(0.1,1))", "sweep_dir=ANOTHER"),
        ("n=int(interval(1,8))", "n=interval(1,8)", "sweep_dir=ANOTHER"),
    ],
)
def test_a_study_that_drew_a_key_from_something_else_is_refused_and_left_as_it_was(tmp_path, earlier, now, words):
    search(tmp_path, preset("random"), earlier).next()
    with pytest.raises(UserError, match=re.escape(words)):
        search(tmp_path, preset("random"), now)
    assert search(tmp_path, preset("random"), earlier).next().trial == 0


def test_a_stretch_may_get_other_ends(tmp_path):
    first = search(tmp_path, preset("random", n_trials=2), "lr=interval(0.0,1.0)")
    run(first)
    second = search(tmp_path, preset("random", n_trials=3), "lr=interval(2.0,3.0)")
    run(second)
    assert [trial.params["lr"] > 1 for trial in second.study.trials] == [False, False, True]


def test_a_killed_holder_of_the_journal_leaves_no_lock_behind(tmp_path):
    search(tmp_path, preset("random"))
    descriptor = locks.hold(tmp_path / ".study.journal.lock")
    os.close(descriptor)  # as the system does for a killed process
    start = time.monotonic()
    search(tmp_path, preset("random"))
    assert time.monotonic() - start < 5
