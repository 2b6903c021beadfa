"""What `slurm.sh` does as root, it does in a folder of root's own."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.prove.promise import ROOT


@pytest.mark.parametrize("kind", ["link", "file", "other"])
@pytest.mark.parametrize("action", ["stop", "start"])
def test_a_folder_that_somebody_else_has_made_is_refused_and_left_alone(tmp_path, kind, action):
    there, folder = tmp_path / "there", tmp_path / "convpipe-slurm"
    there.mkdir()
    if kind == "link":
        folder.symlink_to(there)
    elif kind == "file":
        folder.touch()
    elif os.geteuid() == 0:
        folder.mkdir()
        os.chown(folder, 65534, 65534)
    else:
        pytest.skip("only root can make a folder of somebody else's")
    script = ROOT / "tests" / "cluster" / "slurm.sh"
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(["bash", script, action], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert f"{folder} is not a folder of this user's own" in done.stderr
    assert folder.is_symlink() == (kind == "link")
    assert folder.exists()
    assert not list(there.iterdir())
