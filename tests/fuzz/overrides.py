"""Random overrides that the documentation allows."""

from __future__ import annotations

import numpy as np

from tests.fuzz.datasets import Dataset

Choices = dict[str, tuple[str, ...]]

SMALL = ("network=conv4", "network.widths=[8,8,8,8]")
EVERYWHERE: Choices = {
    "data.batch_size": ("1", "3", "8", "64"),
    "data.image_size": ("28", "32", "auto"),
    "data.store": ("files", "packed", "auto"),
    "data.working_size": ("null", "24", "48"),
    "data.normalize": ("auto", "dataset", "mean", "none"),
    "data.eval_crop": ("auto", "whole", "0.9"),
    "data.val_fraction": ("0", "0.1", "0.3"),
    "data.test_fraction": ("0.2", "0.4"),
    "data.limit": ("null", "5", "20"),
    "data.on_bad_sample": ("stop", "skip"),
    "data.num_workers": ("0", "auto"),
    "optimizer": ("sgd", "adam", "adamw", "rmsprop"),
    "optimizer.lr": ("1e-3", "0.1", "10"),
    "optimizer.weight_decay": ("0", "0.01"),
    "scheduler": ("cosine", "constant", "step", "onecycle", "plateau"),
    "trainer.max_epochs": ("1", "2", "3"),
    "trainer.check_val_every_n_epoch": ("1", "2"),
    "trainer.accumulate_grad_batches": ("1", "3"),
    "trainer.gradient_clip_val": ("null", "0.5"),
    "trainer.precision": ("32-true", "bf16-mixed"),
    "trainer.deterministic": ("true", "false"),
    "trainer.limit_train_batches": ("1.0", "1", "0.5"),
    "trainer.log_every_n_steps": ("1", "50"),
    "callbacks": ("default", "[default,ema]", "[default,early_stopping]", "none"),
    "seed": ("0", "7"),
    "test": ("true", "false"),
    "tags": ("[]", "[a,b]"),
    "name": ("null", "first try"),
    "augment.horizontal_flip": ("0", "0.5"),
}
LABEL: Choices = {
    "data.fold": ("null", "0"),
    "data.train_per_class": ("null", "1", "3"),
    "model.label_smoothing": ("0", "0.1"),
    "model.class_weights": ("null", "balanced"),
    "model.test_time_flip": ("false", "true"),
    "model.monitor": ("val/accuracy", "val/loss", "val/f1"),
    "augment": ("none", "light", "standard", "strong", "randaugment"),
    "augment.mixup": ("0", "0.2"),
}
BOX: Choices = {
    "model.box_loss": ("mse", "smooth_l1", "giou", "diou", "ciou"),
    "augment": ("none", "light", "standard", "strong"),
    "augment.lost_object": ("refuse", "nothing"),
    "data.source.objects": ("largest", "single"),
}
IDENTITY: Choices = {
    "model.mining": ("hard", "semi_hard", "all"),
    "augment": ("none", "faces", "light"),
    "data.batch_size": ("4", "8", "64"),
}
MODELS = {
    "label": (("model=lenet",), ("model=resnet", *SMALL)),
    "box": (("model=localizer", *SMALL),),
    "identity": (("model=siamese", *SMALL),),
}
OF_TASK = {"label": LABEL, "box": BOX, "identity": IDENTITY}


def draw_overrides(random: np.random.Generator, dataset: Dataset) -> list[str]:
    """Return what is typed beside the dataset: a model, and a few keys with values of which each is allowed."""
    models = MODELS[dataset.task]
    allowed = EVERYWHERE | OF_TASK[dataset.task]
    typed = {"trainer.max_epochs": "1", "data.image_size": "28", "augment": "light"}
    for key in random.choice(list(allowed), int(random.integers(0, 9)), replace=False):
        typed[str(key)] = str(random.choice(allowed[str(key)]))
    if typed.get("name") == "first try":
        typed["name"] = "'first try'"
    return [*models[int(random.integers(len(models)))], *(f"{key}={value}" for key, value in typed.items())]
