"""The report over several runs: what it says, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

from src.answers import Answers, answers_path, write_answers
from src.errors import UserError
from src.report.find import find_runs
from src.report.overview import WITH_PICTURES, write_report
from tests.report.reading import Page, words
from tests.report.synthetic import write_run, write_runs

TIMES = "\N{MULTIPLICATION SIGN}"


@pytest.fixture
def runs(tmp_path):
    """Ten runs: five learning rates with the seeds 0 and 1."""
    return write_runs(tmp_path / "runs", 10, epochs=3)


def page_of(runs, output, *, reproducible=False):
    write_report(runs, output, reproducible=reproducible)
    return output.read_text(encoding="utf-8")


def figures(run, **values):
    path = run / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key.replace("__", "/"): v for key, v in values.items()}))


def section(html, title):
    return re.search(f"<h2>{title}</h2>(.*?)</section>", html, re.DOTALL)[1]


def heads(part):
    return re.findall(r'<th scope="col"[^>]*><button type="button">(.*?)</button>', part)


def rows(part):
    return [
        [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in re.findall(r"<tr>\s*(<th scope=\"row\".*?)</tr>", part, re.DOTALL)
    ]


def test_the_page_is_whole_and_fetches_nothing(runs, tmp_path):
    html = page_of(runs, tmp_path / "report.html")
    page = Page(html)
    assert page.unclosed == []
    assert re.findall(r"<h2>(.*?)</h2>", html) == [
        "Runs", "Over seeds", "Settings that differ", "Curves", "What was run", "Each run",
    ]  # fmt: skip
    assert "http" not in html.replace("http-equiv", "")
    assert all("src" not in script for script in page.all("script"))
    links = [link["href"] for link in page.all("a") if not link["href"].startswith("#")]
    assert links == [f"runs/run-{i:03d}/report.html" for i in range(10)]
    assert all((tmp_path / link).is_file() for link in links)


def test_means_and_sample_deviations_over_seeds_are_those_worked_out_by_hand(tmp_path):
    runs = [write_run(tmp_path / f"run-{i}", i, epochs=1) for i in (0, 5, 10, 1)]
    for run, value in zip(runs, (0.9, 0.8, 0.7, 0.5), strict=True):
        figures(run, val__accuracy=value)
    part = section(page_of(runs, tmp_path / "report.html"), "Over seeds")
    assert heads(part)[:3] == ["configuration", "n", "val/accuracy"]
    assert [row[:3] for row in rows(part)] == [["lr=0.1", "3", "0.8000 ± 0.1000"]]  # one run of lr=0.05 has no spread


def test_a_repeated_seed_is_no_further_sample(tmp_path):
    runs = [write_run(tmp_path / f"run-{i}", i, epochs=1) for i in (0, 5)]
    for run, value in zip(runs, (0.9, 0.8), strict=True):
        figures(run, val__accuracy=value)
    runs.append(shutil.copytree(runs[0], tmp_path / "replayed"))
    part = section(page_of(runs, tmp_path / "report.html"), "Over seeds")
    assert rows(part)[0][1:3] == ["2", "0.8500 ± 0.0707"]  # the root of 2 * 0.05 ** 2


def test_runs_on_other_data_are_not_averaged(tmp_path):
    runs = [write_run(tmp_path / f"run-{i}", i, epochs=1) for i in (0, 5)]
    (runs[1] / "data.json").write_text(json.dumps({"digest": "e" * 32}))
    assert "Over seeds" not in page_of(runs, tmp_path / "report.html")


def test_the_monitored_metric_is_first_and_the_best_run_on_top(runs, tmp_path):
    for run, value in zip(runs, np.linspace(0.1, 0.9, 10), strict=True):
        figures(run, val__accuracy=float(value))
    part = section(page_of(runs, tmp_path / "report.html"), "Runs")
    assert heads(part)[:2] == ["run", "val/accuracy"]
    assert [row[0] for row in rows(part)] == [f"run-{i:03d}" for i in reversed(range(10))]
    assert 'aria-sort="descending"' in part
    assert heads(part)[-3:] == ["optimizer.lr", "seed", "time"]


def changed(run, name, *pairs):
    text = (run / name).read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    (run / name).write_text(text)


def test_only_runs_of_one_data_set_by_one_metric_are_compared(tmp_path):
    """Four groups: two runs on shapes, one by its loss, one on other data, one with other classes of the same name."""
    runs = [write_run(tmp_path / f"run-{i}", i, epochs=2) for i in range(5)]
    changed(runs[2], "config.yaml", ("val/accuracy", "val/loss"), ("mode: max", "mode: min"))
    changed(runs[3], "compose.yaml", ("data: shapes", "data: folder"))
    changed(runs[3], "config.yaml", ("/somewhere/else", "/somewhere/cells"))
    (runs[4] / "data.json").write_text(json.dumps({"digest": "d", "classes": ["cat", "dog"]}))
    for run, value in zip(runs, (0.5, 0.9, 0.7, 0.99, 0.98), strict=True):
        figures(run, val__accuracy=value, val__loss=0.25)
    html = page_of(runs, tmp_path / "report.html")
    assert "<title>5 runs: resnet 18 on shapes, resnet 18 on cells</title>" in html
    titles = re.findall("<h3>(.*?)</h3>", section(html, "Runs"))
    assert titles == [
        "Classifier on shapes by val/accuracy (classes not recorded)",
        "Classifier on shapes by val/loss (classes not recorded)",
        "Classifier on cells",
        "Classifier on shapes by val/accuracy (2 classes)",
    ]
    metrics = ("val/accuracy", "val/loss", "val/accuracy", "val/accuracy")
    cards = [f"{title}: best {metric}" for title, metric in zip(titles, metrics, strict=True)]
    reached = ("0.9000", "0.2500", "0.9900", "0.9800")
    assert re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", html)[:4] == list(zip(cards, reached, strict=True))
    assert {text.partition(":")[0] for text in re.findall('<option value="[0-9]+">(.*?/.*?)</option>', html)} == set(
        titles
    )
    first = rows(section(html, "Runs").partition("</table>")[0])
    assert [row[0] for row in first] == ["run-1", "run-0"]


def test_a_plain_and_a_residual_network_can_be_told_apart(tmp_path):
    runs = [write_run(tmp_path / f"run-{i}", i, epochs=2) for i in (0, 5, 10, 15)]
    for run, depth, shortcuts in zip(runs, (10, 10, 34, 34), ("true", "false", "true", "false"), strict=True):
        changed(run, "config.yaml", ("depth: 18", f"depth: {depth}\n  shortcuts: {shortcuts}"), ("seed: ", "seed: 1"))
    html = page_of(runs, tmp_path / "report.html")
    legends = set(re.findall(r'class="key t\d">(.*?) <var>', html))
    assert legends == {f"resnet {depth} shortcuts={shortcuts}" for depth in (10, 34) for shortcuts in ("true", "false")}


def test_networks_that_words_tell_apart_are_not_told_by_their_keys(tmp_path):
    runs = [write_run(tmp_path / f"run-{i}", i, epochs=2) for i in (0, 5)]
    changed(runs[1], "config.yaml", ("resnet.resnet\n  depth: 18", "lenet.lenet\n  activation: tanh"))
    html = page_of(runs, tmp_path / "report.html")
    assert set(re.findall(r'class="key t\d">(.*?) <var>', html)) == {"resnet 18", "lenet"}
    part = section(html, "Runs")
    assert heads(part)[:3] == ["run", "network", "val/accuracy"]
    assert {row[1] for row in rows(part)} == {"resnet 18", "lenet"}


def test_a_legend_says_what_is_needed_and_the_table_of_seeds_all_that_differs(tmp_path):
    runs = [write_run(tmp_path / f"run-{i}", i, epochs=2) for i in (0, 5, 1)]
    changed(runs[2], "config.yaml", ("torch.optim.SGD", "torch.optim.AdamW"), ("lr: 0.05", "lr: 0.05\n  eps: 1.0"))
    html = page_of(runs, tmp_path / "report.html")
    assert set(re.findall(r'class="key t\d">(.*?) <var>', html)) == {"optimizer=SGD", "optimizer=AdamW"}
    assert [row[0] for row in rows(section(html, "Over seeds"))] == ["optimizer=SGD lr=0.1"]


def test_baselines_stand_below_the_figures_of_the_runs(tmp_path):
    runs = [write_run(tmp_path / f"run-{i}", i, epochs=1) for i in range(2)]
    for run in runs:
        figures(run, **{"test__mean_iou": 0.34, "test/baseline/mean_iou": 0.83})
    part = section(page_of(runs, tmp_path / "report.html"), "Runs")
    model, baseline = part.split("baselines</h3>")
    assert "test/mean_iou" in heads(model)
    assert not any("baseline" in name for name in heads(model))
    assert heads(baseline) == ["run", "test/mean_iou"]
    assert [row[1] for row in rows(baseline)] == ["0.8300", "0.8300"]


def test_a_page_compares_by_another_metric_where_it_is_told_to(tmp_path):
    runs = [write_run(tmp_path / f"run-{i}", i, epochs=1) for i in range(2)]
    for run, value in zip(runs, (0.4, 0.3), strict=True):
        figures(run, test__loss=value)
    write_report(runs, tmp_path / "report.html", reproducible=False, compared_by=("test/loss", "min"))
    html = (tmp_path / "report.html").read_text()
    assert "best test/loss</dt><dd>0.3000</dd>" in html
    assert [row[:2] for row in rows(section(html, "Runs"))] == [["run-1", "0.3000"], ["run-0", "0.4000"]]


def test_a_metric_that_should_be_small_sorts_upwards(tmp_path):
    runs = [write_run(tmp_path / f"run-{i}", i, epochs=1) for i in range(2)]
    for run, value in zip(runs, (2.0, 1.0), strict=True):
        text = (run / "config.yaml").read_text()
        (run / "config.yaml").write_text(text.replace("val/accuracy", "val/loss").replace("mode: max", "mode: min"))
        figures(run, val__loss=value)
    part = section(page_of(runs, tmp_path / "report.html"), "Runs")
    assert [row[:2] for row in rows(part)] == [["run-1", "1.0000"], ["run-0", "2.0000"]]


def test_only_settings_that_differ_are_listed_and_the_uncommon_ones_marked(tmp_path):
    runs = [write_run(tmp_path / f"run-{i}", i, epochs=1) for i in (0, 5, 1)]
    part = section(page_of(runs, tmp_path / "report.html"), "Settings that differ")
    assert rows(part) == [["seed", "0", "1", "0"], ["optimizer.lr", "0.1", "0.1", "0.05"]]
    assert re.findall("<mark>(.*?)</mark>", part) == ["1", "0.05"]


def test_of_many_runs_the_values_are_counted(runs, tmp_path):
    part = section(page_of(runs, tmp_path / "report.html"), "Settings that differ")
    assert rows(part)[0] == ["seed", f"0 {TIMES}5, 1 {TIMES}5"]
    assert rows(part)[1][1].startswith(f"0.1 {TIMES}2, 0.05 {TIMES}2")


def test_runs_that_failed_or_go_on_are_listed_with_their_status(runs, tmp_path):
    record = json.loads((runs[0] / "record.json").read_text())
    for run, values in zip(
        runs, ({"status": "failed", "reason": "ValueError: x"}, {"status": "running"}), strict=False
    ):
        (run / "record.json").write_text(json.dumps(record | values))
        (run / "metrics.json").unlink()
    html = page_of(runs, tmp_path / "report.html")
    listed = {row[0]: row for row in rows(section(html, "Runs"))}
    assert "failed" in listed["run-000"]
    assert "running" in listed["run-001"]
    assert rows(section(html, "Runs"))[-2][0] == "run-000"  # those without figures come last
    assert "ValueError: x" in html
    assert "Not there: metrics.json" in words(html)


def test_an_exported_run_gives_what_it_has(runs, tmp_path):
    for run in runs[:2]:
        for name in ("record.json", "compose.yaml", "report.html", "metrics.csv"):
            (run / name).unlink()
    html = page_of(runs[:2], tmp_path / "report.html")
    assert "Curves" not in re.findall("<h2>(.*?)</h2>", html)
    assert "Not there: metrics.csv, record.json, compose.yaml, answers-test.npz" in words(html)
    assert "python -m src.train" not in html
    assert "finished 2" in words(html)


@pytest.mark.parametrize(
    "name", ["config.yaml", "metrics.json", "metrics.csv", "record.json", "data.json", "compose.yaml"]
)
def test_a_damaged_file_is_named_and_the_rest_shown(name, runs, tmp_path):
    (runs[0] / name).write_bytes(b"{[\xff\x00")
    if name == "config.yaml":
        with pytest.raises(UserError, match="run-000"):
            page_of(runs, tmp_path / "report.html")
    else:
        assert f"{name} (cannot be read" in page_of(runs, tmp_path / "report.html")


def test_a_reproducible_report_is_a_function_of_what_the_runs_hold(tmp_path):
    pages = []
    for place, day in (("here", "2026-01-02"), ("there/deeper", "2027-03-04")):
        runs = write_runs(tmp_path / place / "runs", 4, epochs=2)
        for run in runs:
            record = json.loads((run / "record.json").read_text())
            other = {"start": f"{day}T00:00:00", "seconds": {"fit": len(day + place)}, "hardware": {"host": place}}
            code = {"commit": place.ljust(40, "0"), "dirty": True, "digest": "c" * 16}
            (run / "record.json").write_text(json.dumps(record | other | {"code": code}))
        page_of(runs, tmp_path / place / "report.html", reproducible=True)
        pages.append([(tmp_path / place / f"report.{kind}").read_bytes() for kind in ("html", "md")])
    assert pages[0] == pages[1]
    for content in pages[0]:
        for word in (str(tmp_path), "2026-01", "here000", "somewhere"):
            assert word.encode() not in content
    assert b"cccccccccccccccc" in pages[0][0]


def test_otherwise_commit_and_times_are_shown(runs, tmp_path):
    text = words(page_of(runs, tmp_path / "report.html"))
    assert "abcdef012345" in text
    assert "2026-01-02T03:04:05+00:00" in text
    assert "written 20" in text


def test_the_command_that_repeats_a_run_names_no_directory_of_it(tmp_path):
    run = write_run(tmp_path / "run", 3, epochs=1)
    html = page_of([run], tmp_path / "report.html")
    assert "<code>python -m src.train model=resnet optimizer.lr=0.01 seed=0</code>" in html
    assert len(Page(html).all("button")) > 3


def answers_of(run, samples=40):
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), samples).astype(np.float32)
    values = {
        "classes": np.array(["cat", "dog", "owl"]), "probabilities": probabilities,
        "label": random.integers(0, 3, samples), "paths": np.array([f"{i}.png" for i in range(samples)]),
    }  # fmt: skip
    answers = Answers("classification", values, lambda i: np.full((32, 32, 3), i, np.uint8), [0, 1, 2])
    write_answers(answers_path(run, "test"), answers)


def test_what_a_run_answered_is_shown_and_of_many_runs_is_not(runs, tmp_path):
    for run in runs:
        answers_of(run)
    html = page_of(runs, tmp_path / "report.html")
    assert html.count("<h3>Confusion matrix, test</h3>") == 10
    assert all(image["src"].startswith("data:image/png;base64,") for image in Page(html).all("img"))
    assert Page(html).unclosed == []
    several = [shutil.copytree(runs[0], tmp_path / f"copy-{i}") for i in range(WITH_PICTURES + 1)]
    many = page_of(several, tmp_path / "many.html")
    assert "Confusion matrix" not in many
    assert f"a page over at most {WITH_PICTURES} runs holds them too" in many


def test_an_empty_file_of_answers_says_that_none_were_kept(runs, tmp_path):
    """As the pipeline leaves it, whose stages have the same outputs whatever there is to show."""
    answers_path(runs[0], "test").touch()
    html = page_of(runs[:2], tmp_path / "report.html")
    assert words(html).count("Not there: answers-test.npz") == 2
    assert "cannot be read" not in html


def test_answers_that_are_not_ours_are_named(runs, tmp_path):
    np.savez(answers_path(runs[0], "test"), kind=np.array("os"))
    answers_path(runs[1], "test").write_bytes(b"PK\x03\x04 broken")
    np.savez(answers_path(runs[2], "test"), kind=np.array("classification"))
    html = page_of(runs, tmp_path / "report.html")
    assert html.count("answers-test.npz (cannot be read") == 3


def test_no_value_can_break_the_page(runs, tmp_path):
    evil = "</script></style><script>alert('x')</script>|`\"'"
    (runs[0] / "config.yaml").write_text(
        json.dumps({"name": evil, "model": {evil: evil, "monitor": evil}, "seed": evil})
    )
    (runs[1] / "record.json").write_text(json.dumps({"status": evil, "reason": evil, "start": evil}))
    (runs[2] / "metrics.json").write_text(json.dumps({evil: 1.0}))
    (runs[2] / "compose.yaml").write_text(json.dumps({"overrides": [evil], "choices": {"model": evil}}))
    page = Page(page_of(runs, tmp_path / "report.html"))
    assert page.unclosed == []
    assert len(page.all("script")) == 1
    assert evil in page.text
    text, _, commands = (tmp_path / "report.md").read_text().partition("```sh")
    assert "<script" not in text
    assert commands.count("```") == 1


def test_two_hundred_runs_make_a_page_of_a_few_megabytes(tmp_path):
    html = page_of(write_runs(tmp_path / "runs", 200), tmp_path / "report.html")
    assert len(html) < 6e6
    assert len(rows(section(html, "Runs"))) == 200
    assert len((tmp_path / "report.md").read_text()) < 65_536  # what a pull request's comment holds


def test_the_markdown_twin_has_the_tables(tmp_path):
    runs = [write_run(tmp_path / f"run-{i}", i, epochs=1) for i in (0, 5, 1)]
    for run, value in zip(runs, (0.9, 0.8, 0.5), strict=True):
        figures(run, val__accuracy=value)
    page_of(runs, tmp_path / "report.html")
    lines = (tmp_path / "report.md").read_text().splitlines()
    assert "| run-0 | 0.9000 |" in "\n".join(line[:18] for line in lines)
    assert any(line.startswith("| lr=0.1 | 2 | 0.8500 ± 0.0707 |") for line in lines)
    assert "| optimizer.lr | 0.1 | 0.1 | **0.05** |" in lines
    assert "python -m src.train model=resnet optimizer.lr=0.05 seed=0  # run-1" in lines


def test_folders_globs_and_links_name_each_run_once(runs, tmp_path):
    (tmp_path / "runs" / "latest").symlink_to(runs[0])
    (runs[0] / "wandb" / "files").mkdir(parents=True)
    (runs[0] / "wandb" / "files" / "config.yaml").write_text("a: 1\n")
    assert find_runs([str(tmp_path)]) == runs
    assert find_runs([f"{tmp_path}/runs/run-00[12]", f"{tmp_path}/runs/latest"]) == [runs[1], runs[2], runs[0]]
    assert find_runs([str(runs[3]), str(tmp_path / "runs")])[0] == runs[3]


def test_all_that_is_no_run_is_named_at_once(runs, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError) as error:
        find_runs([f"{tmp_path}/none", str(runs[0]), f"{tmp_path}/empty", f"{tmp_path}/x*"])
    assert all(
        word in str(error.value) for word in ("none: there is no such", "empty: holds no run", "x*: there is no")
    )
    (tmp_path / "empty" / "config.yaml").write_text("some: thing\n")
    with pytest.raises(UserError, match="empty"):
        write_report([tmp_path / "empty"], tmp_path / "report.html", reproducible=False)


def test_a_page_does_not_take_the_place_of_a_runs_own(runs):
    with pytest.raises(UserError, match="name another"):
        write_report(runs, runs[0] / "report.html", reproducible=False)
    with pytest.raises(UserError, match=r"\.html"):
        write_report(runs, runs[0].parent / "report.pdf", reproducible=False)
