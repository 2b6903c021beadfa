"""A name that another group has is suggested as it is typed there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from src.config.help import help_text
from tests.config.conftest import lines_of, problems_of
from tests.prove.promise import ROOT


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("model=resnet18", "did you mean network=resnet18?"),
        ("model=conv4", "did you mean network=conv4?"),
        ("data=adam", "did you mean optimizer=adam?"),
        ("optimizer=cosine", "did you mean scheduler=cosine?"),
        ("trainer=imagenette", "did you mean data=imagenette?"),
        ("model=resnt", "did you mean resnet?"),
    ],
)
def test_a_choice_of_another_group_is_suggested_with_its_group(typed, meant):
    assert meant in "\n".join(lines_of(problems_of(typed)))


def test_help_on_a_choice_shows_its_file_under_its_group():
    text = help_text("train", ["csv"])
    assert "data=csv\n" in text
    assert "label_column" in text
    assert "logger=csv\n" in text


@pytest.mark.parametrize("name", ["train", "evaluate", "figures"])
def test_a_command_started_as_a_file_says_what_to_type(name):
    done = subprocess.run(
        [sys.executable, f"src/{name}.py", "a=b"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert f"python -m src.{name} a=b" in done.stderr
    assert "Traceback" not in done.stderr
