"""Where tests of clusters can run: beside a SLURM that answers, and where one may lay networks."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def pytest_runtest_setup(item):
    if item.get_closest_marker("slurm") and not answers("sinfo", "--noheader"):
        pytest.skip('sinfo does not answer: eval "$(tests/cluster/slurm.sh start)" starts a SLURM')
    if item.get_closest_marker("nodes") and not (os.geteuid() == 0 and answers("ip", "netns", "list")):
        pytest.skip("network namespaces take root and the command `ip`")


def answers(*typed: str) -> bool:
    """Return whether a command is there and succeeds."""
    return (
        shutil.which(typed[0]) is not None and subprocess.run(typed, capture_output=True, check=False).returncode == 0
    )
