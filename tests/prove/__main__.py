"""Run the promises and print their table; exit code 1 where one is not kept."""

from __future__ import annotations

import importlib
import sys
import time

from tests.prove.promise import Promise, table

PROMISES = (
    *("configuration", "readme", "random_jobs", "shapes", "lenet_shapes", "localizer_shapes", "defaults", "bits"),
    *("kills", "moved", "memory", "orl", "caltech", "imagenette", "transfer", "report", "pipeline"),
    *("explanations", "sweeps"),
)


def main() -> None:
    names = sys.argv[1:] or PROMISES
    kept: list[Promise] = []
    for name in names:
        start = time.monotonic()
        for promise in importlib.import_module(f"tests.prove.{name}").promises():
            kept.append(promise)
            print(promise.line(), flush=True)
        print(f"  {name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    print()
    print(table(kept))
    sys.exit(0 if all(promise.kept is not False for promise in kept) else 1)


main()
