"""Predicts images with the best weights of a run: `python -m src.predict run=runs/latest input=photos/`."""

from __future__ import annotations

from src.config.command import Composed, main


def predict(composed: Composed) -> None:
    """Predict a file, a folder or a glob, and print a few of the answers."""
    from src.runs import session

    asked = composed.config
    run, config = session.reopen(asked.run, composed.for_the_run)
    from src.runs.prediction import predict

    rows, path = predict(
        config,
        run,
        source=asked.input,
        output=asked.output,
        pictures=asked.pictures,
        anchor=asked.anchor,
        gallery=asked.gallery,
        checkpoint=asked.checkpoint,
        batch_size=asked.batch_size,
        num_workers=asked.num_workers,
        device=asked.device,
    )
    for row in rows[:10]:
        print("  ".join(f"{value}" for key, value in row.items() if not key.startswith("p(")))
    if len(rows) > 10:
        print(f"... {len(rows)} images")
    print(session.shown(path))


if __name__ == "__main__":
    main(predict, "predict")
