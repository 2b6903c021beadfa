#!/usr/bin/env bash
# albumentations 2.0.8 with opencv-python-headless 4.14: Resize of an image together with its mask.
# Expected: an edge of the mask stays where the edge of the image is.
# Seen: the default nearest mode of masks takes the upper left of the pixels that it could take: reducing to a quarter moves a
# mask's edges by 1.5 source pixels against the picture's; cv2.INTER_NEAREST_EXACT as `mask_interpolation`
# takes one of the two pixels beside the centre, half a pixel away, which is as near as a pixel can be.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check albumentations==2.0.8 opencv-python-headless==4.14.0.94 numpy==2.4.6 2>/dev/null
NO_ALBUMENTATIONS_UPDATE=1 "$folder/venv/bin/python" - <<'PY'
import albumentations as A
import cv2
import numpy as np

ramp = np.tile(np.arange(64, dtype=np.float32), (64, 1))  # each pixel says its column

def offset(**options):
    seen = A.Resize(16, 16, interpolation=cv2.INTER_LINEAR, **options)(image=ramp, mask=ramp)
    return float((seen["mask"] - seen["image"]).mean())

default, exact = offset(), offset(mask_interpolation=cv2.INTER_NEAREST_EXACT)
print(f"mask less image, source pixels: default {default:+.2f}, INTER_NEAREST_EXACT {exact:+.2f}")
assert abs(default + 1.5) < 0.01 and abs(exact - 0.5) < 0.01
PY
