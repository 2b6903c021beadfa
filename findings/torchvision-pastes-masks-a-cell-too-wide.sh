#!/usr/bin/env bash
# torchvision 0.29.2 with torch 2.15.0: paste_masks_in_image, which Mask R-CNN answers with.
# Expected: a mask that is one in all its 28 x 28 cells, in the box from 10 to 20, becomes the 10 x 10 = 100 pixels of that box.
# Seen: it becomes 144. The mask is padded by a cell on each side and the box enlarged with it, and sampling between the outer cells
# and the padding stays above one half beyond the box; so small objects lose mask AP however good the network is.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 torchvision==0.29.2 2>/dev/null
"$folder/venv/bin/python" - <<'PY'
import torch
from torchvision.models.detection.roi_heads import paste_masks_in_image

pasted = paste_masks_in_image(torch.ones(1, 1, 28, 28), torch.tensor([[10.0, 10.0, 20.0, 20.0]]), (40, 40))
pixels = int((pasted > 0.5).sum())
print("pixels of a box of 100:", pixels)
assert pixels == 144
PY
