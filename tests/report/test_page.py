import json
import re

import pytest
import torch
from markupsafe import Markup
from safetensors.torch import save_file

from src.report.layout import Section
from src.report.numbers import MISSING
from src.report.page import highlight_yaml, write_run_report
from tests.report.reading import Page, words

CONFIG = """\
seed: 3
name: null
tags: [first]
data:
  batch_size: 64
  source:
    _target_: src.data.sources.imagenette.Imagenette
network:
  _target_: src.networks.zoo.resnet
  depth: 50
trainer:
  max_epochs: 2 # short
"""
METRICS = """\
step,epoch,train/loss_step,lr,train/loss,val/loss,val/accuracy,test/loss
5,0,1.5,0.1,,,,
10,0,,0.1,1.25,1.0,0.5,
15,1,0.75,0.05,,,,
20,1,,0.05,0.5,0.75,0.875,
20,1,,,,,,9.5
"""
RECORD = {
    "status": "finished",
    "start": "2026-01-02T03:04:05+00:00",
    "code": {"commit": "abc123", "dirty": False},
    "seconds": {"data": 2.5, "fit": 120.0},
    "images_per_second": 512.5,
    "left_out": ["a.jpg: truncated", "b.jpg: empty"],
}


@pytest.fixture
def run(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "metrics.csv").write_text(METRICS)
    (tmp_path / "metrics.json").write_text(json.dumps({"train/loss": 0.5, "test/accuracy": 0.9, "val/accuracy": 0.875}))
    (tmp_path / "record.json").write_text(json.dumps(RECORD))
    return tmp_path


def written(run, sections=()):
    return write_run_report(run, sections).read_text(encoding="utf-8")


def test_the_page_says_what_was_run_and_how_it_went(run):
    html = written(run)
    text = words(html)
    assert "<h1>resnet 50 on Imagenette</h1>" in html
    assert "finished first test/accuracy 0.9000 val/accuracy 0.8750 train/loss 0.5000" in text
    assert "batch size 64 epochs 2 seed 3 time 2 min 2 s images/s 512.5" in text
    assert "commit abc123 dirty no" in text
    assert "2026-01-02T03:04:05+00:00" in text
    assert "a.jpg: truncated" in text
    assert "max_epochs: 2 # short" in text


def test_the_name_of_a_run_is_its_title(run):
    (run / "config.yaml").write_text(CONFIG.replace("name: null", "name: baseline"))
    html = written(run)
    assert "<title>baseline</title>" in html
    assert "resnet 50 on Imagenette" in words(html)


def test_curves_join_splits_and_leave_the_test_figure_out(run):
    html = written(run)
    labels = [svg["aria-label"] for svg in Page(html).all("svg")]
    assert labels == [
        "Loss by epoch, last values: train per step 0.75, train 0.5, val 0.75",
        "Accuracy by epoch, last values: val 0.875",
        "Learning rate by epoch, last values: lr 0.05",
    ]
    assert "epoch 2, step 20\ntrain 0.5\nval 0.75" in html


def test_epochs_are_counted_from_1(run):
    html = written(run)
    assert re.findall(r'y="190">(\d+)</text>', html)[:2] == ["1", "2"]
    assert "epoch 0" not in html


def test_the_epoch_whose_weights_are_kept_is_marked_and_the_legend_says_both_values(run):
    (run / "config.yaml").write_text(CONFIG + "model:\n  monitor: val/loss\n  monitor_mode: min\n")
    (run / "metrics.csv").write_text(METRICS.replace("20,1,,0.05,0.5,0.75,0.875,", "20,1,,0.05,0.5,1.75,0.875,"))
    (run / "metrics.json").write_text(json.dumps({"val/loss": 1.0, "val/accuracy": 0.5}))
    html = written(run)
    text = words(html)
    assert "the best by val/loss, of epoch 1." in text
    assert "Loss by epoch: train per step 0.75, train 1.25 (0.5), val 1 (1.75)" in html
    assert "Accuracy by epoch: val 0.5 (0.875)" in html
    places = re.findall(r'class="marked" d="M([\d.]+) 7V174"', html)
    assert places == ["144.0", "40.0", "144.0"]  # step 10 from 5 to 20, where losses of steps are drawn too; from 10 on


def test_baselines_are_told_below_the_figures_and_have_no_curve(run):
    (run / "metrics.json").write_text('{"test/mean_iou": 0.3413, "test/baseline/mean_iou": 0.8277}')
    (run / "metrics.csv").write_text("step,epoch,val/mean_iou,val/baseline/mean_iou\n1,0,0.2,0.8\n2,1,0.3,0.8\n")
    html = written(run)
    assert re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", html)[0] == ("test/mean iou", "0.3413")
    assert "For comparison, baselines that are not this model: test/mean iou 0.8277" in words(html)
    assert [svg["aria-label"] for svg in Page(html).all("svg")] == ["Mean iou by epoch, last values: val 0.3"]


