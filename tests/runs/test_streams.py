"""A run that reads a stream has the bits of one that reads files, also where it was killed inside an epoch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from src.config import saved
from src.config.command import compose
from src.data.preparation import prepare
from src.runs import session
from src.runs.evaluation import evaluate
from tests.data.stream.conftest import bucket, server  # noqa: F401 - fixtures
from tests.prove.promise import same, tensors
from tests.training import TINY, killed, resume, train


def write(url: str) -> str:
    """Write what `TINY` trains on, as `python -m src.prepare` does."""
    typed = [o for o in TINY if o.startswith("data.source")]
    config = saved.plain(compose("prepare", [*typed, "data.store=stream", f"data.stream={url}"]).config)
    *_, there = prepare(config["data"], chunk=0.02, overwrite=False)
    return there


@pytest.mark.parametrize("window", ["null", "48"])
def test_a_run_from_a_bucket_killed_inside_an_epoch_and_resumed_equals_one_from_the_packed_store(
    bucket,  # noqa: F811
    tmp_path,
    monkeypatch,
    window,
):
    shuffled = f"data.shuffle_window={window}"
    whole = train(tmp_path / "whole", "data.store=packed", shuffled, "callbacks.last.every_n_train_steps=2")
    url = write(f"{bucket}/shapes")
    stream = ("data.store=stream", f"data.stream={url}", f"data.cache_dir={tmp_path}/cache", shuffled)
    killed(monkeypatch, tmp_path / "broken", 15, *stream, "data.num_workers=2")  # ten batches an epoch
    resume(tmp_path / "broken")
    assert same(tensors(whole), tensors(tmp_path / "broken"))
    digests = [json.loads((run / "record.json").read_text())["data_digest"] for run in (whole, tmp_path / "broken")]
    assert digests[0] == digests[1]
    assert (tmp_path / "cache" / "stream").is_dir()
    assert figures_of(tmp_path / "broken") == figures_of(whole)
    assert evaluated(tmp_path / "broken") == figures_of(whole)


def test_a_run_goes_on_from_a_stream_that_it_did_not_begin_with(tmp_path, monkeypatch):
    whole = train(tmp_path / "whole", "data.store=files", "callbacks.last.every_n_train_steps=2")
    killed(monkeypatch, tmp_path / "broken", 13, "data.store=files")
    resume(tmp_path / "broken", ["data.store=stream", f"data.stream={write(f'{tmp_path}/stream')}"])
    assert same(tensors(whole), tensors(tmp_path / "broken"))


def figures_of(run: Path) -> dict[str, float]:
    figures = json.loads((run / "metrics.json").read_text())
    return {key: value for key, value in figures.items() if key.startswith("test/")}


def evaluated(run: Path) -> dict[str, float]:
    directory, config = session.reopen(str(run), ())
    return evaluate(config, directory, split="test", checkpoint="best", output=None).figures
