"""What a sweep promises of its jobs, with jobs that end at once."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys

import pytest

from src.errors import UserError
from src.sweeps import locks
from src.sweeps.devices import Gpus, listed_gpus
from src.sweeps.engine import Engine
from src.sweeps.grid import Grid
from src.sweeps.job import Job
from src.sweeps.processes import Adopted
from src.sweeps.results import write_table
from src.sweeps.start import left_running
from tests.sweeps.stubs import CONFIG, Silent, StubPlace, job, write_run


def sweep(jobs, outcome=lambda job: ("finished", {}), *, retry=None, parallel=2, gpus=()):
    place = StubPlace(outcome)
    engine = Engine(Grid(jobs), place, Silent(), parallel, retry, Gpus(list(gpus)), -1)
    engine.run()
    return place, engine.states


def test_a_job_is_known_by_its_overrides_in_any_order_and_by_nothing_else(tmp_path):
    one = Job(tmp_path, ("a=1", "b=2"), {"a": "1"}, CONFIG)
    assert one.path == Job(tmp_path, ("b=2", "a=1"), {"a": "1"}, CONFIG).path
    assert one.path != Job(tmp_path, ("b=3", "a=1"), {"a": "1"}, CONFIG).path


def test_the_same_sweep_again_runs_only_what_is_missing(tmp_path):
    first, _ = sweep([job(tmp_path, lr=0.1), job(tmp_path, lr=0.2)])
    again, states = sweep([job(tmp_path, lr=rate) for rate in (0.1, 0.3, 0.2)])
    assert len(first.starts) == 2
    assert again.starts == [job(tmp_path, lr=0.3).name]
    assert set(states.values()) == {"finished"}


def test_a_failed_job_is_left_alone_until_retry_names_it(tmp_path):
    jobs = lambda: [job(tmp_path, lr=0.1)]  # noqa: E731 - a job reads what is on disk when it is made
    sweep(jobs(), lambda job: ("failed", {}))
    again, states = sweep(jobs())
    assert again.starts == []
    assert list(states.values()) == ["failed"]
    retried, states = sweep(jobs(), retry="failed")
    assert len(retried.starts) == 1
    assert list(states.values()) == ["finished"]


@pytest.mark.parametrize("status", ["running", "interrupted"])
def test_a_job_that_was_cut_off_is_continued_in_its_directory(tmp_path, status):
    cut = job(tmp_path, lr=0.1)
    cut.path.mkdir()
    cut.begin(None)
    write_run(cut, status)
    found = job(tmp_path, lr=0.1)
    assert found.state() == "interrupted"
    assert found.arguments(2) == [f"resume={found.path}"]
    place, states = sweep([found])
    assert place.starts == [found.name]
    assert list(states.values()) == ["finished"]


def test_a_job_killed_before_it_wrote_anything_starts_as_new(tmp_path):
    cut = job(tmp_path, lr=0.1)
    cut.path.mkdir()
    cut.begin(None)
    found = job(tmp_path, lr=0.1)
    assert found.state() == "interrupted"
    assert found.arguments(None) == ["lr=0.1", f"run_dir={found.path}"]


def test_a_job_of_changed_configuration_is_stale_and_put_aside_only_when_asked(tmp_path):
    sweep([job(tmp_path, lr=0.1)])
    changed = lambda: Job(tmp_path, ("lr=0.1",), {"lr": "0.1"}, CONFIG | {"seed": 1})  # noqa: E731
    place, states = sweep([changed()])
    assert place.starts == []
    assert list(states.values()) == ["stale"]
    place, states = sweep([changed()], retry="stale")
    assert list(states.values()) == ["finished"]
    assert (tmp_path / f"{changed().name}.stale1" / "metrics.json").exists()


def test_what_cannot_change_a_result_does_not_make_it_stale(tmp_path):
    sweep([job(tmp_path, lr=0.1)])
    same = Job(tmp_path, ("lr=0.1",), {"lr": "0.1"}, CONFIG | {"threads": 3, "name": "n", "sweep": {"jobs": 9}})
    assert same.state() == "finished"


def test_a_running_job_is_adopted_and_never_started_twice(tmp_path):
    running = job(tmp_path, lr=0.1)
    running.path.mkdir()
    running.begin(None)
    lock = locks.hold(running.lock)

    class Ends(Silent):
        def show(self, jobs, states):
            nonlocal lock
            assert list(states.values()) == ["running"]
            if lock is not None:
                write_run(running, "finished")
                os.close(lock)
                lock = None

    place = StubPlace(lambda job: ("finished", {}))
    engine = Engine(Grid([job(tmp_path, lr=0.1)]), place, Ends(), 2, None, Gpus([]), -1)
    engine.run()
    assert place.starts == []
    assert list(engine.states.values()) == ["finished"]


class Signals(Silent):
    """Sends this process a signal when jobs run, as `kill` from another shell does."""

    def __init__(self, *signals):
        self.left = list(signals)

    def show(self, jobs, states):
        if "running" in states.values() and self.left:
            signal.raise_signal(self.left.pop(0))


@pytest.fixture
def heard():
    """Signals as a shell leaves them: tests may have been started with `nohup`, or in the background."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGHUP, signal.SIGINT)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.mark.parametrize(
    ("signum", "told"), [(signal.SIGINT,) * 2, (signal.SIGTERM,) * 2, (signal.SIGHUP, signal.SIGTERM)]
)
def test_a_signal_to_the_sweep_is_passed_on_and_nothing_new_is_started(tmp_path, heard, signum, told):
    place = StubPlace(lambda job: ("running", {}))
    engine = Engine(Grid([job(tmp_path, lr=n) for n in range(3)]), place, Signals(signum), 2, None, Gpus([]), -1)
    assert engine.run() == signum
    assert [started.told for started in place.started] == [[told], [told]]
    assert list(engine.states.values()) == ["interrupted"] * 2  # they could not save, having only begun
    again = [job(tmp_path, lr=n) for n in range(3)]
    assert [found.state() for found in again] == ["interrupted", "interrupted", "new"]


