"""Measures the best weights of a run on a split: `python -m src.evaluate run=runs/latest split=test`."""

from __future__ import annotations

from pathlib import Path

if not __package__:  # python src/evaluate.py
    import as_module  # type: ignore[import-not-found]

    as_module.refuse(__file__)

from src.config.command import Composed, main
from src.config.signatures import class_literal
from src.errors import UserError


def evaluate(composed: Composed) -> None:
    """Measure the run with its saved configuration, to which all other overrides apply."""
    from src.runs import session

    asked = composed.config
    run, config = session.reopen(asked.run, composed.for_the_run)
    if asked.embeddings is not None and class_literal(config["model"]["_target_"], "head") != "embedding":
        raise UserError(f"embeddings={asked.embeddings}: only siamese and comparison runs have embeddings")
    from src.runs.evaluation import evaluate

    found = evaluate(config, run, split=asked.split, checkpoint=asked.checkpoint, output=asked.output)
    if not session.is_main_process():
        return
    if asked.predictions is not None:
        found.write_predictions(Path(asked.predictions))
    if asked.embeddings is not None:
        found.write_embeddings(Path(asked.embeddings))
    session.print_figures(found.figures)
    print(session.shown(found.path))


if __name__ == "__main__":
    main(evaluate, "evaluate")
