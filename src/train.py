"""Trains a model, tests its best weights, writes a run directory: `python -m src.train model=resnet data=imagenette`.

Only hydra is imported at the top: mistakes, help and completion are answered before torch is touched.
"""

from __future__ import annotations

from pathlib import Path

if not __package__:  # python src/train.py
    import as_module  # type: ignore[import-not-found]

    as_module.refuse(__file__)

from src.config.command import Composed, main


def train(composed: Composed) -> None:
    """Start a new run, continue the one that `resume=` names or finds, or run again the one that `replay=` names."""
    from src.runs import session

    if composed.config.replay is not None:
        from src.runs.replay import replay

        replay(composed)
    elif composed.config.resume == "auto":
        session.start_or_continue(composed)
    elif composed.config.resume is not None:
        session.continue_run(composed.config.resume, composed.for_the_run, Path(composed.config.runs_dir))
    else:
        session.start(composed)


if __name__ == "__main__":
    main(train, "train")
