#!/usr/bin/env bash
# albumentations 2.0.8, Affine with a border that mirrors (cv2.BORDER_REFLECT_101).
# Expected: one box and one point in, one box and one point out (or none, where they leave the image).
# Seen: the mirror images of the border are taken for objects of their own: four boxes and four points for one of each.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check albumentations==2.0.8 opencv-python-headless==4.14.0.94 numpy==2.4.6 2>/dev/null
NO_ALBUMENTATIONS_UPDATE=1 "$folder/venv/bin/python" - <<'PY'
import albumentations as A
import cv2
import numpy as np

image = np.zeros((96, 96, 3), np.uint8)
move = A.Affine(translate_px={"x": (30, 30), "y": (30, 30)}, rotate=(0, 0), border_mode=cv2.BORDER_REFLECT_101, p=1)
boxes = A.Compose([move], bbox_params=A.BboxParams("pascal_voc", label_fields=["labels"]))
points = A.Compose([move], keypoint_params=A.KeypointParams("xy", remove_invisible=False))
found = boxes(image=image, bboxes=[[5.0, 5.0, 25.0, 25.0]], labels=[7])
marks = points(image=image, keypoints=[(10.0, 10.0)])["keypoints"]
print("boxes for one:", len(found["bboxes"]), "points for one:", len(marks))
assert (len(found["bboxes"]), len(marks)) == (4, 4)
PY
