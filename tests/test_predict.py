"""`python -m src.predict`: what would be ignored is refused before the run is opened."""

from __future__ import annotations

import pytest

from src.config.assess import assess
from src.config.groups import Groups
from src.errors import UserError
from src.predict import predict


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("map=true", "batch_size=8"), "batch_size=8: map=true takes one image at a time"),
        (("map=true", "num_workers=4"), "num_workers=4: map=true takes one image at a time"),
        (("size=512",), "size=512: only a map has a size of its own"),
    ],
)
def test_what_would_be_ignored_is_refused(typed, words):
    composed = assess("predict", ["run=nowhere", "input=nowhere", *typed], Groups()).composed
    with pytest.raises(UserError, match=words):
        predict(composed)
