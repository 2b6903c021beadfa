"""The strongest units: all of them found, in bounded memory, and cut out where they look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from src.explanations.given import Given
from src.explanations.output import Output
from src.explanations.patches import framed, strongest, units_of
from src.explanations.strongest import Strongest, worth_a_look
from src.explanations.subject import Subject
from src.explanations.taps import outputs_of
from src.networks.receptive_field import ReceptiveField
from tests.explanations.small import MadeUp, convolutional, subject

NOWHERE = torch.zeros(100, 3, dtype=torch.int64)
UNKNOWN = torch.full((100,), -1)


def given(explained: Subject, images: MadeUp, batch_size: int = 4) -> Given:
    return Given(Output(Path(), "patches"), explained, images, None, batch_size, 0)


def test_the_strongest_are_those_of_a_sort_of_everything_whatever_the_batch_size() -> None:
    torch.manual_seed(0)
    values, places = torch.rand(50, 7).round(decimals=1), torch.randint(0, 99, (50, 7))  # many are equal
    for batch_size in (1, 8, 50):
        found = Strongest(7, 4)
        for start in range(0, 50, batch_size):
            part = slice(start, start + batch_size)
            found.update(values[part], places[part], torch.arange(50)[part], torch.arange(50)[part] % 3)
        expected = torch.sort(values, dim=0, descending=True, stable=True)
        assert torch.equal(found.images, expected.indices[:4].T)
        assert torch.equal(found.labels, found.images % 3)
        assert torch.equal(found.values, expected.values[:4].T)
        assert torch.equal(found.places, places.gather(0, expected.indices[:4]).T)


def test_memory_does_not_grow_with_the_images() -> None:
    found = Strongest(16, 9)
    for start in range(0, 4000, 100):
        places = torch.zeros(100, 16, dtype=torch.int64)
        found.update(torch.rand(100, 16), places, torch.arange(start, start + 100), UNKNOWN)
    held = [value for value in vars(found).values() if isinstance(value, torch.Tensor)]
    assert sum(value.numel() for value in held) == 4 * 16 * 9 + 2 * 16
    assert found.count == 4000


def test_channels_that_stand_out_come_first_and_dead_ones_never() -> None:
    values = torch.zeros(100, 3)
    values[:, 0] = torch.rand(100)
    values[:3, 1] = 50.0  # three of a hundred images
    found = Strongest(3, 3)
    found.update(values, NOWHERE, torch.arange(100), UNKNOWN)
    assert found.standing_out() == [1, 0]


def test_a_channel_with_the_same_images_as_another_gives_way() -> None:
    values = torch.rand(100, 3) * 0.1
    values[:3, 0], values[:3, 1], values[50:53, 2] = 50.0, 49.0, 5.0
    found = Strongest(3, 3)
    found.update(values, NOWHERE, torch.arange(100), UNKNOWN)
    first, second = worth_a_look({"a": found}, 2)["a"]
    assert (first in (0, 1), second) == (True, 2) or (first, second in (0, 1)) == (2, True)
    assert sorted(worth_a_look({"a": found}, 3)["a"]) == [0, 1, 2]
    pages = worth_a_look({"a": found, "b": found}, 1)
    assert not found.best_of(pages["a"][0]) & found.best_of(pages["b"][0]), "in whichever layer"


def test_a_channel_with_images_of_the_same_class_gives_way() -> None:
    """Channels 0 and 1 answer to different images of class 5, channel 2, less strongly, to two of class 6 in three."""
    values, labels = torch.rand(100, 3) * 0.1, torch.arange(100) % 5
    values[:3, 0], values[10:13, 1], values[50:53, 2] = 50.0, 49.0, 5.0
    labels[:3], labels[10:13], labels[50:52] = 5, 5, 6
    found = Strongest(3, 3)
    found.update(values, NOWHERE, torch.arange(100), labels)
    assert [found.class_of(channel) for channel in range(3)] == [5, 5, 6]
    assert worth_a_look({"a": found}, 2)["a"][1] == 2
    assert sorted(worth_a_look({"a": found}, 3)["a"]) == [0, 1, 2]


def test_units_of_a_layer_are_framed_at_one_scale_also_at_the_border() -> None:
    """A 3x3 filter with padding, over 8 pixels: its first unit sees 2 of 3 columns; one that sees all has no beyond."""
    field = ReceptiveField.of_image(8, 8)
    rows, whole = field.rows.filtered(8, 3, 1, 1, 1), field.rows.filtered(8, 9, 1, 4, 1)
    small = ReceptiveField(rows, rows)
    assert small.box(0, 3) == (2, 0, 5, 2)
    assert framed(small, 0, 3, 8) == (2, -1, 5, 2)
    assert framed(ReceptiveField(whole, whole), 0, 3, 8) == (0, 0, 8, 8)


def test_a_patch_is_what_its_unit_sees_in_the_images_own_pixels() -> None:
    explained, images = subject(convolutional(), 16), MadeUp(12, 16)
    found = strongest(given(explained, images), ["4"], 3)["4"]
    for channel in range(6):
        for unit in units_of(explained, images, "4", channel, found):
            assert unit.box == explained.trace.fields["4"].box(unit.row, unit.column)
            x0, y0, x1, y1 = unit.box
            assert np.array_equal(unit.patch, unit.item.whole[y0:y1, x0:x1])
            image = explained.normalized(unit.item.batch)
            noise = torch.rand_like(image)
            noise[:, :, y0:y1, x0:x1] = image[:, :, y0:y1, x0:x1]
            with torch.no_grad():
                seen, other = (
                    outputs_of(explained, one, ["4"])["4"][0, channel, unit.row, unit.column] for one in (image, noise)
                )
            torch.testing.assert_close(seen, other)
            assert abs(float(seen) - unit.value) < 1e-6


def test_fewer_images_than_wanted_give_fewer_patches() -> None:
    explained, images = subject(convolutional(), 16), MadeUp(2, 16)
    found = strongest(given(explained, images), ["4"], 9)["4"]
    assert len(units_of(explained, images, "4", 0, found)) == 2
