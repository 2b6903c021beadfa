"""What classes and splits are called in random datasets, and how many of them there are."""

from __future__ import annotations

import numpy as np

NAMES = ("cat", "dog", "train", "a b", "Zebra", "x1", "0", "10", "ä", "class,1", "nothing much", "B", "it's", "1.5")
NUMBERS = ("0", "1.0", "2", "10", "-1")
TRAIN = ("train", "Train", "training", "TRAIN", "seg_train", "training_set", "train_images")
VAL = ("val", "valid", "validation", "VAL", "seg_val", "dev")
TEST = ("test", "Test", "testing", "TEST", "seg_test", "test_set", "eval")
SPLITS = (TRAIN, VAL, TEST)


def draw_names(random: np.random.Generator, among: tuple[str, ...] = NAMES) -> list[str]:
    """Return the names of one to five classes."""
    number = int(random.choice([1, 2, 3, 4, 5], p=[0.02, 0.43, 0.25, 0.2, 0.1]))
    return [str(name) for name in random.choice(among, number, replace=False)]


def draw_count(random: np.random.Generator) -> int:
    """Return how many images a class has: mostly enough for every split."""
    return int(random.integers(1, 4) if random.random() < 0.05 else random.integers(5, 16))


def draw_splits(random: np.random.Generator) -> list[str]:
    """Return the names of the splits that there are: train and, each or not, val and test."""
    chosen = [str(random.choice(names)) for names in SPLITS]
    return chosen[:1] + [name for name in chosen[1:] if random.random() < 0.6]
