"""Digests of the code that a computation uses."""

from __future__ import annotations

import shutil

import pytest

from src.config import code
from src.config.code import code_digests, module_of, significant

BEFORE = '''
"""What it is."""

LIMIT = 3  # pixels
"""Of the side."""


def area(side):
    """Return it."""
    return side * side  # never negative


class Empty:
    """Has only this."""
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# pixels", "# of the image"),
        ('"""Return it."""', '"""Return what\n\n    is inside.\n    """'),
        ('    """Return it."""\n', ""),
        ('"""Of the side."""\n', ""),
        ('"""Has only this."""', '"""Has nothing else, not even ö."""'),
        ("\n\n\nclass", "\n# a class\n\n\n\nclass"),
    ],
)
def test_words_for_people_are_not_code(old, new):
    assert old in BEFORE
    assert significant(BEFORE.replace(old, new)) == significant(BEFORE)


@pytest.mark.parametrize(
    ("old", "new"), [("LIMIT = 3", "LIMIT = 4"), ("side * side", 'side * len("# a")'), ("class Empty", "class Void")]
)
def test_code_is(old, new):
    assert significant(BEFORE.replace(old, new)) != significant(BEFORE)


def test_blank_lines_and_spaces_within_a_text_are_code():
    text = 'TEXT = """one  \n\ntwo"""\n\n\nLAST = 1\n'
    assert significant(text) == 'TEXT = """one  \n\ntwo"""\nLAST = 1'


def test_what_follows_a_docstring_on_its_line_is_code():
    before = 'def f():\n    """Return it."""; return 1\n'
    assert significant(before) != significant(before.replace("return 1", "return 2"))
    assert significant(before) == significant(before.replace("Return it", "Return ö"))


def test_a_number_sign_in_a_text_stays():
    assert significant('colour = "#ff0000"  # red\n') == 'colour = "#ff0000"'


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of its own: a imports b inside a function and c for types alone; b has a template beside it."""
    files = {
        "own/__init__.py": "",
        "own/a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from own.c import C\n"
        "def f():\n    from . import b\n    return b\n",
        "own/b/__init__.py": "from own.d import D\n",
        "own/b/page.html": "<p>",
        "own/c.py": "C = 1\n",
        "own/d.py": "D = 1\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "own"
    shutil.rmtree(tmp_path)


def digests(**options) -> dict[str, str]:
    for cached in (code._read, code.find):
        cached.cache_clear()
    return code_digests(["own.a"], packages=["own"], **options)


def test_imports_are_followed_wherever_they_run(package):
    assert list(digests()) == ["own", "own.a", "own.b", "own.d"]
    assert list(digests(beside=["own.b"])) == ["own", "own.a"]


def test_a_template_counts_with_its_package(package):
    before = digests()
    (package / "b" / "page.html").write_text("<b>")
    assert {name for name, digest in digests().items() if digest != before[name]} == {"own.b"}


@pytest.mark.parametrize("name", [".page.html.swp", ".#page.html", ".DS_Store", "page.html.orig", "page.html~"])
def test_what_an_editor_leaves_does_not(package, name):
    before = digests()
    for folder in (package, package / "b"):
        (folder / name).write_text("other")
    assert digests() == before


def test_a_network_is_not_among_the_code_of_another():
    code._read.cache_clear()
    code.find.cache_clear()
    used = code_digests([module_of("src.networks.resnet.resnet"), "src.runs.training"], beside=("src.config",))
    assert {"src.networks.resnet", "src.data.module", "src.seeds"} <= set(used)
    assert "src.networks.vgg" not in used
