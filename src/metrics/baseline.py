"""What figures are called that are not the model's own."""

BASELINE = "baseline/"
"""Begins, behind the split, the name of what a model must surpass to have learned anything: `test/baseline/...`."""
