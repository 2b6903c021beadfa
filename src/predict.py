"""Predicts images with the best weights of a run: `python -m src.predict run=runs/latest input=photos/`."""

from __future__ import annotations

if not __package__:  # python src/predict.py
    import as_module  # type: ignore[import-not-found]

    as_module.refuse(__file__)

from src.config.command import Composed, main
from src.errors import UserError


def predict(composed: Composed) -> None:
    """Predict a file, a folder or a glob, and print a few of the answers.

    Raises UserError for what would be ignored.
    """
    asked = composed.config
    _require_used(composed)
    from src.runs import session

    run, config = session.reopen(asked.run, composed.for_the_run)
    asked_of_both = {
        key: asked[key] for key in ("output", "pictures", "anchor", "gallery", "checkpoint", "device")
    }  # fmt: skip
    if asked.map:
        from src.runs.class_maps import map_classes

        rows, path = map_classes(config, run, source=asked.input, size=asked.size, **asked_of_both)
    else:
        from src.runs.prediction import predict

        rows, path = predict(
            config,
            run,
            source=asked.input,
            batch_size=asked.batch_size,
            num_workers=asked.num_workers,
            **asked_of_both,
        )
    columns = [key for key in (rows[0] if rows else ()) if not key.startswith("p(")]
    print("  ".join(columns))
    for row in rows[:10]:
        print("  ".join(f"{row.get(key, '')}" for key in columns))
    if len(rows) > 10:
        print(f"... {len(rows)} images")
    print(session.shown(path))


def _require_used(composed: Composed) -> None:
    """Raise UserError for the size of a map where none is asked for, and for batches of images for one."""
    asked = composed.config
    if not asked.map and asked.size != "auto":
        raise UserError(f"size={asked.size}: only a map has a size of its own; type map=true, or leave it out")
    for override in composed.typed:
        if asked.map and override.key in ("batch_size", "num_workers"):
            raise UserError(
                f"{override.canonical}: map=true takes one image at a time, as each has its own size; leave it out"
            )


if __name__ == "__main__":
    main(predict, "predict")
