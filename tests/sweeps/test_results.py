"""What a sweep leaves for people."""

from __future__ import annotations

import csv
import struct

import pytest

from src.report.points import Point
from src.sweeps.results import best_job, command_of, points_of, shortest, write_means, write_table
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


def single(value: float) -> float:
    """The nearest number of single precision, as torch gives it."""
    return struct.unpack("f", struct.pack("f", value))[0]


@pytest.mark.parametrize("value", [0.4095, 0.1, 1 / 3, 1e-7, 12345.678])
def test_figures_are_written_without_the_tail_of_single_precision(value):
    assert len(repr(single(value))) > 12
    assert single(shortest(single(value))) == single(value)
    assert len(repr(shortest(single(value)))) <= 11


def test_figures_of_double_precision_stay_as_they_are():
    assert shortest(0.1) == 0.1
    assert shortest(0.4095000001234) == 0.4095000001234


def seeded(tmp_path, figures: dict[tuple[float, int], float]) -> list[Point]:
    jobs = {}
    for (lr, seed), value in figures.items():
        one = job(tmp_path, lr=lr, seed=seed)
        write_run(one, "finished", **{"val/accuracy": single(value)})
        jobs[one.name] = one
    states = dict.fromkeys(jobs, "finished")
    write_table(tmp_path, list(jobs.values()), states)
    return points_of(list(jobs.values()), states)


FIGURES = {(0.1, 0): 0.9, (0.1, 1): 0.5, (0.2, 0): 0.8, (0.2, 1): 0.76}


def test_means_and_deviations_over_seeds_have_a_table_of_their_own(tmp_path):
    write_means(tmp_path, seeded(tmp_path, FIGURES))
    rows = list(csv.DictReader((tmp_path / "means.csv").open()))
    assert [list(row.values()) for row in rows] == [
        ["0.1", "2", "0.7", "0.2828427"],
        ["0.2", "2", "0.78", "0.02828427"],
    ]
    assert list(rows[0]) == ["lr", "n", "val/accuracy", "val/accuracy deviation"]
    table = list(csv.DictReader((tmp_path / "sweep.csv").open()))
    assert [row["val/accuracy"] for row in table] == ["0.9", "0.5", "0.8", "0.76"]


def test_a_sweep_without_several_seeds_has_no_means(tmp_path):
    write_means(tmp_path, seeded(tmp_path, {(0.1, 0): 0.9, (0.2, 0): 0.8}))
    assert not (tmp_path / "means.csv").exists()


def test_the_best_job_is_one_of_the_best_mean_and_not_the_luckiest(tmp_path):
    points = seeded(tmp_path, FIGURES)
    assert best_job(points, ["val/accuracy"], ["max"]).values == {"lr": "0.2", "seed": "0"}
    assert best_job(points, ["val/accuracy"], ["min"]).values == {"lr": "0.1", "seed": "1"}
    assert best_job(points, ["val/accuracy", "val/loss"], ["max", "min"]) is None
