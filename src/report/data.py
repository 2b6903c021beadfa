"""What a run was trained and measured on: how many images each split has, and how many of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from src.report.layout import Section
from src.report.numbers import number
from src.report.tables import Cell, Table


def data_section(
    sizes: Mapping[str, int], classes: Sequence[str], counts: Mapping[str, Sequence[int]], *, several: bool = False
) -> Section:
    """Return the images of each split, and of each class (K,) in each split; without classes their sizes alone.

    Where an image may have `several` labels, it counts for each of them.
    """
    rows = [_row("all images", list(sizes.values()))]
    rows += [_row(name, [counts[split][place] for split in sizes]) for place, name in enumerate(classes)]
    words = Markup("<p>An image counts for each of its labels.</p>") if several else Markup("")
    return Section("Data", words + Table("Images of each split", ["class", *sizes], rows).as_html())


def identities_section(sizes: Mapping[str, int], identities: Mapping[str, int]) -> Section:
    """Return how many images and how many identities each split has."""
    rows = [_row("images", list(sizes.values())), _row("identities", [identities[split] for split in sizes])]
    return Section("Data", Table("Images and identities of each split", ["", *sizes], rows).as_html())


def _row(name: str, counts: Sequence[int]) -> list[Cell]:
    return [Cell(name), *(Cell(number(count), count) for count in counts)]
