#!/usr/bin/env bash
# albumentations 2.0.8, CoarseDropout: holes are painted over an image; boxes are truth about it.
# Expected: the boxes come back as they were given, or are dropped where little of the object is left to see.
# Seen: every box is cut to whole pixels, those included that no hole touches: given 20.4, back comes 20 or 21.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check albumentations==2.0.8 opencv-python-headless==4.14.0.94 numpy==2.4.6 2>/dev/null
NO_ALBUMENTATIONS_UPDATE=1 "$folder/venv/bin/python" - <<'PY'
import albumentations as A
import numpy as np

given = [20.4, 20.6, 60.7, 60.9]
drop = A.CoarseDropout(num_holes_range=(1, 1), hole_height_range=(8, 8), hole_width_range=(8, 8), p=1)
compose = A.Compose([drop], bbox_params=A.BboxParams("pascal_voc", label_fields=["labels"]), seed=0)
moved = 0
for _ in range(200):
    box = compose(image=np.full((96, 96, 3), 9, np.uint8), bboxes=[given], labels=[1])["bboxes"][0]
    moved += bool(np.abs(np.subtract(box, given)).max() > 0.3)
print(f"of 200 boxes, moved by more than 0.3 px: {moved}; the last came back as {np.round(box, 2).tolist()}")
assert moved == 200
PY
