#!/usr/bin/env bash
# pycocotools 2.0.11: the same perfect detections against the same truth, whose annotations are numbered from 1 or from 0.
# Expected: AP 1.0 both times: an id is a name. Several annotation tools number from 0.
# Seen: a match is stored as the id of the matched annotation, and 0 reads as "no match": the figure falls.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pycocotools==2.0.11 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" - <<'PY'
import contextlib
import io

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

def average_precision(first_id):
    boxes = [[10.0, 10.0, 40.0, 40.0], [60.0, 10.0, 30.0, 30.0], [10.0, 60.0, 35.0, 35.0], [60.0, 60.0, 38.0, 38.0]]
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": 1, "width": 100, "height": 100}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [
            {"id": first_id + n, "image_id": 1, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for n, box in enumerate(boxes)
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        answers = [{"image_id": 1, "category_id": 1, "bbox": box, "score": 0.9 - 0.1 * n} for n, box in enumerate(boxes)]
        evaluation = COCOeval(truth, truth.loadRes(answers), "bbox")
        evaluation.evaluate(); evaluation.accumulate(); evaluation.summarize()
    return float(evaluation.stats[0])

from_one, from_zero = average_precision(1), average_precision(0)
print(f"perfect detections: AP {from_one:.3f} with ids from 1, {from_zero:.3f} with ids from 0")
assert from_one > 0.999 and from_zero < 0.9
PY
