"""Several processes learn what one learns on their batches together, and measure every sample once.

Learning rates are small, so that rounding does not grow from step to step: what is left is what another order of the
same sums makes.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from src.errors import UserError
from src.runs import session
from src.runs.evaluation import evaluate
from src.runs.requirements import require_shares
from tests.processes import together
from tests.training import TINY, on_top

FIGURES = ("data.source.val=61", "data.source.test=61")
"""A number that neither two nor three processes divide."""
STEPS = ("data.source.train=480", "trainer.max_epochs=1", "optimizer.lr=0.002")
SIAMESE = (
    *("model=siamese", "network=lenet", "model.embedding_dim=8", "model.images_per_identity=2"),
    *(
        "data.source.identities=35",
        "data.val_fraction=0.3",
        "data.test_fraction=0.3",
        "data.source.train=960",
        "trainer.max_epochs=2",
    ),
)
LEARNING = {
    "a localizer": (2, 20, ("model=localizer", "network=lenet")),
    "hard triplets": (2, 24, SIAMESE),
    "all triplets": (3, 24, (*SIAMESE, "model.mining=all", "model.distance=cosine")),
    "class weights": (3, 20, ("model.class_weights=balanced", "model.label_smoothing=0.1")),
    "parts of ten and ten or seven of twenty images": (3, 5, ("data.source.train=20", "trainer.max_epochs=5")),
    "three batches to a step, two to the last": (2, 7, ("trainer.accumulate_grad_batches=3",)),
}


def checkpoint(run_dir: Path) -> dict:
    return torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)


def trained(folder: Path, processes: int, *overrides: str) -> Path:
    run_dir = folder / str(processes)
    typed = on_top([*TINY, *FIGURES, *STEPS], [*overrides, f"data.batch_size={24 // processes}"])
    codes = together(processes, run_dir, typed)
    assert codes == [0] * processes, Path(f"{run_dir}-0.txt").read_text()[-3000:]
    return run_dir


@pytest.mark.parametrize(("processes", "steps", "overrides"), LEARNING.values(), ids=LEARNING.keys())
def test_several_processes_equal_one_with_the_whole_batch(processes, steps, overrides, tmp_path):
    one, several = (trained(tmp_path, count, *overrides) for count in (1, processes))
    left, right = checkpoint(one), checkpoint(several)
    assert left["global_step"] == right["global_step"] == steps
    weights = [name for name in left["state_dict"] if name not in ("threshold", "slope")]  # fitted to validation pairs
    worst = max(float((left["state_dict"][k] - right["state_dict"][k]).abs().max()) for k in weights)
    assert worst < 1e-5
    figures = [json.loads((run / "metrics.json").read_text()) for run in (one, several)]
    assert figures[1] == pytest.approx(figures[0], abs=2e-6)


def test_every_sample_is_answered_once_and_in_the_order_of_one_process(tmp_path):
    """In three processes with class weights: 61 samples are 21, 20 and 20."""
    run_dir = trained(tmp_path, 3, "model.class_weights=balanced")
    in_training = json.loads((run_dir / "metrics.json").read_text())
    run, config = session.reopen(str(run_dir), ("trainer=cpu", "data.batch_size=7"))
    for split in ("val", "test"):
        found = evaluate(config, run, split=split, checkpoint="best", output=None)
        expected = {name: value for name, value in in_training.items() if name.startswith(f"{split}/")}
        assert found.figures == pytest.approx(expected, abs=1e-6)
    found.write_predictions(tmp_path / "answers.csv")
    alone = [row["path"] for row in csv.DictReader((tmp_path / "answers.csv").open())]
    assert len(set(alone)) == 61
    said = torch.cat([batch["probabilities"] for batch in found.model.outputs])
    with np.load(run_dir / "answers-test.npz") as answers:
        assert answers["value/paths"].tolist() == alone
        np.testing.assert_allclose(answers["value/probabilities"], said, atol=1e-6)


def test_a_process_without_a_sample_is_a_message():
    require_shares({"train": 8, "val": 0, "test": 2}, 2)
    with pytest.raises(UserError, match=r"test has 2 samples for 3 processes.*type trainer\.devices=2 or less"):
        require_shares({"train": 8, "test": 2}, 3)
