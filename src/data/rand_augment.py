"""RandAugment (Cubuk et al. 2020), of transforms of albumentations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from annotated_types import Ge, Interval


def rand_augment(*, operations: Annotated[int, Ge(1)], magnitude: Annotated[float, Interval(ge=0, le=30)]) -> Any:
    """Return RandAugment (Cubuk et al. 2020): `operations` of its list, in random order and with repetition.

    Each has exactly the strength of `magnitude`, in a random direction where it has two. At 30: rotation 30 degrees,
    shear 0.3, translation 150/331 of the side, 4 bits left, all solarized, and factors 0.1 or 1.9 of brightness,
    saturation, contrast and sharpness.
    """
    import albumentations as A

    strength = magnitude / 30

    def either(make: Callable[[float], Any]) -> Any:
        return A.OneOf([make(strength), make(-strength)], p=1)

    def shift(**percent: float) -> Any:
        return A.Affine(translate_percent={axis: (value, value) for axis, value in percent.items()}, p=1)

    def shear(**degrees: float) -> Any:
        return A.Affine(shear={axis: (value, value) for axis, value in degrees.items()}, p=1)

    def jitter(**change: float) -> Any:
        still = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0}
        factors = {key: (1 + value, 1 + value) for key, value in (still | change).items()}
        return A.ColorJitter(**factors, hue=(0, 0), p=1)

    def sharpness(change: float) -> Any:
        # Pillow's sharpness is image + change * (image - smooth), and that difference is the Laplacian / 13; its
        # smoothing kernel has a variance of 6/13 along each axis.
        if change >= 0:
            return A.Sharpen(alpha=(change / 13, change / 13), lightness=(1, 1), p=1)
        sigma = (-change * 6 / 13) ** 0.5
        return A.GaussianBlur(blur_limit=3, sigma_limit=(sigma, sigma), p=1)

    bits = 8 - round(4 * strength)
    choices = [
        A.NoOp(p=1),
        either(lambda s: shear(x=17.2 * s, y=0.0)),  # degrees: 0.3 radians
        either(lambda s: shear(x=0.0, y=17.2 * s)),
        either(lambda s: shift(x=150 / 331 * s, y=0.0)),
        either(lambda s: shift(x=0.0, y=150 / 331 * s)),
        either(lambda s: A.Rotate(limit=(30 * s, 30 * s), p=1)),
        either(lambda s: jitter(brightness=0.9 * s)),
        either(lambda s: jitter(saturation=0.9 * s)),
        either(lambda s: jitter(contrast=0.9 * s)),
        either(lambda s: sharpness(0.9 * s)),
        A.Posterize(num_bits=(bits, bits), p=1),
        A.Solarize(threshold_range=(1 - strength, 1 - strength), p=1),
        A.AutoContrast(method="pil", p=1),
        A.Equalize(p=1),
    ]
    return A.RandomOrder(choices, n=operations, replace=True, p=1)  # SomeOf would apply them in the list's order
