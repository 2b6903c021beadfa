"""What each transform of albumentations 2.0.8 does to boxes, points and masks: exact, made exact by us, or refused.

Plain text and numbers, so that the check of a configuration reads it before anything heavy is imported. The errors
behind it were measured with ramps as images, which tell where each pixel came from; tests/data/test_transform_rules.py
measures them again: what is allowed here is right to 0.05 px for points and boxes, and to the pixel for masks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

OBJECTS = ("box", "boxes", "masks", "keypoints")
"""Targets that are places of single objects. `mask` is none of them: it says of each pixel what it shows."""
PLACED = (*OBJECTS, "mask")

IGNORED = 255
"""The value of `mask` where a pixel shows nothing of the image."""

_NEAREST, _NEAREST_EXACT = 0, 6  # of OpenCV's interpolations, those that invent no class
_MIRRORED_BORDERS = {2: "reflect", 3: "wrap", 4: "reflect_101"}
_BLEND = "would blend the numbers of classes; leave it out"
_AFFINE = "albumentations.Affine and albumentations.Perspective move them exactly"


@dataclass(frozen=True)
class Rule:
    """What one transform does."""

    moves: bool = False
    """Whether pixels go to other places. Boxes and points go with them, as points that albumentations moves."""
    resizes: bool = False
    """Whether it changes scale by resizing: albumentations then moves points as if 0 were a pixel's edge, and takes a
    mask's upper left pixel of several; both are put right in `src.data.placed`."""
    mirrors: bool = False
    """Whether left may become right."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Why it cannot be used with a target, and what to type instead."""
    channels: tuple[int, int] | None = None
    """The fewest and most channels that it takes; None: any."""
    not_two: bool = False
    """Whether it takes one and three channels, but not two."""
    never: str = ""
    """Why it cannot be used with any data."""


def _for(targets: Collection[str], reason: str) -> dict[str, str]:
    return dict.fromkeys(targets, reason)


_IN_PLACE = Rule()
_GRAY_OR_RGB = Rule(channels=(1, 3), not_two=True)
_RGB = Rule(channels=(3, 3))
_EXACT = Rule(moves=True)
_MIRROR = Rule(moves=True, mirrors=True)
_RESIZED = Rule(moves=True, resizes=True)
_SIZE = f"moves them by up to 0.6 px, and changes the size of the image; {_AFFINE}"
_ROUNDED = Rule(moves=True, resizes=True, refused=_for(PLACED, _SIZE))
_WARP = f"loses points and moves others by whole pixels; {_AFFINE}"
_WARPED = Rule(moves=True, refused=_for(("box", "boxes", "keypoints"), _WARP))
_OTHER_IMAGES = Rule(never="needs other images beside the one that is augmented; augment.mixup and augment.cutmix mix")
_LOOKS = "looks at boxes or masks to choose its place, which it is not given"
_BY_TARGET = Rule(never=f"{_LOOKS}: augment.crop_scale with augment.lost_object=refuse keeps an object in view")
_OTHER_KIND = Rule(never="makes something else than uint8 of the same shape: the scale is set by data.normalize")
_VOLUME = Rule(never="is for volumes, and these are images")

_BY_RULE: tuple[tuple[Rule, str], ...] = (
    (
        _IN_PLACE,
        "AdditiveNoise AdvancedBlur AutoContrast Blur Defocus Downscale Emboss FancyPCA GaussNoise GaussianBlur "
        "GlassBlur Illumination ImageCompression InvertImg MotionBlur MultiplicativeNoise NoOp PixelDropout "
        "PlasmaBrightnessContrast PlasmaShadow Posterize RandomBrightnessContrast RandomGamma RandomShadow "
        "RandomToneCurve RingingOvershoot SaltAndPepper Sharpen ShotNoise Solarize Superpixels UnsharpMask ZoomBlur "
        "CoarseDropout GridDropout Erasing XYMasking TimeMasking FrequencyMasking ChannelShuffle",
    ),
    (_GRAY_OR_RGB, "CLAHE ColorJitter Equalize HueSaturationValue ToGray ToSepia"),
    (
        _RGB,
        "ChromaticAberration HEStain ISONoise PlanckianJitter RandomFog RandomGravel RandomRain RandomSnow "
        "RandomSunFlare Spatter ToRGB",
    ),
    (Rule(channels=(2, 99)), "ChannelDropout"),
    (Rule(channels=(1, 3)), "RGBShift"),
    (Rule(not_two=True), "MedianBlur"),
    (_MIRROR, "HorizontalFlip VerticalFlip Transpose D4 SquareSymmetry TimeReverse"),
    (
        _EXACT,
        "RandomRotate90 Rotate SafeRotate Affine ShiftScaleRotate Perspective Crop CenterCrop RandomCrop "
        "RandomCropFromBorders Pad PadIfNeeded",
    ),
    (_RESIZED, "Resize RandomResizedCrop RandomSizedCrop CropAndPad"),
    (_ROUNDED, "RandomScale LongestMaxSize SmallestMaxSize"),
    (_WARPED, "ElasticTransform GridDistortion OpticalDistortion ThinPlateSpline PiecewiseAffine"),
    (Rule(moves=True, refused=_WARPED.refused, channels=(1, 3), not_two=True), "GridElasticDeform"),
    (
        Rule(moves=True, refused=_for(OBJECTS, "takes objects apart; it can be used with `mask` alone")),
        "RandomGridShuffle",
    ),
    (
        Rule(refused=_for(PLACED, "makes what the image shows larger or smaller, and the targets do not follow")),
        "Morphological",
    ),
    (Rule(refused=_for(PLACED, "is a function that nothing is known of")), "Lambda"),
    (_OTHER_IMAGES, "FDA HistogramMatching Mosaic OverlayElements PixelDistributionAdaptation TextImage"),
    (
        _BY_TARGET,
        "AtLeastOneBBoxRandomCrop BBoxSafeRandomCrop RandomSizedBBoxSafeCrop RandomCropNearBBox "
        "CropNonEmptyMaskIfExists",
    ),
    (Rule(never=f"{_LOOKS}: albumentations.CoarseDropout does not need them"), "ConstrainedCoarseDropout MaskDropout"),
    (_OTHER_KIND, "Normalize ToFloat FromFloat ToTensorV2"),
    (_VOLUME, "CenterCrop3D CoarseDropout3D CubicSymmetry Pad3D PadIfNeeded3D RandomCrop3D ToTensor3D"),
)

