"""The number of cores is known on systems that do not say which of them are ours, too."""

from __future__ import annotations

import os

import pytest

from src import cores as module
from src.cores import automatic_threads, cores


@pytest.fixture(autouse=True)
def no_limits(monkeypatch, tmp_path):
    """A machine without cgroups, on which nothing is exported."""
    monkeypatch.setattr(module, "OWN_CGROUPS", tmp_path / "none")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def test_the_cores_are_those_that_are_left_to_the_process(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1, 5, 6}, raising=False)
    assert cores() == 3


def test_without_affinity_all_cores_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert cores() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/", {"cpu.max": "300000 100000"}, 3),  # version 2, in a container
        ("0::/job/step", {"job/step/cpu.max": "max 100000", "job/cpu.max": "200000 100000"}, 2),  # the one around it
        ("0::/elsewhere", {"cpu.max": "400000 100000"}, 4),  # a name of the host's, which a container cannot see
        ("3:cpu,cpuacct:/docker/a", {"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ("3:cpu:/a", {"cpu/a/cpu.cfs_quota_us": "50000", "cpu/a/cpu.cfs_period_us": "100000"}, 1),  # never none
        ("3:cpu:/a", {"cpu/a/cpu.cfs_quota_us": "-1", "cpu/a/cpu.cfs_period_us": "100000"}, 8),
        ("0::/", {"cpu.max": "max 100000"}, 8),
        ("0::/", {}, 8),
    ],
)
def test_the_time_that_a_container_is_given_counts(own, files, expected, monkeypatch, tmp_path):
    (tmp_path / "own").write_text(f"5:memory:/x\n{own}\n")
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(f"{text}\n")
    monkeypatch.setattr(module, "OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(module, "CGROUPS", tmp_path / "fs")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert cores() == expected


@pytest.mark.parametrize(("exported", "expected"), [("1", 1), ("3", 3), ("4,2", 4), ("", 4), ("many", 4), ("0", 4)])
def test_automatic_threads_are_those_that_were_exported_else_a_share_of_the_cores(exported, expected, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", exported)
    number, why = automatic_threads(2)
    assert number == expected
    assert why == (
        "OMP_NUM_THREADS" if exported in ("1", "3", "4,2") else "8 cores of this process, shared by 2 processes"
    )


def test_what_threads_became_is_told_and_saved(monkeypatch, capsys):
    from src.config.command import compose
    from src.runs.session import settled

    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert settled(compose("train", ["model=lenet"]))["threads"] == 3
    assert "threads=auto: 3, OMP_NUM_THREADS" in capsys.readouterr().err
    assert settled(compose("train", ["model=lenet", "threads=2"]))["threads"] == 2
