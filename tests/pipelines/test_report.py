"""`python -m pipelines.report` as a user types it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.prove.promise import ROOT
from tests.report.synthetic import write_runs


def report(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines.report", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_names_what_it_wrote(tmp_path):
    write_runs(tmp_path / "runs", 3, epochs=2)
    done = report(f"{tmp_path}/runs", f"output={tmp_path}/here/page.html", "reproducible=true")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{tmp_path}/here/page.md", f"{tmp_path}/here/page.html"]
    assert "abcdef012345" not in (tmp_path / "here" / "page.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no run directory is named"),
        (("outptu=x.html",), "did you mean output=x.html?"),
        (("nothing=1",), "unknown"),
        (("--output", "x.html"), "no such flags"),
        (("reproducible=yes", "runs"), "type true or false"),
        (("/nowhere/at/all", "/nor/here"), "/nor/here: there is no such folder"),
        (("conf",), "conf: holds no run"),
        (("runs", "output=/proc/report.html"), "cannot write"),
    ],
)
def test_wrong_input_ends_with_code_2_and_no_traceback(arguments, words, tmp_path):
    runs = write_runs(tmp_path / "runs", 1, epochs=1)
    done = report(*(str(runs[0]) if argument == "runs" else argument for argument in arguments))
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_help_says_how():
    done = report("--help")
    assert done.returncode == 0
    assert "python -m pipelines.report RUN_DIR" in done.stdout
