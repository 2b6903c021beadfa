"""Shows what a network looks at: `python -m src.explain run=runs/latest method=gradcam input=photos/`."""

from __future__ import annotations

if not __package__:  # python src/explain.py
    import as_module  # type: ignore[import-not-found]

    as_module.refuse(__file__)

from src.config.command import Composed, main


def explain(composed: Composed) -> None:
    """Apply a method to a run, or to a network with learned weights, and print where the pictures lie."""
    from src.explanations.command import explain
    from src.runs import session

    text, folder = explain(composed)
    if text:
        print(text)
    if folder is not None:
        print(session.shown(folder))


if __name__ == "__main__":
    main(explain, "explain")
