"""Where else an explanation is entered: the run's report and its W&B run."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from src.explanations.output import Output
from src.files import write_text
from src.report.layout import explanations_link
from src.runs.directory import RunDirectory
from src.runs.loggers import wandb_logger
from src.runs.record import read_record

log = logging.getLogger(__name__)

MOST = 24
"""Pictures that W&B is sent."""


def link_from_report(run_dir: Path, folder: Path) -> None:
    """Put a link to the page of explanations into the navigation of the run's report, where there is one and none yet.

    The report itself is written when a training ends, from what was evaluated then; it stays as it is. One that is
    written later links to the page by itself, where that lies in the run directory.
    """
    report = run_dir / "report.html"
    page = folder.with_name(f"{folder.name}.html").resolve()
    if not report.is_file():
        return
    link = str(explanations_link(quote(os.path.relpath(page, run_dir.resolve()))))
    text = report.read_text(encoding="utf-8")
    if link not in text and "</ul>" in text:
        write_text(report, text.replace("</ul>", f"{link}</ul>", 1))


def log_pictures(run: RunDirectory, config: Mapping[str, Any], output: Output) -> None:
    """Log the pictures to the W&B run that the training had, online or offline as that is; without one, nothing."""
    known = read_record(run.path).get("wandb_id")
    logger = None if known is None else wandb_logger(config, run, known)
    if logger is None:
        return
    import wandb

    shown = output.pictures[:MOST]
    paths = [str(output.folder / one["file"]) for one in shown]
    logger.log_image(  # type: ignore[attr-defined] # W&B's own
        key=f"explain/{output.method}", images=paths, caption=[one["caption"] for one in shown]
    )
    wandb.finish()
    log.info("%d pictures logged to the run's W&B", len(paths))