def test_a_second_signal_reaches_the_jobs_too(tmp_path):
    place = StubPlace(lambda job: ("deaf", {}))
    engine = Engine(Grid([job(tmp_path, lr=1)]), place, Signals(*[signal.SIGINT] * 2), 1, None, Gpus([]), -1)
    assert engine.run() == signal.SIGINT
    assert place.started[0].told == [signal.SIGINT] * 2


@pytest.mark.parametrize(("moment", "started"), [("prepare", []), ("start", [signal.SIGTERM])])
def test_a_signal_while_the_first_job_is_started_is_not_lost(tmp_path, moment, started):
    """Its first start takes seconds, in which people notice what they typed."""

    class Slow(StubPlace):
        pass

    def interrupted(self, *arguments):
        signal.raise_signal(signal.SIGTERM)
        return getattr(StubPlace, moment)(self, *arguments)

    setattr(Slow, moment, interrupted)
    place = Slow(lambda job: ("running", {}))
    engine = Engine(Grid([job(tmp_path, lr=n) for n in range(3)]), place, Silent(), 2, None, Gpus([]), -1)
    assert engine.run() == signal.SIGTERM
    assert [told for one in place.started for told in one.told] == started


def test_an_error_of_the_sweep_lets_the_running_jobs_save_and_end_before_it_is_told(tmp_path):
    class Full(StubPlace):
        def start(self, job, lent, private):
            if self.starts:
                raise OSError("No space left on device")
            return super().start(job, lent, private)

    place = Full(lambda job: ("running", {}))
    engine = Engine(Grid([job(tmp_path, lr=n) for n in range(2)]), place, Silent(), 2, None, Gpus([]), -1)
    with pytest.raises(OSError, match="No space"):
        engine.run()
    assert place.started[0].told == [signal.SIGTERM]
    assert list(engine.states.values()) == ["interrupted", "new"]


def test_a_job_that_is_killed_is_continued_once(tmp_path):
    outcomes = {0: [None, "finished"], 1: [None, None], 2: ["finished"]}
    place, states = sweep(
        [job(tmp_path, lr=n) for n in range(3)], lambda job: (outcomes[int(job.swept["lr"])].pop(0), {}), parallel=1
    )
    assert len(place.starts) == 5
    assert list(states.values()) == ["finished", "failed", "finished"]


def test_the_gpus_of_a_job_that_still_runs_are_lent_to_nobody_until_it_ends(tmp_path):
    on_gpu = CONFIG | {"trainer": {"accelerator": "gpu", "devices": 1}}
    jobs = [Job(tmp_path, (f"lr={n}",), {"lr": str(n)}, on_gpu) for n in range(3)]
    running = jobs[1]
    running.path.mkdir()
    running.begin(None, ["a"])
    lock = locks.hold(running.lock)
    left = left_running(tmp_path)
    assert left == {running.lock: ["a"]}
    gpus = Gpus(["a", "b"])

    class Ends(Silent):
        def show(self, jobs, states):
            nonlocal lock
            if lock is not None and len(states) == 2:
                write_run(running, "finished")
                os.close(lock)
                lock = None

    place = StubPlace(lambda job: ("finished", {}))
    engine = Engine(Grid(jobs), place, Ends(), 2, None, gpus, -1, left)
    engine.run()
    assert place.lent[0] == ["b"]
    assert len(place.starts) == 2
    assert sorted(gpus.free) == ["a", "b"]
    assert set(engine.states.values()) == {"finished"}


