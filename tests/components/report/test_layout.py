"""The page in a real browser: any number of classes, any script, on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agnews.components.report.assemble_report import assemble_report, read_documents
from agnews.components.report.render_report import render_report
from agnews.schemas.run_report import NodeSummary

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.integration

SCREENS = {"desktop": (1280, 900), "phone": (360, 740)}
OpenReport = Callable[..., "Page"]


@pytest.fixture
def open_report(browser: Browser, make_run: Any, tmp_path: Path) -> Iterator[OpenReport]:
    """Opens the report of a run with these classes, at the size of a screen, and keeps a picture of it."""
    contexts = []

    def open_report(screen: str, names: Sequence[str], **how: Any) -> Page:
        documents = read_documents(make_run(names=names, **how).uris)
        nodes = {name: NodeSummary(state="done", seconds=1.5) for name in ("NewsExampleGen", "Trainer", "Pusher")}
        report = assemble_report(documents, run_id="20261122T140000-abcd", model={}, settings={}, nodes=nodes)
        path = tmp_path / "report.html"
        path.write_text(render_report(report), encoding="utf-8")
        width, height = SCREENS[screen]
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.goto(path.as_uri())
        page.locator("#classes").screenshot(path=tmp_path / "classes.png")
        page.screenshot(path=tmp_path / "report.png", full_page=True)
        return page

    yield open_report
    for context in contexts:
        context.close()


def names_of(count: int) -> list[str]:
    return [f"{number}_{'a_very_long_name_of_a_class_' * (number % 4 == 1)}class" for number in range(count)]


def require_fitting(page: Page, screen: str) -> None:
    """Nothing is cut off: what is wider than the screen stands in a region that scrolls by itself."""
    width = SCREENS[screen][0]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate(
        "[...document.querySelectorAll('main *')].filter(e => e.checkVisibility() && !e.closest('.scroll, svg') && "
        "e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 80))"
    )
    assert outside == []


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("count", [3, 20, 77, 300])
def test_any_number_of_classes_can_be_read(open_report: OpenReport, count: int, screen: str) -> None:
    page = open_report(screen, names_of(count), rows=5 * count + 300)
    require_fitting(page, screen)
    shown = page.locator("#classes table.classes:visible tbody tr")
    assert shown.count() == min(count, 20)
    assert page.locator("#classes .matrix").count() == (count <= 20)
    assert page.locator("#classes .pairs").count() == (count > 20)
    bars = page.eval_on_selector_all(
        "#classes table.classes:first-of-type .bar",
        "all => all.filter(e => e.checkVisibility()).map(e => e.getBoundingClientRect().width)",
    )
    assert max(bars) - min(bars) < 1
    too_wide = page.evaluate(
        "[...document.querySelectorAll('caption, table.classes td')].filter(e => e.checkVisibility() && "
        "(e.scrollWidth > e.clientWidth + 1 || e.tagName == 'CAPTION' && e.clientWidth > innerWidth))"
        ".map(e => e.outerHTML.slice(0, 80))"
    )
    assert too_wide == [], "captions are read without scrolling, and no figure runs into the next"
    if count > 20:
        # Figures of the classes can be seen without scrolling sideways, on a phone too.
        table = page.locator("#classes .scroll").first
        assert table.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
        page.click("#classes summary")
        assert page.locator("#classes details tbody tr").count() == count
        require_fitting(page, screen)


def test_a_long_name_goes_on_in_the_next_line_where_its_parts_end(open_report: OpenReport) -> None:
    page = open_report("phone", ["a_very_long_name_of_a_class", "<b>ham/spam</b>", "x"])
    name = page.locator("#classes tbody bdi").first
    assert name.inner_html() == "a_<wbr>very_<wbr>long_<wbr>name_<wbr>of_<wbr>a_<wbr>class"
    assert name.inner_text() == "a_very_long_name_of_a_class"
    assert page.locator("#classes tbody bdi").nth(1).inner_text() == "<b>ham/spam</b>"


def test_of_many_classes_the_weakest_and_those_that_are_confused_come_first(open_report: OpenReport) -> None:
    page = open_report("desktop", names_of(77), rows=900)
    column = page.locator("#classes table.classes >> nth=0 >> td:nth-child(4)").all_inner_texts()
    scores = [float(each.rstrip(" %\xa0")) for each in column]
    assert scores == sorted(scores)
    assert len(scores) == 20
    counts = [int(each) for each in page.locator("#classes .pairs td.n").all_inner_texts()]
    assert counts == sorted(counts, reverse=True)
    assert len(counts) == 20


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize(
    ("names", "text", "side"),
    [
        pytest.param(
            ["ספורט", "כלכלה", "פוליטיקה ומדיניות חוץ"], "הקבוצה ניצחה במשחק, 3:1, על פי BBC.", "rtl", id="he"
        ),
        pytest.param(["体育", "财经", "国际时事与外交政策"], "球队在决赛中以三比一获胜。", "ltr", id="zh"),
    ],
)
def test_texts_run_in_the_direction_of_their_script(
    open_report: OpenReport, names: list[str], text: str, side: str, screen: str
) -> None:
    page = open_report(screen, names, text=text)
    require_fitting(page, screen)
    assert page.locator("#mistakes .text").first.inner_text() == text
    assert page.eval_on_selector("#mistakes .text div", "e => getComputedStyle(e).direction") == side
    assert page.eval_on_selector("#classes tbody bdi", "e => getComputedStyle(e).direction") == side
    first = page.locator("#mistakes tbody tr").first
    text_end, label_start = first.locator(".text div").bounding_box(), first.locator("bdi").first.bounding_box()
    assert text_end is not None
    assert label_start is not None
    if screen == "desktop":
        assert label_start["x"] - text_end["x"] - text_end["width"] > 10, "texts and labels stand apart"
    rows = page.locator("#classes table.classes tbody th").all_inner_texts()
    assert rows == names
