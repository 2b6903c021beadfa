#!/usr/bin/env bash
# albumentations 2.0.8, ElasticTransform with keypoints and remove_invisible=False.
# Expected: as many points come back as were given, in their order: a network of landmarks needs the k-th to be the k-th.
# Seen: with the default `keypoint_remapping_method="mask"` some vanish, without a word and without an index.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check albumentations==2.0.8 opencv-python-headless==4.14.0.94 numpy==2.4.6 2>/dev/null
NO_ALBUMENTATIONS_UPDATE=1 "$folder/venv/bin/python" - <<'PY'
import albumentations as A
import numpy as np

points = [(float(x), float(y)) for x in range(2, 96, 18) for y in range(2, 96, 18)]
image = np.zeros((96, 96, 3), np.uint8)
counts = {}
for method in ("mask", "direct"):
    elastic = A.ElasticTransform(alpha=120, sigma=6, keypoint_remapping_method=method, p=1)
    compose = A.Compose([elastic], keypoint_params=A.KeypointParams("xy", remove_invisible=False), seed=0)
    counts[method] = [len(compose(image=image, keypoints=points)["keypoints"]) for _ in range(20)]
print(f"{len(points)} points given; back: mask {min(counts['mask'])} to {max(counts['mask'])}, direct {min(counts['direct'])}")
assert min(counts["mask"]) < len(points) == min(counts["direct"])
PY
