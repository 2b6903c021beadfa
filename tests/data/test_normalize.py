"""uint8 to float by the definition, and statistics equal to numpy's."""

import numpy as np
import pytest
import torch

from src.data.normalize import channel_statistics, fixed_statistics, normalize
from src.errors import UserError


def test_normalize_by_hand():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3)
    expected = [(0 - 0.2) / 0.5, (0.2 - 0.2) / 0.5, (1 - 0.2) / 0.5]
    assert normalize(images, [0.2], [0.5]).flatten().tolist() == pytest.approx(expected, abs=1e-6)


def test_normalize_equals_torchvision():
    from torchvision.transforms.v2 import functional as F

    images = torch.randint(0, 256, (4, 3, 9, 7), dtype=torch.uint8)
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    expected = F.normalize(F.to_dtype(images, torch.float32, scale=True), mean, std)
    torch.testing.assert_close(normalize(images, mean, std), expected)


def test_normalize_keeps_channels_last_memory():
    images = torch.zeros(2, 8, 8, 3, dtype=torch.uint8).permute(0, 3, 1, 2)
    assert normalize(images, [0.5] * 3, [1.0] * 3).is_contiguous(memory_format=torch.channels_last)


def test_channel_statistics_equal_numpy():
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (11, 13, 3), dtype=np.uint8) for _ in range(5)]
    mean, std = channel_statistics(images)
    pixels = np.concatenate([image.reshape(-1, 3) for image in images]) / 255
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(std, pixels.std(0), rtol=1e-12)
    assert channel_statistics(images[::-1]) == (mean, std)


def test_imagenet_statistics_do_not_fit_gray_images():
    with pytest.raises(UserError, match=r"data\.normalize=dataset"):
        fixed_statistics("imagenet", 1)


def test_none_leaves_images_between_0_and_1():
    assert fixed_statistics("none", 2) == ((0.0, 0.0), (1.0, 1.0))
