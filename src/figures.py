"""Draws a figure of the chapter, with its numbers beside it: `python -m src.figures 6.1`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

if not __package__:  # python src/figures.py
    import as_module  # type: ignore[import-not-found]

    as_module.refuse(__file__)

from src.errors import UserError

USAGE = """python -m src.figures NUMBER [image=PHOTOGRAPH] [output=figure.png]
Draws a figure of the chapter that can be computed, and writes the numbers behind it beside the picture (.json)."""


def main(words: Sequence[str]) -> None:
    """Draw what was asked for. Raises UserError for a number that is not among the figures, and for other words."""
    options = dict(word.split("=", 1) for word in words if "=" in word)
    numbers = [word for word in words if "=" not in word]
    if {"--help", "-h"} & set(words) or not words:
        from src.chapter.figures import ELSEWHERE, FIGURES

        rows = [f"  {number:5} {(figure.__doc__ or '').partition(': ')[2]}" for number, figure in FIGURES.items()]
        rows += [f"  {number:5} {where}" for number, where in ELSEWHERE.items()]
        print("\n".join([USAGE, "", "Figures, and equation (6.14):", *rows]))
        return
    from src.chapter.writing import write_figure

    if len(numbers) != 1 or (unknown := options.keys() - {"image", "output"}):
        what = f"{', '.join(sorted(unknown))}: unknown" if len(numbers) == 1 else f"{' '.join(words)}: one NUMBER"
        raise UserError(f"{what}; {USAGE.splitlines()[0]}")
    picture = write_figure(numbers[0], image=options.get("image"), output=options.get("output"))
    print(f"{picture.with_suffix('.json')}\n{picture}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
