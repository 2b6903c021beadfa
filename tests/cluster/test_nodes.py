"""Two nodes, as two network namespaces of this machine with torchrun's rendezvous between them, and a shared disk."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.waiting import wait_for
from tests.prove.promise import ROOT, command, same, tensors
from tests.training import TINY, on_top

pytestmark = pytest.mark.nodes

PORT = 29517
TIMEOUT = 20
"""Seconds: as long as one process may be behind the other at the start, on a machine that has much to do."""
OPTIONS = on_top(TINY, ["data.batch_size=8", "data.source.train=480", "trainer.max_epochs=8", "trainer=ddp_cpu"])
OPTIONS.remove("trainer.accelerator=cpu")


class Nodes:
    """Namespaces `NAME0` and `NAME1` with a cable between them, whose ends have the addresses 10.77.0.1 and .2."""

    def __init__(self, name: str) -> None:
        self.name = name
        for node in "01":
            ip("netns", "add", name + node)
            self.on(node, "link", "set", "lo", "up")
        ip("link", "add", "cable0", "netns", f"{name}0", "type", "veth", "peer", "name", "cable1", "netns", f"{name}1")
        for node in "01":
            self.on(node, "addr", "add", f"10.77.0.{int(node) + 1}/24", "dev", f"cable{node}")
            self.on(node, "link", "set", f"cable{node}", "up")

    def on(self, node: str, *typed: str) -> None:
        ip("-n", self.name + node, *typed)

    def torchrun(self, node: int, *overrides: str) -> subprocess.Popen[str]:
        launch = (
            *("ip", "netns", "exec", f"{self.name}{node}", sys.executable, "-m", "torch.distributed.run", "--nnodes=2"),
            *("--nproc-per-node=1", "--rdzv-backend=c10d", "--rdzv-id=run", f"--rdzv-endpoint=10.77.0.1:{PORT}"),
            *(f"--rdzv-conf=is_host={1 - node}", f"--local-addr=10.77.0.{node + 1}", "-m", "src.train"),
        )
        return subprocess.Popen(
            [*launch, *OPTIONS, "trainer.devices=1", "trainer.num_nodes=2", *overrides],
            cwd=ROOT, env=os.environ | {"GLOO_SOCKET_IFNAME": f"cable{node}"}, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def remove(self) -> None:
        for node in "01":
            subprocess.run(["ip", "netns", "del", self.name + node], check=False)


def ip(*typed: str) -> None:
    subprocess.run(["ip", *typed], check=True, capture_output=True)


@pytest.fixture
def nodes():
    found = Nodes(f"convpipe{os.getpid()}-")
    yield found
    found.remove()


def trainings(run_dir: Path) -> list[int]:
    """Return the training processes of a run, without torchrun's own."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            typed = path.read_bytes()
        except OSError:
            continue
        if f"run_dir={run_dir}".encode() in typed and b"torch.distributed.run" not in typed:
            found.append(int(path.parent.name))
    return found


def test_a_node_cut_off_is_missed_within_the_timeout_and_the_run_goes_on_to_the_same_bits(tmp_path, nodes):
    """... which are those of two processes on one node."""
    run_dir = tmp_path / "run"
    typed = (f"run_dir={run_dir}", "resume=auto", f"trainer.strategy.timeout={TIMEOUT}")
    first, second = (nodes.torchrun(node, *typed) for node in (0, 1))
    wait_for(run_dir / "checkpoints" / "last.ckpt")
    nodes.on("1", "link", "set", "cable1", "down")
    cut = time.monotonic()
    _, errors = first.communicate(timeout=TIMEOUT + 60)
    assert first.returncode == 1, errors
    assert time.monotonic() - cut < TIMEOUT + 40
    assert "Process 0 on" in errors
    assert f"trainer.strategy.timeout={TIMEOUT}" in errors
    assert f"resume={run_dir}" in errors
    assert (run_dir / "metrics.csv").exists()
    assert not (run_dir / "metrics.json").exists()
    while time.monotonic() - cut < TIMEOUT + 40 and trainings(run_dir):
        time.sleep(0.1)
    assert trainings(run_dir) == []
    second.kill()  # torchrun itself waits for the rendezvous, which it cannot reach

    nodes.on("1", "link", "set", "cable1", "up")
    again = [nodes.torchrun(node, *typed) for node in (0, 1)]
    errors = [process.communicate()[1] for process in again]
    assert [process.returncode for process in again] == [0, 0], errors
    whole = subprocess.run(
        command("train", *OPTIONS, f"run_dir={tmp_path}/whole"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert whole.returncode == 0, whole.stderr
    assert same(tensors(run_dir), tensors(tmp_path / "whole"))
