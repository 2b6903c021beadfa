"""Random valid datasets times random valid overrides: an answer or a message, never a traceback, and true figures.

`make prove` runs a thousand more of them.
"""

from __future__ import annotations

import pytest

from tests.fuzz.job import job

SEEDS = (0, 1, 2, 3, 4, 5, 7, 8, 10, 13, 14, 16)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_job_ends_with_an_answer_or_a_message_and_with_the_figures_of_scikit_learn(seed, tmp_path):
    assert job(seed, tmp_path).faults == []
