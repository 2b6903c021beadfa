"""Measures the best weights of a run on a split: `python -m src.evaluate run=runs/latest split=test`."""

from __future__ import annotations

from pathlib import Path

if not __package__:  # python src/evaluate.py
    import as_module  # type: ignore[import-not-found]

    as_module.refuse(__file__)

from src.config.command import Composed, main


def evaluate(composed: Composed) -> None:
    """Measure the run with its saved configuration, to which all other overrides apply."""
    from src.runs import session

    asked = composed.config
    run, config = session.reopen(asked.run, composed.for_the_run)
    from src.runs.evaluation import evaluate

    found = evaluate(config, run, split=asked.split, checkpoint=asked.checkpoint, output=asked.output)
    if not session.is_main_process():
        return
    if asked.predictions is not None:
        found.write_predictions(Path(asked.predictions))
    session.print_figures(found.figures)
    print(session.shown(found.path))


if __name__ == "__main__":
    main(evaluate, "evaluate")
