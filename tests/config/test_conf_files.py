"""Every file of conf/ is found, composed, and guarded against a misspelt key."""

import re
from pathlib import Path

import pytest

from src.config.assess import assess
from src.config.groups import CONF, Groups
from tests.config.conftest import lines_of, problems_of

FILES = sorted(path.relative_to(CONF).with_suffix("").as_posix() for path in CONF.rglob("*.yaml"))
REQUIRED = {
    "evaluate": ["run=somewhere"],
    "predict": ["run=somewhere", "input=photos"],
    "model/transfer": ["model.source=somewhere"],
    "model/comparison": ["model.source=somewhere"],
    "experiment/orl_comparison": ["model.source=somewhere"],
    "experiment/imagenette_transfer": ["model.source=somewhere"],
}


def overrides_that_use(name: str, conf: Path = CONF) -> list[str]:
    """Return what to type so that a file is composed; a shared base comes with a file that builds on it."""
    group, _, choice = name.rpartition("/")
    if not group:
        return REQUIRED.get(name, [])
    if group == "hydra":
        return []
    while choice.startswith("_"):
        users = [path.stem for path in sorted((conf / group).glob("*.yaml"), reverse=True) if builds_on(path, choice)]
        assert users, f"nothing builds on {name}"
        choice = users[0]
    return [f"{group}={choice}", *REQUIRED.get(f"{group}/{choice}", [])]


def builds_on(path: Path, base: str) -> bool:
    return re.search(rf"^\s*(- |defaults: \[.*){base}\b", path.read_text(), re.MULTILINE) is not None


def command_of(name: str) -> str:
    group, _, choice = name.rpartition("/")
    return choice if not group else "explain" if group == "method" else "train"


@pytest.mark.parametrize("name", FILES)
def test_file_composes_without_a_problem(name):
    command = command_of(name)
    found = assess(command, overrides_that_use(name), Groups())
    assert lines_of(found.problems) == []
    assert found.composed is not None
    assert CONF / f"{name}.yaml" in {layer.path for layer in found.composed.layers}


@pytest.mark.parametrize("name", FILES)
def test_misspelt_key_is_refused_with_the_right_spelling(name, conf):
    path = conf / f"{name}.yaml"
    overrides = overrides_that_use(name, conf)
    right, wrong, line = misspell(path)
    found = lines_of(problems_of(*overrides, folders=(conf,), command=command_of(name)))
    assert any(f"{name}.yaml:{line} " in text or name == "hydra/default" in text for text in found), found
    assert any(wrong in text and re.search(rf"did you mean (\S+ or )?(\S+\.)?{right}\b", text) for text in found), found
    assert not any("is missing" in text and right in text for text in found), "said twice"


def misspell(path: Path) -> tuple[str, str, int]:
    """Drop a letter of the file's longest key; where it has none, of the choice that its defaults list names.

    Returns the word as it was and as it is now, and its line.
    """
    lines = path.read_text().splitlines()
    keys = [(number, m[1]) for number, text in enumerate(lines) if (m := re.match(r"\s*([a-z]\w*): *[^\s#]", text))]
    keys = [(number, key) for number, key in keys if key != "defaults"]
    choices = [(n, m[1]) for n, text in enumerate(lines) if (m := re.search(r"(?:- |\[)(\w{3,})\]?$", text))]
    targets = [(number, "_target_") for number, text in enumerate(lines) if "_target_:" in text]
    if not (keys or choices or targets):
        lines = [text for text in lines if text != "{}"] + [
            "best:",
            "  _taget_: src.callbacks.checkpoint.BestCheckpoint",
        ]
        path.write_text("\n".join(lines))
        return "_target_", "_taget_", len(lines)
    number, word = max(keys, key=lambda pair: len(pair[1])) if keys else (choices or targets)[0]
    wrong = word[:-2] + word[-1]
    lines[number] = lines[number].replace(word, wrong)
    path.write_text("\n".join(lines))
    return word, wrong, number + 1
