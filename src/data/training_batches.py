"""How batches of training are made up: shuffled, from a window of places, from identities, or of curated triplets."""

from __future__ import annotations

import logging

import numpy as np

from src.data.places import places
from src.data.sampler import (
    Identities,
    IdentityBatches,
    TrainBatches,
    TrainingBatches,
    TripletBatches,
    Triplets,
    WindowBatches,
)
from src.data.sources.base import Indices, Source
from src.errors import UserError

log = logging.getLogger(__name__)

Kind = Identities | Triplets | None
"""What batches are made up of, where the model needs more than shuffled samples."""


def require_possible(kind: Kind, batch_size: int, window: int | None) -> None:
    """Raise UserError where batches cannot be made up as the model needs them."""
    if kind is None:
        return
    if window is not None:
        raise UserError(
            "data.shuffle_window is for batches of shuffled samples; this model makes them up from identities: "
            "type data.shuffle_window=null"
        )
    if isinstance(kind, Triplets):
        if batch_size % 3:
            raise UserError(
                f"data.batch_size={batch_size}: curated triplets are three images each; type "
                f"data.batch_size={max(3, batch_size // 3 * 3)}"
            )
        return
    images = kind.images_per_identity
    if batch_size % images or batch_size < 2 * images:
        raise UserError(
            f"data.batch_size={batch_size} with model.images_per_identity={images}: a batch is at least two "
            f"identities with {images} images each; type data.batch_size={max(2, batch_size // images) * images}"
        )


def training_batches(
    kind: Kind, source: Source, train: Indices, batch_size: int, window: int | None, seed: int, process: tuple[int, int]
) -> TrainingBatches:
    """Return the batches of one process; `process` is its rank, and how many there are."""
    rank, world = process
    if isinstance(kind, Triplets):
        return TripletBatches(triplets_within(source, train), batch_size, seed, rank=rank, num_replicas=world)
    if kind is None and window is None:
        return TrainBatches(len(train), batch_size, seed, rank=rank, num_replicas=world)
    if kind is None:
        assert window is not None
        where = places(len(source))[train]
        return WindowBatches(where, window, batch_size, seed, rank=rank, num_replicas=world)
    found = IdentityBatches(
        source.identities()[train], batch_size, kind.images_per_identity, seed, rank=rank, num_replicas=world
    )
    if found.alone:
        log.info("Identities with a single image, left out of training: %d", found.alone)
    if found.whole < world:
        raise UserError(f"{found.whole} training identities cannot be divided among {world} processes")
    return found


def triplets_within(source: Source, train: Indices) -> Indices:
    """Return the curated triplets (T, 3) within train, as positions. Raises UserError where there are none."""
    triplets = source.triplets()
    if triplets is None:
        raise UserError(
            "model.mining=curated needs data.source.triplets, a csv of anchor,positive,negative; without one type "
            "model.mining=hard"
        )
    within = triplets[np.isin(triplets, train).all(axis=1)]
    if len(within) < len(triplets):
        left_out = len(triplets) - len(within)
        log.info("Triplets not all of training identities, left out: %d of %d", left_out, len(triplets))
    if not len(within):
        raise UserError("data.source.triplets: none of the triplets has its three images among those for training")
    return np.searchsorted(train, within)
