"""A name that another group has is suggested as it is typed there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from src.config.command import compose
from src.config.help import help_text
from src.errors import UserError
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


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("optimizer.learning_rate=0.1", "did you mean optimizer.lr?"),
        ("network.pretrained=true", "did you mean model.source=IMAGENET1K_V1?"),
        ("data.bs=8", "did you mean data.batch_size?"),
        ("data=tests", "did you mean data=folder data.root=tests?"),
    ],
)
def test_a_name_that_other_programs_use_is_answered_with_ours(typed, meant):
    assert meant in "\n".join(lines_of(problems_of(typed)))


def test_a_length_that_is_no_whole_number_is_one_mistake():
    assert len(problems_of("trainer.max_epochs=3.5")) == 1


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["model", "=", "vgg19"], "model = vgg19 | has a space beside its = | type model=vgg19"),
        (["model", "=vgg19"], "model =vgg19 | has a space beside its = | type model=vgg19"),
        (["model=resnet", "optimizer.lr", "="], "optimizer.lr = | has a space beside its = | type optimizer.lr=VALUE"),
    ],
)
def test_an_assignment_with_spaces_is_one_mistake(words, meant):
    assert lines_of(problems_of(*words)) == [f"command line | {meant}"]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--lr", "0.1"], "lr=0.1: unknown; did you mean optimizer.lr?"),
        (["--epochs=3"], "epochs=3: unknown; did you mean trainer.max_epochs?"),
        (["data=shapes", "--batch-size", "8"], "batch_size=8: unknown; did you mean data.batch_size?"),
        (["--model", "vgg19"], "type model=vgg19"),
        (["--config-dir", "tests", "--model=vgg19"], "type model=vgg19"),
    ],
)
def test_an_option_typed_as_in_other_programs_is_told_as_a_key(words, meant):
    with pytest.raises(UserError) as caught:
        compose("train", words)
    assert str(caught.value).endswith(meant)


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
