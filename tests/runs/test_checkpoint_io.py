"""Checkpoints are read without running what they hold, and damage is told."""

import pickle

import pytest
import torch

from src.errors import UserError
from src.runs.checkpoint_io import AtomicCheckpointIO, load_checkpoint


class Evil:
    def __reduce__(self):
        return print, ("executed",)


def test_what_was_saved_is_read_back(tmp_path):
    checkpoint = {"state_dict": {"weight": torch.arange(3.0)}, "epoch": 2}
    AtomicCheckpointIO().save_checkpoint(checkpoint, tmp_path / "last.ckpt")
    found = load_checkpoint(tmp_path / "last.ckpt")
    assert torch.equal(found["state_dict"]["weight"], torch.arange(3.0))
    assert found["epoch"] == 2


def test_code_in_a_checkpoint_is_not_executed(tmp_path, capsys):
    torch.save({"state_dict": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(UserError, match="cannot be read"):
        load_checkpoint(tmp_path / "evil.ckpt")
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(UserError, match="cannot be read"):
        load_checkpoint(tmp_path / "plain.ckpt")
    assert "executed" not in capsys.readouterr().out


def test_a_truncated_checkpoint_is_a_message(tmp_path):
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {"weight": torch.zeros(1000)}}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"last\.ckpt cannot be read"):
        load_checkpoint(path)


def test_a_missing_checkpoint_and_another_file_are_messages(tmp_path):
    with pytest.raises(UserError, match="no checkpoint"):
        load_checkpoint(tmp_path / "best.ckpt")
    torch.save([1, 2], tmp_path / "list.ckpt")
    with pytest.raises(UserError, match="not a checkpoint of a run"):
        load_checkpoint(tmp_path / "list.ckpt")
