"""The datamodule: a source, its splits, the augmentation and the loaders, for any task."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt, Interval
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, Sampler

from src import seeds
from src.cores import cores
from src.data import blocks
from src.data.augmentation import Augmentation
from src.data.automatic import Preprocessing, geometry, statistics
from src.data.bad_samples import require_good_rows, unreadable_message
from src.data.dataset import BatchDataset, KeptDataset, Transform
from src.data.fitting import require_nothing_first, require_same_kind
from src.data.identity_splits import make_identity_splits, require_identities
from src.data.inspection import BadSample, Inspection, inspect
from src.data.mean_boxes import mean_boxes
from src.data.media.choice import Wanted, automatic, packed
from src.data.media.on_device import OnDevice, require_cuttable
from src.data.medium import Files, Medium
from src.data.mix import mix
from src.data.normalize import normalize
from src.data.repeated import repeated_remarks, without_repeated
from src.data.sampler import (
    Batch,
    EvalBatches,
    Identities,
    Triplets,
)
from src.data.seen import Augmented, Evaluated
from src.data.sources.base import Indices, Source
from src.data.spec import DataSpec
from src.data.split_names import SPLITS
from src.data.splits import make_splits
from src.data.stream.index import describe
from src.data.training_batches import require_possible, training_batches
from src.data.transfer import Transfer
from src.data.worker import prepare_worker
from src.data.working import WorkingSize
from src.errors import UserError
from src.files import printable

log = logging.getLogger(__name__)

_HELD = 3
"""Batches that the training has in hand at once: that of the step, the next one, and one on its way to the device."""


class ImageData(LightningDataModule):
    """Batches of one source for training, validation and testing.

    `open` reads what there is and must come first: the number of classes and channels that a network is built with
    are known only then. Every random number is derived from `seed` by name, epoch and sample index, so the batches
    depend neither on the number of workers nor on where a run was continued.

    What has a default is given by the program, or is younger than the saved configurations of some runs: there it is
    what those runs did.
    """

    def __init__(
        self,
        *,
        source: Source,
        root: str,
        image_size: Annotated[int, Ge(8)] | Literal["auto"],
        batch_size: Annotated[int, Ge(1)],
        num_workers: Annotated[int, Ge(0)] | Literal["auto"],
        working_size: Annotated[int, Ge(8)] | None,
        working_shape: Literal["keep", "square"],
        store: Literal["auto", "packed", "files", "device", "stream"],
        store_budget: Annotated[float, Ge(0)],
        val_fraction: Annotated[float, Interval(ge=0, lt=1)],
        test_fraction: Annotated[float, Interval(ge=0, lt=1)],
        folds: Annotated[int, Ge(2)],
        fold: Annotated[int, Ge(0)] | None,
        normalize: Literal["auto", "imagenet", "dataset", "mean", "none"] | dict[str, list[float]],
        eval_crop: Annotated[float, Interval(gt=0, le=1)] | Literal["auto", "whole"],
        on_bad_sample: Literal["stop", "skip"],
        limit: Annotated[int, Gt(0)] | None,
        train_per_class: Annotated[int, Gt(0)] | None,
        stream: str | None,
        stream_cache: Annotated[float, Gt(0)],
        shuffle_window: Annotated[int, Ge(2)] | None,
        cache_dir: str,
        augment: Augmentation,
        seed: int,
        repeated: Literal["keep", "leave_out"] = "keep",
        on_rare_class: Literal["stop", "train"] = "stop",
        preprocessing: Preprocessing | None = None,
        by_identity: bool = False,
        batches: Identities | Triplets | None = None,
    ) -> None:
        super().__init__()
        self.source, self.root = source, Path(root)
        self.stream, self.stream_cache, self.described = stream, stream_cache, describe(source)
        self.shuffle_window = shuffle_window
        self.batch_size = batch_size
        self.val_fraction, self.test_fraction, self.folds, self.fold = val_fraction, test_fraction, folds, fold
        self.normalization, self.on_bad_sample, self.repeated = normalize, on_bad_sample, repeated
        self.limit, self.train_per_class, self.on_rare_class = limit, train_per_class, on_rare_class
        self.cache_dir = Path(cache_dir).expanduser()
        self.augment, self.seed, self.preprocessing = augment, seed, preprocessing
        self.num_workers = num_workers
        self.image_size, self.eval_crop = image_size, eval_crop
        self.by_identity, self.batches = by_identity, batches
        require_possible(batches, batch_size, shuffle_window)
        if working_shape == "square" and working_size is None:
            raise UserError("data.working_shape=square needs data.working_size, the side of the square in pixels")
        self.working = None if working_size is None else WorkingSize(working_size, working_shape == "square")
        self.store, self.store_budget = store, store_budget
        if store == "device":
            require_cuttable(list(augment.transforms), source.channels)
        self.medium: Medium = Files(source, self.working)
        self.splits: dict[str, Indices] = {}
        self.left_out: tuple[BadSample, ...] = ()
        self.contents: Mapping[int, str] = {}
        """The digest of what each sample holds, by its number in the source."""
        self.remarks: tuple[str, ...] = ()
        """What a person should know of the data, as it was logged."""
        self.samples: Mapping[str, str] = {}
        """A digest of each sample that is used, with the split that it is in, by its name."""
        self.spec: DataSpec | None = None
        self.wanted_targets: tuple[str, ...] | None = None
        """The targets that batches have, where a model has said which it requires; else all that the source has."""
        self.kept: dict[str, dict[str, torch.Tensor]] = {}
        """Per split, tensors in its order that batches are made of instead of images: features computed once."""
        self.measured_split = "test"
        """The split that `Trainer.test` measures."""
        self._position = (0, 0)
        self._chosen_loading: tuple[int, int] | None = None
        self._transfer = Transfer()

    def open(
        self, trained_on: DataSpec | None = None, *, for_training: bool = True, divided: bool | None = True
    ) -> DataSpec:
        """Fetch, list, inspect and split the data, and return what a model needs to know of them.

        For a trained model, `trained_on` is what it knew: sizes and normalisation stay, and the classes must be the
        same. Where it is not `for_training`, `data.store=auto` makes no store. Data that are not `divided` have the
        split `all` alone; None leaves those undivided that publish no splits and no pairs. Raises UserError where they
        are not, where there are no data, or unreadable samples and `on_bad_sample=stop`.
        """
        if self.store == "stream":
            self._read_from_stream()
        source = self.source
        source.prepare()
        source.setup()
        require_nothing_first(source)
        require_good_rows(source, self.on_bad_sample)
        if divided is None:
            divided = "all" not in source.splits() or source.pairs() is not None
        others = trained_on is not None and trained_on.classes != tuple(source.classes)
        splits = self._divided(strangers=others) if divided else self._whole()
        if self.by_identity and trained_on is None:
            require_identities(source, splits, self.val_fraction, self.test_fraction)
        if trained_on is not None:
            source.span = trained_on.span
        found = self._inspect(splits, None if trained_on is not None else splits["train"])
        if self.by_identity and trained_on is None and self.left_out:
            require_identities(source, self.splits, self.val_fraction, self.test_fraction)
        if trained_on is not None:
            require_same_kind(trained_on, source, by_identity=self.by_identity)
            if trained_on.working != self.working:
                log.info("data.working_size: %s, as the run was trained with", trained_on.working_size)
                self.working = trained_on.working
            digest = found.divided(self.splits)
            self.spec = dataclasses.replace(trained_on, digest=digest, contents=found.digest)
        self.medium = self._medium(found.listing, for_training)
        if self.spec is not None:
            return self.spec
        size, crop = geometry(self.image_size, self.eval_crop, source, self.preprocessing, self.working)
        counts = source.class_counts(self.splits["train"])
        train, weights = self.splits["train"], self.preprocessing
        mean, std = statistics(
            self.normalization, weights, source.channels, self.medium, train, self.augment, (size, crop)
        )
        self.spec = DataSpec(
            targets=source.targets,
            classes=source.classes,
            channels=source.channels,
            image_size=size,
            eval_crop=crop,
            mean=mean,
            std=std,
            multilabel=source.multilabel,
            num_keypoints=source.num_keypoints,
            class_counts=tuple(counts.tolist()),
            train_samples=len(self.splits["train"]),
            digest=found.divided(self.splits),
            contents=found.digest,
            mean_boxes=mean_boxes(source, self.splits["train"], size, crop, self.working),
            working_size=None if self.working is None else self.working.side,
            working_square=self.working is not None and self.working.square,
            span=source.span,
        )
        return self.spec

    def _divided(self, *, strangers: bool) -> dict[str, Indices]:
        make = partial(make_identity_splits, strangers=strangers) if self.by_identity else make_splits
        return make(
            self.source,
            val_fraction=self.val_fraction,
            test_fraction=self.test_fraction,
            folds=self.folds,
            fold=self.fold,
            limit=self.limit,
            train_per_class=self.train_per_class,
            on_rare_class=self.on_rare_class,
        )

    def _whole(self) -> dict[str, Indices]:
        """Return all samples as the split `all`, without those of nobody where identities are told apart."""
        everything = np.arange(len(self.source))
        if self.by_identity:
            everything = everything[self.source.identities() >= 0]
        return dict.fromkeys(SPLITS, everything[:0]) | {
            "all": everything[:: -(-len(everything) // (self.limit or len(everything)))]
        }

    def _read_from_stream(self) -> None:
        from src.data.stream.source import open_stream

        assert self.stream is not None  # the check of the configuration says so
        kept = int(self.stream_cache * 2**30)
        self.source = open_stream(self.stream, self.described, self.root, self.cache_dir, kept)

    def _inspect(self, splits: Mapping[str, Indices], train: Indices | None) -> Inspection:
        used = np.unique(np.concatenate(list(splits.values())))
        found = inspect(self.source, used, self.cache_dir, train)
        if found.unreadable and self.on_bad_sample == "stop":
            raise UserError(unreadable_message(found.unreadable))
        bad = [sample.index for sample in found.unreadable]
        self.left_out = found.unreadable
        if left_out := len(self.left_out) + len(self.source.bad_rows):
            first = next(iter([*(row.place for row in self.source.bad_rows), *(one.path for one in self.left_out)]))
            log.warning("data.on_bad_sample=skip: %d left out (%s%s)", left_out, first, ", ..." * (left_out > 1))
        self.splits = {name: indices[~np.isin(indices, bad)] for name, indices in splits.items()}
        if self.repeated == "leave_out":
            self.splits = without_repeated(self.splits, found)
        repeated = repeated_remarks(self.splits, found, self.source, self.name_of)
        self.remarks = (*self.source.remarks, *found.remarks, *repeated)
        for remark in self.remarks:
            log.info("%s", remark)
        self.samples, self.contents = found.with_splits(self.splits), found.contents
        if not len(self.splits.get("all", self.splits["train"])) and found.unreadable:
            first = found.unreadable[0].path
            raise UserError(f"data.root={self.root}: no readable training image is left; the first bad file is {first}")
        return found

    def _medium(self, listing: str, for_training: bool) -> Medium:
        """Return where samples are read from."""
        indices = np.unique(np.concatenate(list(self.splits.values())))
        wanted = Wanted(self.source, indices, listing, self.working, self.cache_dir)
        if self.store in ("files", "stream"):  # a stream is a source of its own
            return wanted.files
        if self.store == "packed":
            return packed(wanted)
        if self.store == "device":
            return OnDevice(packed(wanted))
        few = {"data.limit": self.limit, "data.train_per_class": self.train_per_class}
        subset = next((f"{key}={value}" for key, value in few.items() if value is not None), None)
        return automatic(wanted, self.store_budget, for_training=for_training, subset=subset)

    def left_out_lines(self) -> list[str]:
        """Return what was left out and why, a line each: wrong annotations, then unreadable samples."""
        rows = [f"{row.place}: {row.reason}" for row in self.source.bad_rows]
        return rows + [f"{bad.path} {bad.reason}" for bad in self.left_out]

    def name_of(self, index: int) -> str:
        """Return the file of a sample, relative to the data's root, or its number where it has none."""
        path = self.source.path(index)
        if path is None:
            return f"#{index}"
        return printable(str(path.relative_to(self.root)) if path.is_relative_to(self.root) else path.name)

    # Loaders

    def dataset(self, split: str, *, augmented: bool = False) -> BatchDataset:
        """Return a split (`train`, `val`, `test`) as a dataset, as evaluation sees it or augmented."""
        spec = self._opened()
        targets = spec.targets if self.wanted_targets is None else self.wanted_targets
        return BatchDataset(self.medium, self.splits[split], self._transform(spec, augmented, targets), targets)

    def _transform(self, spec: DataSpec, augmented: bool, targets: Sequence[str]) -> Transform:
        if not augmented:
            return Evaluated(self.augment, spec.image_size, spec.eval_crop)
        augment = self.augment.for_data(targets, self.source.channels, self.source.flip_pairs)
        return Augmented(augment, spec.image_size, spec.eval_crop, seeds.stream(self.seed, "augment"))

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return augmented batches from where the run stands, an equal part for each process."""
        dataset = self._kept_or("train") or self.dataset("train", augmented=True)
        if self.store == "stream" and self.batches is None:
            self._require_room()
        kind, train, process = self.batches, self.splits["train"], self._process()
        batches = training_batches(kind, self.source, train, self.batch_size, self.shuffle_window, self.seed, process)
        batches.seek(*self._position)
        return self._loader(dataset, batches)

    def _require_room(self) -> None:
        from src.data.stream.room import require_room
        from src.data.stream.source import Streamed

        assert isinstance(self.source, Streamed)
        require_room(self.source, self.splits["train"], self.shuffle_window)

    def eval_dataloader(self, split: str) -> DataLoader[dict[str, Any]]:
        """Return a split in order, every sample once over all processes."""
        dataset = self._kept_or(split) or self.dataset(split)
        rank, world = self._process()
        return self._loader(dataset, EvalBatches(len(dataset), self.batch_size, rank=rank, num_replicas=world))

    def in_order(self, split: str) -> DataLoader[dict[str, Any]]:
        """Return a whole split in order as evaluation sees it, in each process."""
        dataset = self.dataset(split)
        return self._loader(dataset, EvalBatches(len(dataset), self.batch_size))

    def _kept_or(self, split: str) -> KeptDataset | None:
        return KeptDataset(self.kept[split]) if split in self.kept else None

    def val_dataloader(self) -> DataLoader[dict[str, Any]] | list[Any]:
        """Return the validation split; an empty list where all of train is trained on."""
        return self.eval_dataloader("val") if len(self.splits["val"]) else []

    def test_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return the split to measure."""
        return self.eval_dataloader(self.measured_split)

    def _loader(self, dataset: BatchDataset | KeptDataset, batches: Sampler[Batch]) -> DataLoader[dict[str, Any]]:
        workers = ahead = 0
        if isinstance(dataset, BatchDataset):
            workers, ahead = self._loading()
            size = self._opened().image_size
            dataset.places = blocks.pool(workers, ahead + _HELD, self.batch_size * size * size * self.source.channels)
        generator = torch.Generator()
        generator.manual_seed(seeds.stream(self.seed, "loader"))
        return DataLoader(
            dataset,
            sampler=batches,
            batch_size=None,  # the data set collates: one call per batch, not one per sample
            num_workers=workers,
            prefetch_factor=ahead if workers else None,
            persistent_workers=workers > 0,
            pin_memory=self._on_gpu(),
            worker_init_fn=prepare_worker,
            generator=generator,
        )

    def _loading(self) -> tuple[int, int]:
        """Return how many loader processes there are, and how many batches each of them is ahead."""
        if self._chosen_loading is None:
            on_gpu, reads = self._on_gpu(), "images are decoded" if self.medium.decodes else "images come from a store"
            workers = self.num_workers
            if workers == "auto":
                workers = default_workers(self.medium, on_gpu=on_gpu)
            ahead = 4 if on_gpu else 2
            auto = " (auto)" if self.num_workers == "auto" else ""
            log.info(
                "data.num_workers=%d%s: %s%s", workers, auto, reads, f", {ahead} batches ahead each" * bool(workers)
            )
            self._chosen_loading = workers, ahead
        return self._chosen_loading

    @property
    def batches_ahead(self) -> int:
        """Return how many batches each loader process makes before they are asked for."""
        return self._loading()[1]

    def _on_gpu(self) -> bool:
        if self.trainer is None:
            return torch.cuda.is_available()
        return bool(self.trainer.strategy.root_device.type == "cuda")

    def _process(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)

    def transfer_batch_to_device(
        self, batch: dict[str, Any], device: torch.device, dataloader_idx: int
    ) -> dict[str, Any]:
        """Copy a batch to the device beside the step that still computes there."""
        return self._transfer(batch, device)

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Turn `image` into normalised float32 on the device and, in training, mix the batch up."""
        if not batch.keys() & {"image", "parts"}:
            return batch
        batch = self.normalized(self.with_images(batch))
        return self.mixed(batch) if self.trainer is not None and self.trainer.training else batch

    def with_images(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return a batch with its uint8 images, cut out on the device where they lie there."""
        if "parts" not in batch:
            return batch
        assert isinstance(self.medium, OnDevice)
        rest = {key: value for key, value in batch.items() if key != "parts"}
        return {"image": self.medium.images(batch["parts"], self._opened().image_size)} | rest

    def normalized(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return a batch of uint8 images with normalised float32 ones."""
        spec = self._opened()
        return batch | {"image": normalize(batch["image"], spec.mean, spec.std)}

    def mixed(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return a training batch of float images after mixup or cutmix, where they are on; labels become soft."""
        if not (self.augment.mixup or self.augment.cutmix):
            return batch
        spec, labels = self._opened(), batch["label"]
        soft = labels if spec.multilabel else torch.nn.functional.one_hot(labels, spec.num_classes).float()
        seed = seeds.stream(self.seed, "mix", batch["epoch"], batch["number"], self._process()[0])
        random = torch.Generator().manual_seed(seed)
        images, labels = mix(batch["image"], soft, self.augment.mixup, self.augment.cutmix, random)
        return batch | {"image": images, "label": labels}

    # Where the run stands

    def state_dict(self) -> dict[str, int]:
        """Return the epoch and the batch that come next: Lightning stores them in every checkpoint."""
        if self.trainer is None:
            return {}
        loop = self.trainer.fit_loop
        epochs: Any = loop.epoch_progress.current
        batches: Any = loop.epoch_loop.batch_progress.current
        between_epochs = epochs.processed == epochs.ready
        return {"epoch": epochs.processed, "batch": 0 if between_epochs else batches.processed}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Make the next training loader begin where a checkpoint was written."""
        self._position = (state_dict["epoch"], state_dict["batch"])

    def _opened(self) -> DataSpec:
        if self.spec is None:
            raise RuntimeError("ImageData.open() comes first: it finds out what the data are")
        return self.spec


def default_workers(medium: Medium, *, on_gpu: bool) -> int:
    """Return the number of loader processes for this machine: none on a CPU, whose cores the network needs itself."""
    if not on_gpu or isinstance(medium, OnDevice):
        return 0
    return min(8 if medium.decodes else 4, cores())
