"""A learning-rate range test: `python -m src.lr_find model=resnet data=imagenette`."""

from __future__ import annotations

import sys

if not __package__:  # python src/lr_find.py
    import as_module  # type: ignore[import-not-found]

    as_module.refuse(__file__)

from src.config.command import Composed, main


def lr_find(composed: Composed) -> None:
    """Train a few steps at ever larger rates, and print the override for the rate that is suggested."""
    from src.config import saved
    from src.config.figures import settle_modes
    from src.runs import session
    from src.runs.source import settle_source

    session.settle_threads(composed)
    settle_source(composed)
    settle_modes(composed)
    config = saved.plain(composed.config)
    session.prepare_process(config["threads"])
    from src.runs.range_test import range_test

    found, path = range_test(config)
    print(found.reason, file=sys.stderr)
    if found.suggestion is not None:
        print(f"optimizer.lr={found.suggestion:.2g}")
    print(session.shown(path))


if __name__ == "__main__":
    main(lr_find, "lr_find")
