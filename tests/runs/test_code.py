"""What code ran, file by file."""

from __future__ import annotations

import pytest

from src.runs.code import code_files, code_record, commit_state


@pytest.fixture
def project(tmp_path):
    for name in ("src/a.py", "src/report/templates/page.html", "conf/train.yaml", "src/__pycache__/a.pyc", "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_sources_templates_and_configuration_count_and_nothing_else(project):
    assert list(code_files(project)) == ["conf/train.yaml", "src/a.py", "src/report/templates/page.html"]


def test_a_lock_of_an_editor_is_no_source(project):
    (project / "src" / ".#a.py").symlink_to("somebody@somewhere.1234")
    assert list(code_files(project)) == ["conf/train.yaml", "src/a.py", "src/report/templates/page.html"]


def test_of_another_package_the_python_files_count(project, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in ("mine_here/__init__.py", "mine_here/nets/mine.py", "mine_here/notes.txt", "single_here.py"):
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / name).write_text("")
    monkeypatch.syspath_prepend(str(elsewhere))
    found = code_files(project, ["mine_here", "single_here", "nowhere_at_all"])
    assert list(found)[3:] == ["mine_here/__init__.py", "mine_here/nets/mine.py", "single_here.py"]


def test_the_digest_moves_with_the_code_alone(project):
    before = code_record(project)
    (project / "README.md").write_text("other")
    assert code_record(project) == before
    moved = project.rename(project.with_name(f"{project.name}-moved"))
    assert code_record(moved) == before
    (moved / "src" / "a.py").write_text("other")
    after = code_record(moved)
    assert after["digest"] != before["digest"]
    assert [name for name in before["files"] if before["files"][name] != after["files"][name]] == ["src/a.py"]


def test_without_git_there_is_no_commit(project, monkeypatch):
    assert commit_state(project) == {"commit": None, "dirty": None}
    monkeypatch.setenv("PATH", "")
    assert commit_state(project) == {"commit": None, "dirty": None}