def test_the_number_of_parameters_is_shown(run):
    save_file({"weight": torch.ones(30, 50), "bias": torch.ones(7), "n.running_mean": torch.ones(9)},
              run / "weights.safetensors")  # fmt: skip
    assert "parameters 1 507" in words(written(run)).replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_a_single_epoch_is_drawn_over_steps(run):
    (run / "metrics.csv").write_text("step,epoch,train/loss_step\n5,0,1.5\n10,0,1.0\n")
    assert [svg["aria-label"] for svg in Page(written(run)).all("svg")] == [
        "Loss by step, last values: train per step 1"
    ]


def test_a_loss_over_many_decades_is_drawn_on_a_logarithmic_axis(run):
    (run / "metrics.csv").write_text("step,epoch,train/loss\n5,0,1.0\n10,1,0.0001\n")
    assert "Loss, logarithmic" in words(written(run))


@pytest.mark.parametrize("left", [(), ("config.yaml",), ("metrics.csv",), ("metrics.json",), ("record.json",)])
def test_files_that_are_missing_leave_their_parts_out(run, left):
    for path in run.iterdir():
        if path.name not in left:
            path.unlink()
    page = Page(written(run))
    assert page.unclosed == []
    assert len(page.all("section")) == len(set(left) & {"config.yaml", "metrics.csv", "record.json"})


def test_sections_of_the_task_stand_between_curves_and_configuration_and_are_linked(run):
    html = written(run, [Section("Boxes & more", Markup("<p>here</p>"))])
    assert re.findall(r"<h2>(.*?)</h2>", html) == ["Curves", "Boxes &amp; more", "Configuration", "Record"]
    page = Page(html)
    assert {link["href"][1:] for link in page.all("a")} == {section["id"] for section in page.all("section")}


def test_equal_inputs_give_equal_bytes(run):
    first = write_run_report(run, []).read_bytes()
    (run / "record.json").write_text(json.dumps(dict(reversed(RECORD.items()))))
    moved = run.rename(run.with_name("elsewhere"))
    assert write_run_report(moved, []).read_bytes() == first


def test_nothing_is_fetched_and_nothing_can_be(run):
    html = written(run)
    page = Page(html)
    assert "http" not in html.replace("http-equiv", "")
    assert [link["href"] for link in page.all("link")] == ["data:,"]
    assert all("src" not in script for script in page.all("script"))
    assert any("default-src 'none'" in meta.get("content", "") for meta in page.all("meta"))


def test_no_value_can_break_the_page(run):
    evil = "</script></style><script>alert('x')</script>\"'"
    (run / "config.yaml").write_text(json.dumps({"name": evil, "tags": [evil], "data": {evil: evil}}))
    (run / "record.json").write_text(json.dumps({"status": evil, "reason": evil, evil: {evil: [evil, evil]}}))
    (run / "metrics.json").write_text(json.dumps({evil: 1.0}))
    header = f'step,epoch,"train/{evil}"'.replace("\"'", '""\'')
    (run / "metrics.csv").write_text(f"{header}\n1,0,2\n")
    page = Page(written(run, [Section(evil, Markup("<p></p>"))]))
    assert page.unclosed == []
    assert len(page.all("script")) == 1
    assert page.text.count(evil) > 8


def test_a_file_name_that_is_not_unicode_does_not_stop_the_report(run):
    html = written(run, [Section("Mistakes", Markup("{}").format("caf\udce9.jpg"))])
    assert "caf?.jpg" in html


def test_figures_that_are_not_numbers_are_shown_as_missing(run):
    (run / "metrics.json").write_text('{"test/loss": NaN, "test/accuracy": 0.1}')
    (run / "metrics.csv").write_text("step,epoch,train/loss\n1,0,nan\n2,1,nan\n")
    text = words(written(run))
    assert f"test/loss {MISSING}" in text
    assert "Curves" not in text


def test_a_failed_write_leaves_the_old_report(run, monkeypatch):
    before = written(run)

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(Exception, match="no space left"):
        write_run_report(run, [Section("New", Markup("<p></p>"))])
    assert (run / "report.html").read_text(encoding="utf-8") == before
    assert [path.name for path in run.iterdir() if path.name.startswith(".")] == []


def test_yaml_is_coloured_and_otherwise_unchanged():
    lines = ["a: 1", "b:", "  - c: null", "  - text", "# remark <b>", "d: 'x: y'", "url: file://x", "- http://y", ""]
    marked = highlight_yaml("\n".join(lines) + "\n")
    assert Page(marked).text.split("\n") == lines
    assert "<b>a</b>:" in marked
    assert "<i class=literal>1</i>" in marked
    assert "<i class=comment># remark &lt;b&gt;</i>" in marked
    assert "<b>http</b>" not in marked
