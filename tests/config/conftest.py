"""Fixtures of the configuration's tests: copies of conf/ to spoil, and a cache folder that is not the user's."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.config.assess import assess
from src.config.groups import CONF, Groups
from src.config.problems import Problem


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture
def conf(tmp_path) -> Path:
    """A copy of conf/ that a test may change."""
    return Path(shutil.copytree(CONF, tmp_path / "conf"))


@pytest.fixture
def own_folder(tmp_path):
    """Return a function that writes a file of the user's own and returns the folder for `--config-dir`."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / "own" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return tmp_path / "own"

    return write


def problems_of(*overrides: str, folders: tuple[Path, ...] = (CONF,), command: str = "train") -> list[Problem]:
    return assess(command, overrides, Groups(folders)).problems


def lines_of(problems: list[Problem]) -> list[str]:
    return [f"{p.where} | {p.key} | {p.what} | {p.suggestion}" for p in problems]
