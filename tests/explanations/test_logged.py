"""A run with W&B gets the pictures under its own id; a run without is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from src.config.signatures import signature
from src.explanations import logged
from src.explanations.output import Output
from src.runs import loggers
from src.runs.directory import RunDirectory

WANDB = {"_target_": "src.runs.wandb.WandbRun", "project": "p", "entity": None, "mode": "offline"}


class Logger:
    def log_image(self, **values: object) -> None:
        self.values = values


@pytest.mark.parametrize(("section", "sent"), [(WANDB, True), (None, False)])
def test_pictures_go_to_the_runs_own_wandb(section, sent, tmp_path, monkeypatch):
    made: list[tuple[dict, dict]] = []
    logger = Logger()

    def build(section: dict, **supplied: object) -> Logger:
        made.append((section, supplied))
        return logger

    monkeypatch.setattr(loggers, "build", build)
    (tmp_path / "record.json").write_text(json.dumps({"wandb_id": "abc"}))
    output = Output(tmp_path / "explain" / "gradcam", "gradcam")
    output.pictures = [{"file": "0.png", "caption": "a dog"}]
    logged.log_pictures(RunDirectory(tmp_path), {"logger": {"wandb": section}, "name": None, "tags": []}, output)
    assert bool(made) == sent
    if sent:
        given = {"save_dir": str(tmp_path), "id": "abc", "name": tmp_path.name, "tags": [], "group": None}
        assert made[0][1] == given
        assert signature(WANDB["_target_"]).parameters.keys() == WANDB.keys() - {"_target_"} | given.keys()
        assert logger.values["key"] == "explain/gradcam"
        assert logger.values["images"] == [str(output.folder / "0.png")]


def test_a_report_is_linked_once_and_a_run_without_one_is_no_mistake(tmp_path: Path) -> None:
    logged.link_from_report(tmp_path, tmp_path / "explain")
    report = tmp_path / "report.html"
    report.write_text("<nav><ul><li>x</li></ul></nav><ul></ul>")
    for _ in range(2):
        logged.link_from_report(tmp_path, tmp_path / "explain")
    assert report.read_text().count('<li><a href="explain.html">') == 1
