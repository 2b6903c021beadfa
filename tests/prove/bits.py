"""Two runs, and 0 and 2 workers, give the same bits."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.prove.promise import Promise, run, same, tensors

SMALL = (
    *("model=resnet", "network.stem=imagenet", "data.source.size=32", "data.source.train=640", "data.source.val=128"),
    *("data.source.test=128", "trainer.max_epochs=2", "data.batch_size=32", "augment=strong", "logger=csv"),
    *("callbacks=[default,ema]", "trainer.accelerator=cpu"),
)


def promises() -> Iterator[Promise]:
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder, "first")
        run("train", *SMALL, "data.num_workers=0", f"run_dir={first}")
        for name, override in (
            ("again", "data.num_workers=0"),
            ("1 worker", "data.num_workers=1"),
            ("2 workers", "data.num_workers=2"),
        ):
            other = Path(folder, name.replace(" ", ""))
            run("train", *SMALL, override, f"run_dir={other}")
            equal = same(tensors(first), tensors(other))
            yield Promise(f"same bits: {name}", "identical" if equal else "different", "identical", equal)
