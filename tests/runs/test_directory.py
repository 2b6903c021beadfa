"""Run directories: never overwritten, found by a link, held by one process."""

import multiprocessing
import shutil

import pytest

from src.errors import UserError
from src.runs.directory import RunDirectory, hold_job, link_latest, lock_run, new_run, open_run
from src.sweeps import locks


def test_a_run_directory_is_never_overwritten(tmp_path):
    run = new_run(str(tmp_path / "mine"), "runs", "resnet-shapes", [])
    run.compose.write_text("")
    with pytest.raises(UserError, match="resume="):
        new_run(str(tmp_path / "mine"), "runs", "resnet-shapes", [])


def test_two_runs_of_one_second_have_two_directories_and_latest_is_the_second(tmp_path):
    first = new_run(None, str(tmp_path), "resnet-shapes", ["seed=1"])
    second = new_run(None, str(tmp_path), "resnet-shapes", ["seed=1"])
    assert first.path != second.path
    for run in (first, second):
        link_latest(run, tmp_path)
    assert (tmp_path / "latest").resolve() == second.path
    assert first.path.parent.name == "resnet-shapes"


def test_latest_survives_a_move_of_all_runs(tmp_path):
    run = new_run(None, str(tmp_path / "runs"), "a-b", [])
    link_latest(run, tmp_path / "runs")
    shutil.move(tmp_path / "runs", tmp_path / "moved")
    assert (tmp_path / "moved" / "latest").resolve().name == run.path.name


def test_a_folder_that_is_no_run_names_the_runs_inside(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "compose.yaml").write_text("")
    with pytest.raises(UserError, match=r"it holds runs: .*a"):
        open_run(tmp_path)
    with pytest.raises(UserError, match="no run directory"):
        open_run(tmp_path / "b")


def _hold(path, held, release):
    with lock_run(open_run(path)):
        held.set()
        release.wait(30)


def test_a_second_process_is_told_that_a_run_is_in_use(tmp_path):
    run = new_run(str(tmp_path / "run"), "runs", "a-b", [])
    run.compose.write_text("")
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(run.path, held, release))
    process.start()
    try:
        assert held.wait(30)
        with pytest.raises(UserError, match="in use"):
            lock_run(run)
    finally:
        release.set()
        process.join()
    lock_run(run).release()


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    run = new_run(str(tmp_path / "run"), "runs", "a-b", [])
    run.checkpoint("last").parent.mkdir()
    part = run.checkpoint("last").with_name(".last.ckpt.123.part")
    part.write_bytes(b"half")
    run.checkpoint("last").write_bytes(b"whole")
    run.remove_half_written()
    assert not part.exists()
    assert run.checkpoint("last").exists()


def test_a_run_that_failed_before_its_data_leaves_its_place(tmp_path):
    run = new_run(str(tmp_path / "run"), "runs", "name", ())
    run.compose.write_text("{}")
    run.record.write_text('{"status": "failed"}')
    new_run(str(run.path), "runs", "name", ())
    run.data.write_text("{}")
    with pytest.raises(UserError, match="holds a run already"):
        new_run(str(run.path), "runs", "name", ())


def test_a_folder_with_other_things_in_it_is_no_place_for_a_run(tmp_path):
    """What a run that had hardly begun, or its sweep, has left there does not count."""
    (tmp_path / "job.json").touch()
    (tmp_path / ".job.lock").touch()
    assert new_run(str(tmp_path), "runs", "x", []).path == tmp_path
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UserError, match=r"it holds thesis\.tex"):
        new_run(str(tmp_path), "runs", "x", [])


def _hold_job(path, held, done):
    assert locks.hold(path) is not None
    held.set()
    done.wait(60)


def test_a_job_that_its_sweep_trains_is_not_continued_by_hand(tmp_path):
    (tmp_path / "job.json").write_text("{}")
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    other = context.Process(target=_hold_job, args=(tmp_path / locks.JOB, held, done))
    other.start()
    assert held.wait(60)
    with pytest.raises(UserError, match="its sweep trains this run now"), hold_job(RunDirectory(tmp_path)):
        pass
    done.set()
    other.join()
