"""An evaluation says which weights it measured, and that a run has not finished."""

from __future__ import annotations

import json

from src.config.command import compose
from src.evaluate import evaluate
from tests.training import train


def test_figures_of_other_weights_can_be_told_apart(tmp_path, capsys):
    run = train(tmp_path / "run", "data.source.train=32", "data.source.val=16", "data.source.test=16")
    record = json.loads((run / "record.json").read_text())

    def measured(*typed: str) -> dict[str, object]:
        evaluate(compose("evaluate", [f"run={run}", *typed]))
        return json.loads((run / "evaluation-test.json").read_text())

    best, last = measured(), measured("checkpoint=last")
    assert best["weights"] == record["weights"]
    assert (last["epoch"], last["step"]) == (2, 4)  # 32 images in batches of 16, twice
    assert "note:" not in capsys.readouterr().err
    if best["epoch"] == 1:
        assert best["weights"] != last["weights"]

    (run / "record.json").write_text(json.dumps(record | {"status": "running"}))
    assert measured()["weights"] == best["weights"]
    assert f"may be training still: these are its weights of epoch {best['epoch']}" in capsys.readouterr().err
