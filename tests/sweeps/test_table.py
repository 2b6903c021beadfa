"""What a person sees of a sweep."""

from __future__ import annotations

import sys

from src.sweeps import table
from tests.sweeps.stubs import job, write_run


class Hundred:
    total = 100


def test_of_a_hundred_jobs_only_the_files_of_those_that_are_shown_are_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("COLUMNS", "100")
    jobs = {}
    for number in range(100):
        one = job(tmp_path, seed=number)
        write_run(one, "finished")
        jobs[one.name] = one
    states = dict.fromkeys(jobs, "finished") | {next(iter(jobs)): "running"}
    read = []
    monkeypatch.setattr(table, "monitored", lambda job: read.append(job.swept["seed"]) or {"val/accuracy": 0.5})
    table.Table(Hundred()).show(jobs, states)
    assert read == ["0", *(str(number) for number in range(99, 80, -1))]  # 24 lines less 2, and 2 of the head
    text = capsys.readouterr().err
    assert "100 jobs: 1 running, 99 finished" in text
    assert text.count("val/accuracy") == 20
