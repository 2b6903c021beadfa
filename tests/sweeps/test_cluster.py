"""What is made of a job in SLURM's queue and of what it wrote down, without a SLURM."""

from __future__ import annotations

import signal

import pytest

from src.sweeps import cluster
from src.sweeps.cluster import Cluster
from src.sweeps.slurm_queue import Queued
from tests.sweeps.stubs import job


class Queue:
    """A queue that says of each job what it is told to."""

    said: Queued | None = None

    def of(self, name):
        assert name
        return self.said


@pytest.fixture
def queue(monkeypatch) -> Queue:
    monkeypatch.setattr(cluster, "VISIBLE", 0)
    return Queue()


def found(wanted, queue, state):
    """The job as a sweep that is started again finds it in the queue under number 8."""
    queue.said = Queued(8, state)
    return Cluster("slurm", {}, None, queue).find(wanted)


def test_a_waiting_job_that_is_cancelled_is_not_taken_for_its_attempt_that_was_killed(tmp_path, queue):
    """The engine submits what was killed again, but not what a person has cancelled."""
    wanted = job(tmp_path, lr=0.1)
    wanted.path.mkdir()
    wanted.begin(None, slurm_job=7)
    wanted.end(-signal.SIGKILL, "SLURM job 7: FAILED")
    waiting = found(wanted, queue, "PENDING")
    assert waiting.poll() is None
    queue.said = Queued(8, "CANCELLED")
    assert waiting.poll() == 128 + signal.SIGTERM
    assert [attempt["why"] for attempt in wanted.known["attempts"]] == ["SLURM job 7: FAILED", "SLURM job 8: CANCELLED"]


@pytest.mark.parametrize("ended", [False, True])
def test_a_job_that_was_found_running_has_the_exit_code_that_it_writes_down(tmp_path, queue, ended):
    """Also where it had written it before it was found, and had only to leave the queue."""
    wanted = job(tmp_path, lr=0.1)
    wanted.path.mkdir()
    wanted.begin(None, slurm_job=8)
    if ended:
        wanted.end(3)
    running = found(wanted, queue, "RUNNING")
    assert running.poll() is None
    wanted.end(3)
    queue.said = Queued(8, "FAILED")
    assert running.poll() == 3
    assert len(wanted.known["attempts"]) == 1


def test_a_job_that_completed_without_having_begun_is_as_new(tmp_path, queue):
    """As where the process that was to carry it found it taken."""
    wanted = job(tmp_path, lr=0.1)
    waiting = found(wanted, queue, "PENDING")
    queue.said = Queued(8, "COMPLETED")
    wanted.end(waiting.poll())
    assert wanted.state() == "new"