def test_the_gpu_of_a_job_that_this_start_does_not_name_is_lent_when_it_has_ended(tmp_path, capsys):
    on_gpu = CONFIG | {"trainer": {"accelerator": "gpu", "devices": 1}}
    before, now = [Job(tmp_path, (f"lr={rate}",), {"lr": str(rate)}, on_gpu) for rate in (0.1, 0.01)]
    before.path.mkdir()
    before.begin(None, ["a"])
    lock = locks.hold(before.lock)

    class Ends(Silent):
        looks = 0

        def show(self, jobs, states):
            self.looks += 1
            if self.looks == 2:
                assert list(states.values()) == ["new"]
                os.close(lock)
            assert self.looks < 10

    place = StubPlace(lambda job: ("finished", {}))
    Engine(Grid([now]), place, Ends(), 2, None, Gpus(["a"]), -1, left_running(tmp_path)).run()
    assert place.lent == [["a"]]
    assert before.name in capsys.readouterr().err


def test_a_job_that_was_found_running_is_told_where_it_is_on_this_machine(tmp_path):
    """Its process wrote its number into the lock; a number of another process, or machine, is told nothing."""
    held = job(tmp_path, lr=1)
    held.path.mkdir()
    child = subprocess.Popen(
        [sys.executable, "-c", f"import fcntl, time; f = open({str(held.lock)!r}, 'w'); fcntl.flock(f, 2); "
         "print(flush=True); time.sleep(60)"], stdout=subprocess.PIPE,
    )  # fmt: skip
    child.stdout.readline()
    held.lock.write_text(f"{os.getpid()}\n")
    assert Adopted(held.lock).detached
    held.lock.write_text(f"{child.pid}\n")
    found = Adopted(held.lock)
    assert not found.detached
    found.send_signal(signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM
    child.stdout.close()
    assert found.poll() == 0


def test_each_job_has_gpus_of_its_own_and_waits_for_them(tmp_path):
    trainer = {"trainer": {"accelerator": "gpu", "devices": 2}}
    jobs = [Job(tmp_path, (f"lr={n}",), {"lr": str(n)}, CONFIG | trainer) for n in range(3)]
    place, states = sweep(jobs, parallel=3, gpus=["a", "b", "c", "d"])
    assert place.lent[:2] == [["a", "b"], ["c", "d"]]
    assert len(place.lent[2]) == 2
    assert set(states.values()) == {"finished"}


def test_a_job_that_waits_for_a_gpu_when_the_sweep_is_stopped_has_a_row_in_its_table(tmp_path):
    trainer = {"trainer": {"accelerator": "gpu", "devices": 1}}
    jobs = [Job(tmp_path, (f"lr={n}",), {"lr": str(n)}, CONFIG | trainer) for n in range(3)]
    place = StubPlace(lambda job: ("running", {}))
    engine = Engine(Grid(jobs), place, Signals(signal.SIGINT), 2, None, Gpus(["a"]), -1)
    engine.run()
    write_table(tmp_path, list(engine.seen.values()), engine.states)
    rows = list(csv.DictReader((tmp_path / "sweep.csv").open()))
    assert [(row["lr"], row["state"]) for row in rows] == [("0", "interrupted"), ("1", "new")]


def test_more_gpus_than_there_are_is_refused():
    with pytest.raises(UserError, match="there are 1 GPUs"):
        Gpus(["a"]).wanted({"accelerator": "gpu", "devices": 2})
    assert Gpus(["a"]).wanted({"accelerator": "cpu", "devices": 2}) == 0
    assert Gpus(["a", "b"]).wanted({"accelerator": "auto", "devices": -1}) == 2
    assert Gpus([]).wanted({"accelerator": "auto", "devices": 1}) == 0


def test_a_divided_gpu_is_its_parts():
    text = (
        "GPU 0: NVIDIA H200 (UUID: GPU-aa)\n"
        "  MIG 1g.18gb     Device  0: (UUID: MIG-bb)\n  MIG 1g.18gb     Device  1: (UUID: MIG-cc)\n"
        "GPU 1: NVIDIA H200 (UUID: GPU-dd)\n"
    )
    assert listed_gpus(text) == ["MIG-bb", "MIG-cc", "GPU-dd"]


def test_the_second_person_is_told(tmp_path):
    lock = locks.hold_sweep(tmp_path)
    with pytest.raises(UserError, match=rf"running already \(.*process {os.getpid()}\)"):
        locks.hold_sweep(tmp_path)
    os.close(lock)
    os.close(locks.hold_sweep(tmp_path))
