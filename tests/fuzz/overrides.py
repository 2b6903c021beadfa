"""Random overrides that the documentation allows, and mistakes that every command must refuse."""

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
    "trainer.max_epochs": ("1", "2", "3"),
    "trainer.check_val_every_n_epoch": ("1", "2"),
    "trainer.accumulate_grad_batches": ("1", "3"),
    "trainer.gradient_clip_val": ("null", "0.5"),
    "trainer.precision": ("32-true", "bf16-mixed"),
    "trainer.deterministic": ("true", "false"),
    "trainer.limit_train_batches": ("1.0", "1", "0.5"),
    "trainer.log_every_n_steps": ("1", "50"),
    "trainer.max_steps": ("-1", "2", "7"),
    "trainer.val_check_interval": ("1.0", "0.5"),
    "data.repeated": ("keep", "leave_out"),
    "data.working_shape": ("keep", "square"),
    "data.shuffle_window": ("null", "16"),
    "model.layer_lr_decay": ("1.0", "0.7"),
    "model.decay_norm_and_bias": ("false", "true"),
    "model.channels_last": ("false", "true"),
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
    "model.monitor": ("val/accuracy", "val/loss", "val/f1", "val/balanced_accuracy", "train/loss"),
    "augment": ("none", "light", "standard", "strong", "randaugment"),
    "augment.mixup": ("0", "0.2"),
    "augment.cutmix": ("0", "1.0"),
}
BOX: Choices = {
    "model.box_loss": ("mse", "smooth_l1", "giou", "diou", "ciou"),
    "augment": ("none", "light", "standard"),
    "augment.lost_object": ("refuse", "nothing"),
    "augment.min_box_share": ("0.3", "0.9"),
    "data.source.objects": ("largest", "single"),
    "model.monitor": ("val/mean_iou", "val/localization_error", "val/accuracy", "val/loss"),
    "model.gamma": ("1.0", "0"),
}
IDENTITY: Choices = {
    "model.mining": ("hard", "semi_hard", "all"),
    "augment": ("none", "faces", "light"),
    "model.distance": ("squared_euclidean", "cosine"),
    "model.margin": ("0.2", "1"),
    "model.images_per_identity": ("2", "4"),
    "model.monitor": ("val/roc_auc", "val/loss", "val/recall_at_1"),
    "data.fold": ("null", "0"),
    "data.batch_size": ("8", "16", "64"),
}
SCHEDULERS = (
    ("scheduler=cosine", "scheduler.final_ratio=0.1"),
    ("scheduler=cosine", "scheduler.warmup_epochs=2", "trainer.max_epochs=3"),
    ("scheduler=constant", "scheduler.warmup_epochs=0.5"),
    ("scheduler=step", "scheduler.milestones=[1]", "trainer.max_epochs=2"),
    ("scheduler=step", "scheduler.milestones=[0.5]", "scheduler.gamma=0.5"),
    ("scheduler=onecycle", "scheduler.warmup_share=0.2"),
    ("scheduler=plateau", "scheduler.patience=0"),
)
CALLBACKS = (
    ("callbacks=[default,ema]", "callbacks.ema.decay=0.9"),
    ("callbacks=[default,ema]", "callbacks.ema.warmup=false"),
    ("callbacks=[default,early_stopping]", "callbacks.early_stopping.patience=1"),
    ("callbacks=[default,early_stopping]", "callbacks.early_stopping.monitor=train/loss"),
    ("callbacks=[default,finite]",),
    ("callbacks=none",),
    ("callbacks.last.every_n_train_steps=1",),
)
LOGGERS = ("csv", "csv", "csv", "none", "tensorboard")
MISTAKES = (
    *("data.batch_size=0", "data.batch_size=many", "optimizer.lr=-1", "optimizer.lr=fast", "model=resnt", "model=''"),
    *("data.image_size=-28", "data.image_size=huge", "trainer.max_epochs=x", "data.root=/no/such/folder"),
    *("model.monitor=val/acuracy", "data.val_fraction=1.5", "augment.horizontal_flip=2", "augment.nokey=1"),
    *("callbacks=[default,nope]", "callbacks.nope.decay=1", "trainer.precision=17", "trainer.nokey=1", "nokey=1"),
    *("scheduler=nope", "data.limit=0", "data.fold=9", "seed=one"),
    *("data.normalize={mean: [1]}", "data.eval_crop=2", "resume=/no/such/run", "logger=nope", "data.source.nokey=1"),
    *("model.trainable=no_layer", "data.source.channels=0", "optimizer.betas=[1]", "threads=0", "trainer=[cpu"),
)
"""Each ends with 2, whatever the dataset."""
MODELS = {
    "label": (("model=lenet",), ("model=resnet", *SMALL), ("model=classifier", *SMALL, "network.normalization=group")),
    "box": (("model=localizer", *SMALL),),
    "identity": (("model=siamese", *SMALL),),
}
OF_TASK = {"label": LABEL, "box": BOX, "identity": IDENTITY}


def draw_overrides(random: np.random.Generator, dataset: Dataset) -> list[str]:
    """Return what is typed beside the dataset: a model, and a few keys with values of which each is allowed."""
    models = MODELS[dataset.task]
    allowed = EVERYWHERE | OF_TASK[dataset.task]
    typed = {"trainer.max_epochs": "1", "data.image_size": "28", "augment": "light"}
    if dataset.task != "identity" and random.random() < 0.9:
        typed["data.on_rare_class"] = "train"
    for key in random.choice(list(allowed), int(random.integers(0, 9)), replace=False):
        typed[str(key)] = str(random.choice(allowed[str(key)]))
    if typed.get("name") == "first try":
        typed["name"] = "'first try'"
    words = [*models[int(random.integers(len(models)))], *(f"{key}={value}" for key, value in typed.items())]
    for choices, share in ((SCHEDULERS, 0.4), (CALLBACKS, 0.3)):
        if random.random() < share:
            words += choices[int(random.integers(len(choices)))]
    return [*words, f"logger={random.choice(LOGGERS)}" if random.random() > 0.02 else "logger=wandb"]


def draw_mistake(random: np.random.Generator) -> list[str]:
    """Return what is typed by mistake."""
    return [str(random.choice(MISTAKES))]
