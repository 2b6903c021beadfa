#!/usr/bin/env bash
# torchmetrics 1.9.0 with torch 2.15.0: MultilabelAveragePrecision with fixed thresholds, as its documentation advises to bound memory.
# Expected: memory as for 4 x labels x thresholds counts, whatever torch.use_deterministic_algorithms says.
# Seen: under deterministic algorithms counting compares every score with every bin at once, in a table of
# (samples x labels x thresholds) by (4 x labels x thresholds): one update with 32 samples and 5 labels takes gigabytes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 torchmetrics==1.9.0 2>/dev/null
"$folder/venv/bin/python" - <<'PY'
import resource

import torch
from torchmetrics.classification import MultilabelAveragePrecision

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # GiB

def gained(deterministic):
    before = peak()
    torch.use_deterministic_algorithms(deterministic)
    metric = MultilabelAveragePrecision(5, thresholds=200)
    metric.update(torch.rand(32, 5), torch.randint(2, (32, 5)))
    return peak() - before

gained(False)  # what is loaded at the first call
free, deterministic = gained(False), gained(True)
print(f"GiB for one update of 32 x 5 scores: {free:.2f}, with deterministic algorithms {deterministic:.2f}")
assert free < 0.1 and deterministic > 0.5
PY
