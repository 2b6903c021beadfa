"""Fetches, reads, and packs or streams a data set before any training: `python -m src.prepare data=imagenette`."""

from __future__ import annotations

if not __package__:  # python src/prepare.py
    import as_module  # type: ignore[import-not-found]

    as_module.refuse(__file__)

from src.config.command import Composed, main


def prepare(composed: Composed) -> None:
    """Make the store that trainings with the same `data.*` find, and say what it holds."""
    from src.config import saved
    from src.cores import automatic_threads
    from src.runs import session

    config = saved.plain(composed.config)
    session.prepare_process(automatic_threads()[0])
    from src.data.preparation import prepare

    for line in prepare(config["data"], chunk=config["chunk"], overwrite=config["overwrite"]):
        print(line)


if __name__ == "__main__":
    main(prepare, "prepare")
