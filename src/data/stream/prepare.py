"""From the data that a configuration names to a stream of them: what `python -m src.prepare` does with store=stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from src.data.bad_samples import require_good_rows
from src.data.media.choice import shown_bytes
from src.data.module import ImageData
from src.data.sources.base import Indices
from src.data.splits import make_splits, published_splits
from src.data.stream.location import location
from src.data.stream.writing import write_stream
from src.errors import UserError

_MIB = 1 << 20


def prepare_stream(data: ImageData, *, chunk: float, overwrite: bool) -> Iterator[str]:
    """Write all samples of a datamodule that was not opened to its `data.stream`, in chunks of about `chunk` MiB.

    All of the source is written, whatever `limit`, `fold` and the like leave of it, so that they can still be chosen.
    Yields lines that say what there is now; the last is where. Raises UserError as `write_stream` does, and where
    annotations are wrong and `on_bad_sample=stop`.
    """
    assert data.stream is not None  # the check of the configuration says so
    source, place = data.source, location(data.stream)
    source.prepare()
    source.setup()
    require_good_rows(source, data.on_bad_sample)
    yield from source.remarks
    written = write_stream(
        source,
        data.described,
        _divided(data),
        place,
        root=data.root,
        cache_dir=data.cache_dir,
        chunk_bytes=int(chunk * _MIB),
        overwrite=overwrite,
        skip_bad=data.on_bad_sample == "skip",
    )
    yield f"{len(source)} samples, {shown_bytes(written)} written" if written else "this very stream is there already"
    yield place.url


def _divided(data: ImageData) -> Mapping[str, Indices]:
    """Return the splits that samples are laid out by: those of classification, or as published where it has none."""
    try:
        return make_splits(
            data.source,
            val_fraction=data.val_fraction,
            test_fraction=data.test_fraction,
            folds=data.folds,
            fold=data.fold,
            limit=None,
        )
    except UserError:
        return dict(zip(("train", "val", "test"), published_splits(data.source), strict=True))
