"""Every command of the README composes and passes the check; `make prove` also runs them."""

from __future__ import annotations

import shlex

import pytest

from src.config.assess import assess
from src.config.groups import CONF, Groups
from src.config.problems import ConfigurationError
from tests.readme_commands import Shown, shown

COMPOSED = ("train", "evaluate", "predict", "explain", "lr_find", "prepare", "summary")


def typed(command: Shown) -> tuple[str, list[str]]:
    words = shlex.split(command.text)
    return words[2].removeprefix("src."), words[3:]


SHOWS = {"--help", "--cfg", "--config-dir"}
"""Options after which a command prints and ends, or which name a folder of the reader's own."""
CHECKED = [
    pytest.param(*typed(command), id=f"{command.line}")
    for command in shown()
    if command.text.startswith("python -m src.") and typed(command)[0] in COMPOSED and not SHOWS & {*typed(command)[1]}
]


def test_the_readme_shows_commands():
    assert len(CHECKED) > 30


@pytest.mark.parametrize(("name", "arguments"), CHECKED)
def test_a_command_of_the_readme_passes_the_check(name, arguments):
    overrides = [argument for argument in arguments if argument != "-m"]
    assessment = assess(name, overrides, Groups((CONF,)), multirun="-m" in arguments)
    if "model=resnt" in arguments:
        with pytest.raises(ConfigurationError, match="resnet"):
            assessment.accepted()
    else:
        assert assessment.accepted().config is not None
