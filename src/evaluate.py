"""Measures the best weights of a run on a split: `python -m src.evaluate run=runs/latest split=test`."""
