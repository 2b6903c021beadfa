"""`trainer=fast`: good defaults for the hardware, of which nothing typed is overridden; compiling."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from src.config.command import compose
from src.errors import UserError
from src.models.compiling import compile_in_place
from src.runs.fast import has_bfloat16
from tests.training import train


@pytest.fixture(autouse=True)
def same_precision_afterwards():
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize(
    ("flags", "expected"), [("fpu avx2 avx512f", False), ("fpu avx512f avx512_bf16", True), ("fpu amx_bf16", True)]
)
def test_a_processor_has_bfloat16_where_its_flags_say_so(tmp_path, flags, expected):
    (tmp_path / "cpuinfo").write_text(f"processor: 0\nflags\t\t: {flags}\n")
    assert has_bfloat16("cpu", tmp_path / "cpuinfo") is expected
    assert has_bfloat16("cpu", tmp_path / "missing") is False


def test_fast_says_what_its_auto_became(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("src.runs.fast.CPU_FLAGS", frozenset())
    train(tmp_path / "run", "trainer=fast", "trainer.max_epochs=1", "test=false")
    said = capsys.readouterr().err
    assert "trainer.precision=auto: 32-true" in said
    assert f"model.channels_last=auto: {str(torch.cuda.is_available()).lower()}" in said
    assert torch.get_float32_matmul_precision() == "high"


def test_what_is_typed_is_kept_whatever_the_order():
    typed = ("trainer.precision=64-true", "trainer=fast", "model.channels_last=true", "trainer.deterministic=true")
    config = compose("train", typed).config
    assert config.trainer.precision == "64-true"
    assert config.model.channels_last is True
    assert config.trainer.deterministic is True
    assert compose("train", ["trainer=fast"]).config.trainer.precision == "auto"


def test_an_experiments_precision_is_kept():
    config = compose("train", ["trainer=fast", "experiment=imagenette_quick"]).config
    assert (config.trainer.precision, config.model.channels_last) == ("bf16-mixed", True)


def test_compiling_without_a_compiler_says_what_to_do(monkeypatch):
    monkeypatch.setitem(os.environ, "CXX", "no-such-compiler")
    with pytest.raises(UserError, match=r"no-such-compiler.*apt install.*model\.compile=false"):
        compile_in_place(torch.nn.Linear(1, 1), True)


@pytest.mark.parametrize("mode", [True, "default", "reduce-overhead", "max-autotune"])
def test_each_mode_is_handed_to_torch(monkeypatch, mode):
    asked = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda network, **options: asked.append(options))
    monkeypatch.setattr("shutil.which", lambda name: Path("/usr/bin") / name)
    compile_in_place(torch.nn.Linear(1, 1), mode)
    assert asked == [{"mode": "default" if mode is True else mode}]
