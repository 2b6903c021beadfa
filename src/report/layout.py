"""The frame of a page: its look, its navigation, and sections that fill it. One file, nothing fetched."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from src.report import numbers


@dataclass(frozen=True)
class Section:
    """A titled part of a page. `html` is trusted: make it with `render`, which escapes whatever it is given."""

    title: str
    html: Markup


def render(template: str, **values: object) -> Markup:
    """Fill `templates/<template>`, escaping every value that is not Markup already."""
    return Markup(_environment().get_template(template).render(values))


EXPLANATIONS = "explain.html"
"""The page that `explain` leaves in a run directory, beside the run's report."""


def explanations_link(address: str = EXPLANATIONS) -> Markup:
    """Return the entry of a page's navigation that leads to a page of explanations."""
    return Markup('<li><a href="{}">Looking inside</a></li>\n').format(address)


def lay_out(title: str, headline: Markup, sections: Sequence[Section], links: Sequence[Markup] = ()) -> str:
    """Return a whole page: a function of its arguments alone, and always encodable as UTF-8.

    `links` are entries of the navigation that follow those of the sections.

    Only the page's own script runs, which the page names by its digest. File names that are not valid Unicode arrive
    as lone surrogates, which become `?`.
    """
    script = render("script.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    html = render(
        "page.html",
        title=title,
        headline=headline,
        sections=sections,
        links=links,
        script=script,
        script_digest=f"sha256-{digest}",
    )
    return encodable(html)


def encodable(text: str) -> str:
    """Return text that UTF-8 can hold, with `?` for each half of a pair that stands alone."""
    return text.encode("utf-8", "replace").decode("utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (numbers.number, numbers.figure, numbers.share, numbers.percent, numbers.duration):
        environment.filters[function.__name__] = function
    return environment
