"""What a person is told where annotations are wrong or images cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from src.data.inspection import BadSample
from src.data.sources.base import BadRow, Source
from src.errors import UserError


def unreadable_message(bad: Sequence[BadSample]) -> str:
    """Return the message that lists unreadable samples and says how to go on without them."""
    count = "1 sample cannot" if len(bad) == 1 else f"{len(bad)} samples cannot"
    return _bad_message(f"{count} be read", [f"{sample.path} {sample.reason}" for sample in bad])


def require_good_rows(source: Source, on_bad_sample: Literal["stop", "skip"]) -> None:
    """Raise UserError where annotations are wrong and that shall stop the run, with what else the source remarks."""
    if source.bad_rows and on_bad_sample == "stop":
        raise UserError("\n".join([bad_rows_message(source.bad_rows), *source.remarks]))


def bad_rows_message(bad: Sequence[BadRow]) -> str:
    """Return the message that lists wrong annotations and says how to go on without them."""
    count = "1 annotation is" if len(bad) == 1 else f"{len(bad)} annotations are"
    return _bad_message(f"{count} wrong", [f"{row.place}: {row.reason}" for row in bad])


def _bad_message(headline: str, each: Sequence[str], shown: int = 20) -> str:
    more = [f"  and {len(each) - shown} more"] if len(each) > shown else []
    lines = [f"  {line}" for line in each[:shown]]
    advice = "Mend or remove them, or type data.on_bad_sample=skip to leave them out."
    return "\n".join([f"{headline}:", *lines, *more, advice])
