"""What a run's page says of its data."""

from __future__ import annotations

import re

from src.report.data import data_section, identities_section
from tests.report.test_overview import heads, rows
from tests.training import train


def test_splits_and_classes_are_counted():
    section = data_section({"train": 5, "val": 2}, ["cat", "dog"], {"train": [3, 2], "val": [0, 2]})
    assert heads(section.html) == ["class", "train", "val"]
    assert rows(section.html) == [["all images", "5", "2"], ["cat", "3", "0"], ["dog", "2", "2"]]
    assert "each of its labels" not in section.html
    several = data_section({"train": 5}, ["cat"], {"train": [5]}, several=True)
    assert "An image counts for each of its labels." in several.html


def test_identities_are_counted():
    assert rows(identities_section({"train": 40, "test": 10}, {"train": 4, "test": 1}).html) == [
        ["images", "40", "10"],
        ["identities", "4", "1"],
    ]


def test_a_runs_page_has_the_sizes_of_its_splits_and_as_many_parameters_as_lenet(tmp_path):
    page = (train(tmp_path / "run", "trainer.max_epochs=1") / "report.html").read_text()
    found = {row[0]: [int(count) for count in row[1:]] for row in rows(page.partition("<h2>Data</h2>")[2])}
    assert found["all images"] == [160, 48, 50]
    counts = [found[name] for name in found if name != "all images"]
    assert [sum(column) for column in zip(*counts, strict=True)] == [160, 48, 50]
    (parameters,) = re.findall("<dt>parameters</dt><dd>(.*?)</dd>", page)
    # LeNet-5 of ten classes and one channel has 61,706; here are three channels and eight classes: 300 more, 170 less
    assert parameters.replace("\N{NARROW NO-BREAK SPACE}", "") == "61836"
