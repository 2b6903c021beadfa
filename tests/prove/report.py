"""A page over 200 runs opens in under two seconds."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from src.report.overview import write_report
from tests.prove.promise import Promise
from tests.report.browser import chromium, launched
from tests.report.synthetic import write_runs

RUNS = 200
SECONDS = 2.0
TIMES = 5
PAINTED = "new Promise(done => requestAnimationFrame(() => setTimeout(done)))"


def promises() -> Iterator[Promise]:
    text, bound = f"a report over {RUNS} runs opens", f"{SECONDS:.0f} s"
    if chromium() is None:
        yield Promise(text, "no Chromium (CHROMIUM=...)", bound, None)
        return
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "report.html")
        start = time.monotonic()
        write_report(write_runs(Path(folder, "runs"), RUNS), output, reproducible=False)
        written = time.monotonic() - start
        with launched() as browser:
            seconds = [opening(browser, output.as_uri()) for _ in range(TIMES)]
        figure = f"{statistics.median(seconds):.2f} s, at most {max(seconds):.2f} of {TIMES} times; "
        figure += f"{output.stat().st_size / 1e6:.1f} MB, written in {written:.1f} s"
        yield Promise(text, figure, bound, max(seconds) < SECONDS)


def opening(browser: Any, address: str) -> float:
    """Return the seconds from asking for a page to having it painted."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    start = time.monotonic()
    page.goto(address, wait_until="load")
    page.evaluate(PAINTED)
    seconds = time.monotonic() - start
    page.close()
    return seconds