RULES: Mapping[str, Rule] = {name: rule for rule, names in _BY_RULE for name in names.split()}
"""The rule of each transform by the name of its class."""

PARTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("OneOf", "SomeOf", "RandomOrder", "Sequential", "SelectiveChannelTransform"), ("transforms",)),
    "OneOrOther": ("transforms", "first", "second"),
}
"""Transforms that are made of others, and the arguments that hold these."""
NESTED = ("Compose", "ReplayCompose")
"""Compositions that look after targets themselves, and so cannot stand inside another."""

UNKNOWN = Rule(
    moves=True, refused=_for(PLACED, "is none of albumentations 2.0.8: nothing is known of where it puts them")
)


JUDGED = (
    *("p", "border_mode", "mask_interpolation", "area_for_downscale", "fill", "fill_mask", "mask_drop_value"),
    "rotate_method",
)
"""The arguments that `refusal` looks at."""

_OWN: Mapping[str, Rule] = {"src.data.augmentation.rand_augment": Rule(moves=True, channels=(1, 3), not_two=True)}


def composition_of(target: str) -> Rule | None:
    """Return the rule of a composition of our own, None where there is none of that name."""
    return _OWN.get(target)


def refusal(
    rule: Rule, arguments: Mapping[str, Any], targets: Collection[str], channels: int | None, *, pairs: bool | None
) -> str | None:
    """Return why a transform cannot be used with data of these targets and channels, and what to do; None: it can.

    `arguments` are those that were given, not the defaults; `channels` is None where the number is not known yet.
    `pairs` tells whether it is known which points trade places in a mirror image, None that this is not known yet.
    """
    if arguments.get("p") == 0:
        return None
    return next(
        (
            reason
            for reason in (
                rule.never,
                _channels(rule, arguments, channels),
                next((f"{rule.refused[key]} (target: {key})" for key in targets if key in rule.refused), ""),
                *_conflicts(rule, arguments, set(targets)),
                MIRROR if rule.mirrors and "keypoints" in targets and pairs is False else "",
            )
            if reason
        ),
        None,
    )


def refusal_of_whole(name: str, parts: Collection[Rule], targets: Collection[str]) -> str | None:
    """Return why a composition of such transforms cannot be used with data of these targets; None: it can."""
    placed = [key for key in targets if key in PLACED]
    if placed and name in NESTED:
        return f"would look after {placed[0]} itself, and does not; albumentations.Sequential has the same transforms"
    if name == "SelectiveChannelTransform" and any(part.moves for part in parts):
        return "would move some channels of an image away from the others; it can have transforms of colour only"
    return None


MIRROR = (
    "mirrors keypoints, and the data do not say which of them trade places, such as the left and the right eye: "
    "leave it out, or name them in the source's flip_pairs"
)


def _channels(rule: Rule, arguments: Mapping[str, Any], channels: int | None) -> str:
    if channels is None:
        return ""
    few, many = rule.channels or (1, 99)
    if few <= channels <= many and not (rule.not_two and channels == 2):
        if channels in (1, 3) or not str(arguments.get("fill", "")).startswith("inpaint"):
            return ""
        return f"paints in images of 1 or 3 channels only, not of {channels}; give fill a number"
    takes = "at least 2" if many == 99 and few == 2 else "all but 2" if many == 99 else "3" if few == 3 else "1 or 3"
    return f"takes images of {takes} channels, not of {channels}"


def _conflicts(rule: Rule, arguments: Mapping[str, Any], targets: set[str]) -> Iterator[str]:
    """Yield which given arguments would make targets wrong."""
    border = arguments.get("border_mode")
    if border in _MIRRORED_BORDERS and (objects := sorted(targets & set(OBJECTS))):
        name = _MIRRORED_BORDERS[border]
        yield (
            f"with border_mode={border} ({name}) shows objects again beyond the border, without their {objects[0]}; "
            "type border_mode=0 (a colour) or 1 (the last pixel)"
        )
    if targets & {"mask", "masks"}:
        exact = (_NEAREST_EXACT,) if rule.resizes else (_NEAREST_EXACT, _NEAREST)
        if arguments.get("mask_interpolation", _NEAREST_EXACT) not in exact:
            yield f"with mask_interpolation={arguments['mask_interpolation']} {_BLEND}"
        if arguments.get("area_for_downscale") == "image_mask":
            yield f"with area_for_downscale=image_mask {_BLEND}"
        for key in ("fill_mask", "mask_drop_value"):
            if arguments.get(key) is not None and (arguments[key] != IGNORED or not rule.moves):
                yield (
                    f"with {key}={arguments[key]}: what shows nothing of the image is {IGNORED} (ignored) in `mask`, "
                    "no part of an object in `masks`, and what is covered keeps its class; leave it out"
                )
    if arguments.get("rotate_method") == "ellipse" and targets & {"box", "boxes"}:
        yield "with rotate_method=ellipse: a box is what encloses its turned corners or its mask; leave it out"
