"""Places that cannot be what they are named for are told, not stumbled over."""

from __future__ import annotations

import pytest

from src.errors import UserError
from src.files import write_text
from src.runs.directory import new_run
from src.runs.prediction import chosen_device


def test_a_folder_is_no_file_and_a_file_no_run_directory(tmp_path):
    with pytest.raises(UserError, match="is a folder"):
        write_text(tmp_path, "text")
    (tmp_path / "photo.png").write_bytes(b"")
    with pytest.raises(UserError, match="is a file; name a folder"):
        new_run(str(tmp_path / "photo.png"), str(tmp_path), "name", ())


@pytest.mark.parametrize("device", ["meta", "foo", "xla"])
def test_a_device_that_computes_nothing_here_is_refused(device):
    with pytest.raises(UserError, match="expected auto, cpu, cuda"):
        chosen_device(device)
