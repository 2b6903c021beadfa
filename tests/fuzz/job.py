"""One random job: a dataset, overrides for it, and every command that a user would type after a training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.fuzz.commands import Ended, command
from tests.fuzz.datasets import Dataset, draw_dataset
from tests.fuzz.overrides import draw_mistake, draw_overrides
from tests.fuzz.recompute import disagreements

ON_A_CPU = ("threads=1", "trainer.accelerator=cpu")
MISTAKEN = 0.1
"""Share of the jobs in which something is mistyped, so that they must end with 2."""
METHODS = {
    "label": ("gradcam", "saliency", "filters", "layers", "occlusion", "deconvnet", "activations"),
    "box": ("gradcam", "saliency", "layers", "occlusion"),
    "identity": ("layers", "filters", "activations"),
}


@dataclass(frozen=True)
class Job:
    """How a job ended: the exit codes of its commands, the training's first, and what is wrong."""

    codes: tuple[int | None, ...]
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Trained:
    """A finished training, and where what comes after it may write."""

    typed: tuple[str, ...]
    run: Path
    dataset: Dataset
    folder: Path


def job(seed: int, folder: Path) -> Job:
    """Do the job of a seed: tracebacks, exit codes other than 0 and 2, and figures that are others are its faults."""
    random = np.random.default_rng(seed)
    dataset = draw_dataset(random, folder / "data")
    typed = (*dataset.overrides, *draw_overrides(random, dataset), *ON_A_CPU)
    if random.random() < MISTAKEN:
        ended = command("train", *typed, *draw_mistake(random), f"run_dir={folder}/run")
        taken = [] if ended.code == 2 else [f"a mistake was taken: python -m {' '.join(ended.typed)}"]
        return Job((ended.code,), [ended.fault] if ended.fault else taken)
    first = command("train", *typed, f"run_dir={folder}/run")
    trained = Trained(typed, folder / "run", dataset, folder)
    ended = [first, *(_after(random, trained) if first.code == 0 else ())]
    found = [fault for each in ended if (fault := each.fault)]
    return Job(tuple(each.code for each in ended), found or (_other_figures(trained) if first.code == 0 else []))


def _after(random: np.random.Generator, trained: Trained) -> Iterator[Ended]:
    """Measure and predict, and do one thing more."""
    run, folder = f"run={trained.run}", trained.folder
    people = trained.dataset.task == "identity"
    kept = (
        [f"embeddings={folder}/test.csv", f"predictions={folder}/rows.csv"]
        if people
        else [f"predictions={folder}/test.csv"]
    )
    yield command("evaluate", run, *kept, f"output={folder}/test.json")
    gallery = [f"gallery={folder}/data"] if people else []
    yield command("predict", run, f"input={folder}/data", f"output={folder}/predicted.csv", *gallery)
    more = MORE[trained.dataset.task]
    yield more[int(random.integers(len(more)))](random, trained)


def _another_split(random: np.random.Generator, trained: Trained) -> Ended:
    split = random.choice(["train", "val", "all"])
    return command("evaluate", f"run={trained.run}", f"split={split}", f"predictions={trained.folder}/{split}.csv")


def _resumed(random: np.random.Generator, trained: Trained) -> Ended:
    more = ["trainer.max_epochs=4"] if random.random() < 0.5 else []
    return command("train", f"resume={trained.run}", *more)


def _replayed(random: np.random.Generator, trained: Trained) -> Ended:
    return command("train", f"replay={trained.run}", f"run_dir={trained.folder}/again")


def _explained(random: np.random.Generator, trained: Trained) -> Ended:
    method = random.choice(METHODS[trained.dataset.task])
    images = [] if method in ("layers", "filters") else [f"split={random.choice(['test', 'val', 'train'])}"]
    return command("explain", f"run={trained.run}", f"method={method}", *images)


def _mapped(random: np.random.Generator, trained: Trained) -> Ended:
    return command("predict", f"run={trained.run}", f"input={trained.folder}/data", "map=true", f"output={trained.folder}/map.csv")  # fmt: skip # noqa: E501


def _started_from(model: str) -> Callable[[np.random.Generator, Trained], Ended]:
    def ended(random: np.random.Generator, trained: Trained) -> Ended:
        network = [word for word in trained.typed if word.startswith("network")] or ["network=lenet"]
        data = [word for word in trained.typed if word.startswith(("data", "trainer", "threads"))]
        typed = [f"model={model}", *network, f"model.source={trained.run}", *data, "logger=csv", "augment=none"]
        return command("train", *typed, f"run_dir={trained.folder}/next")

    return ended


def _swept(random: np.random.Generator, trained: Trained) -> Ended:
    typed = [word for word in trained.typed if not word.startswith("seed=")]
    return command("train", "-m", *typed, "seed=0,1", f"sweep_dir={trained.folder}/sweep")


def _range_test(random: np.random.Generator, trained: Trained) -> Ended:
    kept = ("data", "model", "network", "augment", "threads", "trainer.accelerator")
    typed = [word for word in trained.typed if word.startswith(kept)]
    return command("lr_find", *typed, "steps=10", f"output={trained.folder}/range.html")


EVERY = (_another_split, _resumed, _replayed, _explained, _another_split, _resumed, _replayed, _explained, _swept)
MORE = {
    "label": (*EVERY, _mapped, _started_from("transfer"), _range_test),
    "box": (*EVERY, _range_test),
    "identity": (*EVERY, _started_from("comparison"), _started_from("comparison")),
}
"""What is done after a training, by the dataset's task."""


def _other_figures(trained: Trained) -> list[str]:
    folder, dataset = trained.folder, trained.dataset
    if not (folder / "test.csv").exists():
        return []
    wrong = disagreements(folder / "test.csv", folder / "test.json", task=dataset.task, multilabel=dataset.multilabel)
    tested, again = (json.loads(path.read_text()) for path in (trained.run / "metrics.json", folder / "test.json"))
    moved = [
        f"{key}: {tested[key]} after training, {again[key]} by evaluate"
        for key in sorted(tested.keys() & again.keys())
        if key.startswith("test/") and tested[key] != again[key]
    ]
    return [f"python -m src.train {' '.join(trained.typed)}\n{line}" for line in wrong + moved]
