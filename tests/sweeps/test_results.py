"""What a sweep leaves for people."""

from __future__ import annotations

from src.sweeps.results import command_of
from tests.sweeps.stubs import job, write_run


def test_the_command_to_copy_has_the_threads_that_the_sweep_gave_the_job(tmp_path):
    """With others its sums would be another's."""
    done, typed, waiting = job(tmp_path, lr=0.1), job(tmp_path, lr=0.1, threads=2), job(tmp_path, lr=0.2)
    for one in (done, typed):
        write_run(one, "finished")
        (one.path / "config.yaml").write_text("threads: 2\n")
    assert command_of(done) == "python -m src.train lr=0.1 threads=2"
    assert command_of(typed) == "python -m src.train lr=0.1 threads=2"
    assert command_of(waiting) == "python -m src.train lr=0.2"
