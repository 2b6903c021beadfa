"""The report over several runs, opened in Chromium."""

from __future__ import annotations

import numpy as np
import pytest
from markupsafe import Markup

from src.report.charts import Series, line_chart
from src.report.layout import Section, lay_out
from src.report.numbers import number
from src.report.overview import write_report
from tests.report.browser import chromium, launched
from tests.report.synthetic import write_runs
from tests.report.test_overview import answers_of

pytestmark = pytest.mark.skipif(
    chromium() is None, reason="no Chromium: name one with CHROMIUM=, or put it on the PATH"
)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Three runs, so that each one's pictures are unfolded, and of names that are long."""
    folder = tmp_path_factory.mktemp("browser")
    runs = write_runs(folder / ("a-name-of-a-folder-that-is-rather-long-" * 3), 3, epochs=4)
    for run in runs:
        answers_of(run)
    write_report(runs, folder / "report.html", reproducible=False)
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser():
    with launched() as started:
        yield started


@pytest.fixture
def opened(browser, address):
    """A page, with what went wrong on it and what it asked for."""

    def open_at(width=1280, theme="light"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
        page.errors, page.requests = [], []
        page.on("console", lambda message: page.errors.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(address, wait_until="load")
        return page

    pages = []
    yield lambda **options: pages.append(open_at(**options)) or pages[-1]
    for page in pages:
        page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_error_no_request_and_nothing_wider_than_the_window(theme, width, opened, address):
    page = opened(width=width, theme=theme)
    for details in page.query_selector_all("details:not([open]) > summary"):
        details.click()
    for option in page.eval_on_selector_all("[data-choose=chart] option", "all => all.map(one => one.value)"):
        page.select_option("[data-choose=chart]", option)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.errors == []
    assert {url for url in page.requests if not url.startswith("data:")} == {address}


def test_the_theme_follows_the_reader(opened):
    papers = [
        opened(theme=theme).evaluate("getComputedStyle(document.body).backgroundColor") for theme in ("light", "dark")
    ]
    light, dark = (sum(int(part) for part in paper[4:-1].split(",")) for paper in papers)
    assert light > 600
    assert dark < 150


def test_the_theme_can_be_changed(opened):
    page = opened(theme="light")
    page.click("#theme")  # the page's own script runs, and no other could
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.strange = 1'}))")
    assert page.evaluate("window.strange") is None


def test_a_click_on_a_head_sorts(opened):
    page = opened()
    table = page.locator("table.many").first

    def column(i):
        return [float(text) for text in table.locator(f"tbody tr > :nth-child({i})").all_inner_texts()]

    assert column(2) == sorted(column(2), reverse=True)  # by the monitored metric, the best first
    head = table.locator("thead th").nth(1)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(2) == sorted(column(2))
    third = table.locator("thead th").nth(2)
    third.locator("button").press("Enter")
    assert third.get_attribute("aria-sort") == "ascending"
    assert head.get_attribute("aria-sort") is None
    assert column(3) == sorted(column(3))


def test_pictures_show(opened):
    page = opened()
    for summary in page.query_selector_all("details:not([open]) > summary"):
        summary.click()
    page.evaluate("for (const image of document.images) image.loading = 'eager'")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    sizes = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(sizes) >= 3
    assert min(sizes) > 0


def test_one_metric_is_shown_until_all_are_asked_for_and_a_run_stands_out(opened):
    page = opened()
    shown = "[...document.querySelectorAll('[data-chart]')].filter(chart => chart.offsetHeight > 0).length"
    assert page.evaluate(shown) == 1
    assert "val/accuracy" in page.locator("[data-chart]:visible figcaption").inner_text()
    page.select_option("[data-choose=chart]", "all")
    assert page.evaluate(shown) == page.locator("[data-chart]").count() > 5
    page.select_option("[data-choose=run]", "2")
    width = "getComputedStyle(document.querySelector('[data-run=\"{}\"]')).opacity"
    assert np.isclose(float(page.evaluate(width.format(2))), 1)
    assert float(page.evaluate(width.format(1))) < 0.5


def test_the_command_can_be_copied(opened):
    page = opened()
    page.locator("button.copy").first.click()
    page.wait_for_function("document.querySelector('button.copy').textContent !== 'Copy'")
    assert page.evaluate("String(getSelection())").startswith("python -m src.train model=resnet")


def test_no_label_of_a_chart_is_cut(browser, tmp_path):
    """A learning rate of 1e-3, one epoch, and a hundred million parameters."""
    rate = [Series("lr", [1, 9], [1e-3, 1e-3]), Series("decay", [1, 9], [1.234e-3, 0.0])]
    ticks = [(float(power), number(10.0**power)) for power in range(4, 9)]
    charts = [
        line_chart("Learning rate", rate, "epoch"),
        line_chart("Learning rate", rate[:1], "epoch"),
        line_chart("Loss", [Series("val", [4, 8], [1e6, 2e7])], "parameters", x_ticks=ticks),
    ]
    html = Markup('<div class="charts">{}</div>').format(Markup("").join(charts))
    path = tmp_path / "page.html"
    path.write_text(lay_out("Charts", Markup("<h1>Charts</h1>"), [Section("Charts", html)]), encoding="utf-8")
    cut = """[...document.querySelectorAll("svg")].flatMap(svg => {
      const whole = svg.getBoundingClientRect();
      return [...svg.querySelectorAll("text")].filter(text => {
        const box = text.getBoundingClientRect();
        return box.left < whole.left || box.right > whole.right;
      }).map(text => text.textContent);
    })"""
    for width in (390, 1280):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto(path.as_uri())
        assert page.locator("svg text").count() > 20
        assert page.evaluate(cut) == []
        page.close()
