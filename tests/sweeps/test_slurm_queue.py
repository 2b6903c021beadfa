"""What is made of squeue's answers, given by a script of that name."""

from __future__ import annotations

import pytest

from src.errors import UserError
from src.sweeps import slurm_queue
from src.sweeps.cluster import require_one_task
from src.sweeps.slurm_queue import Queued, SlurmQueue
from tests.sweeps.stubs import job


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Return a function that lets squeue answer a text, or fail; each question leaves a line in `asked`."""
    clock = [100.0]
    monkeypatch.setattr(slurm_queue.time, "monotonic", lambda: clock[0])
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    script = tmp_path / "squeue"

    def answer(text, *, after=0.0, code=0):
        clock[0] += after
        script.write_text(f"#!/bin/sh\necho >> {tmp_path}/asked\ncat <<END\n{text}\nEND\nexit {code}\n")
        script.chmod(0o755)

    answer.count = lambda: len((tmp_path / "asked").read_text().splitlines())
    return answer


def test_the_newest_job_of_a_name_counts_and_a_requeued_one_is_not_over(squeue):
    squeue("7|COMPLETED|a-1\n12|COMPLETING|a-1\n9|FAILED|a-1\n3|TIMEOUT|b-2\n4|REQUEUED|c|d")
    queue = SlurmQueue()
    assert queue.of("a-1") == Queued(12, "COMPLETING")
    assert [queue.of(name).is_over for name in ("a-1", "b-2", "c|d")] == [False, True, False]
    assert queue.of("e") is None
    assert squeue.count() == 1


def test_the_scheduler_is_asked_less_and_less_while_nothing_changes(squeue):
    """After 1, 2, 4, 8, 10, 10, ... seconds: 9 questions in a minute, however many jobs ask."""
    queue = SlurmQueue()
    for _ in range(60):
        squeue("1|RUNNING|a", after=1)
        for name in ("a", "b", "c"):
            queue.of(name)
    assert squeue.count() == 9
    squeue("1|COMPLETED|a", after=10)
    assert queue.of("a").is_over
    squeue("1|COMPLETED|a", after=1)
    queue.of("a")
    assert squeue.count() == 11


def test_a_silent_scheduler_is_waited_for_and_then_told_of(squeue):
    squeue("1|RUNNING|a")
    queue = SlurmQueue()
    assert queue.of("a").state == "RUNNING"
    squeue("slurm_load_jobs error", after=60, code=1)
    assert queue.of("a").state == "RUNNING"
    squeue("", after=slurm_queue.PATIENCE, code=1)
    with pytest.raises(UserError, match="takes them up"):
        queue.of("a")


def test_a_first_question_without_an_answer_starts_nothing(squeue):
    squeue("", code=1)
    with pytest.raises(UserError, match="squeue"):
        SlurmQueue().of("a")


@pytest.mark.parametrize(
    ("launcher", "trainer", "words"),
    [
        ({"nodes": 2}, {}, r"hydra\.launcher\.nodes=2"),
        ({"tasks_per_node": 4}, {}, r"hydra\.launcher\.tasks_per_node=4"),
        ({"nodes": 1}, {"num_nodes": 2}, r"trainer\.num_nodes=2"),
    ],
)
def test_a_job_of_several_tasks_is_refused(tmp_path, launcher, trainer, words):
    wanted = job(tmp_path, lr=0.1)
    wanted.config = wanted.config | {"trainer": trainer}
    with pytest.raises(UserError, match=words):
        require_one_task(launcher, [wanted])
