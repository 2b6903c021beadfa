"""Measures the best weights of a run on a split: `python -m src.evaluate run=runs/latest split=test`."""

from __future__ import annotations

from src.config.command import Composed, main


def evaluate(composed: Composed) -> None:
    """Measure the run with its saved configuration, to which all other overrides apply."""
    from src.runs import session

    asked = composed.config
    run, config = session.reopen(asked.run, composed.for_the_run)
    from src.runs.evaluation import evaluate

    figures, path = evaluate(
        config,
        run,
        split=asked.split,
        checkpoint=asked.checkpoint,
        output=asked.output,
        predictions=asked.predictions,
    )
    session.print_figures(figures)
    print(session.shown(path))


if __name__ == "__main__":
    main(evaluate, "evaluate")
