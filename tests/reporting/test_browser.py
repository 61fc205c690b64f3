"""Pages in a real browser: nothing is asked for, all is reached by keyboard, axe finds nothing."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.html_page import HOSTILE
from tests.run_files import falsify, put

import fmnistlab
from fmnistlab.auditing import Audit
from fmnistlab.experiments.comparison.comparison import Comparison

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

Page = Any
"""A page of playwright, which need not be installed where types are checked."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The browser of the system; nothing is downloaded."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"there is no browser: none of {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as started:
        flags = ["--no-sandbox", "--disable-gpu"]
        found = started.chromium.launch(executable_path=path, args=flags)
        yield found
        found.close()


@pytest.fixture(scope="module")
def pages(
    trained_once: Path,
    compared_once: Comparison,
    audited_once: Audit,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """A page of each kind, and a run with a hostile name."""
    folder = tmp_path_factory.mktemp("pages")
    hostile = Path(shutil.copytree(trained_once, folder / "hostile"))
    name = f"<img src=x onerror=alert(1)>{HOSTILE}"
    falsify(hostile / "config.json", put("model.name", name))
    falsify(hostile / "result.json", put("model", name))
    return {
        "run": fmnistlab.report(trained_once, folder / "run.html"),
        "comparison": fmnistlab.report(compared_once, folder / "comparison.html"),
        "audit": fmnistlab.report(audited_once, folder / "audit.html"),
        "hostile": fmnistlab.report(hostile, folder / "hostile.html"),
    }


@pytest.fixture
def show(browser: Any, pages: dict[str, Path]) -> Iterator[Any]:
    """Opens a page, and at the end tells what it asked for or complained of."""
    found: list[str] = []
    contexts = []

    def opened(kind: str, width: int = 1280, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: found.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: found.append(f"error: {error}"))
        page.on("dialog", lambda dialog: found.append(f"dialog: {dialog.message}"))
        page.on(
            "request",
            lambda request: (
                request.url.startswith(("data:", pages[kind].as_uri()))
                or found.append(f"request: {request.url}")
            ),
        )
        page.goto(pages[kind].as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert found == []


@pytest.mark.parametrize("kind", ["run", "comparison", "audit"])
@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(show: Any, kind: str, width: int, scheme: str) -> None:
    page = show(kind, width, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    if kind == "run":
        page.locator("[popovertarget]").first.click()
        found = axe.Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("kind", ["run", "comparison", "audit", "hostile"])
@pytest.mark.parametrize("width", [320, 768, 1280])
def test_the_page_itself_does_not_scroll_sideways(show: Any, kind: str, width: int) -> None:
    page = show(kind, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_each_cell_opens_and_closes_by_keyboard_and_gives_the_focus_back(show: Any) -> None:
    page = show("run")
    filled = page.locator(".matrix button").count()
    reached = set()
    focus = "document.activeElement.getAttribute('popovertarget')"
    for _ in range(3 * filled + 60):
        page.keyboard.press("Tab")
        cell = page.evaluate(focus)
        if cell is None or cell in reached:
            continue
        reached.add(cell)
        box = page.locator(f"#{cell}")
        page.keyboard.press("Enter")
        assert box.is_visible()
        box.locator(".close:focus").wait_for()
        page.keyboard.press("Escape")
        assert not box.is_visible()
        assert page.evaluate(focus) == cell
        page.keyboard.press("Space")
        box.locator(".close:focus").wait_for()
        page.keyboard.press("Enter")
        assert not box.is_visible()
        assert page.evaluate(focus) == cell
    assert len(reached) == filled >= 10


@pytest.mark.parametrize("kind", ["run", "audit"])
def test_galleries_can_be_filtered_by_class_without_a_script(show: Any, kind: str) -> None:
    for scripts in (True, False):
        page = show(kind, java_script_enabled=scripts)
        if scripts:
            tiles = page.locator(".filtered .gallery li")
            everything = tiles.count()
            shown = 0
            for label in range(10):
                page.locator(f"#f-{label}").check()
                visible = tiles.evaluate_all(
                    "all => all.filter((tile) => tile.offsetParent).map((tile) => tile.className)"
                )
                assert set(visible) <= {f"t{label}"}
                shown += len(visible)
            assert shown == everything > 0
        else:
            page.locator("#f-3").check()
            assert page.locator(".filtered .gallery li:visible:not(.t3)").count() == 0


def test_tables_can_be_sorted_by_keyboard(show: Any) -> None:
    page = show("run")
    head = page.locator("table.sortable th", has_text="recall")
    head.locator("button").focus()
    column = "table.sortable tbody td:nth-child(3)"
    read = "cells => cells.map((cell) => parseFloat(cell.dataset.value))"
    for key, order in (("Enter", "descending"), ("Space", "ascending"), ("Enter", "descending")):
        page.keyboard.press(key)
        values = page.locator(column).evaluate_all(read)
        values = [value for value in values if not math.isnan(value)]
        assert head.get_attribute("aria-sort") == order
        assert values == sorted(values, reverse=order == "descending")
    assert page.locator("[aria-sort]").count() == 1


@pytest.mark.parametrize("kind", ["run", "comparison", "audit"])
def test_without_scripts_all_numbers_are_there(show: Any, kind: str) -> None:
    with_scripts = show(kind).locator("main").inner_text()
    without = show(kind, java_script_enabled=False).locator("main").inner_text()
    numbers = re.compile(r"\d[\d.,]*")
    assert sorted(numbers.findall(without)) == sorted(numbers.findall(with_scripts))


@pytest.mark.parametrize("kind", ["run", "comparison", "audit", "hostile"])
def test_it_prints_with_everything_opened(show: Any, kind: str) -> None:
    page = show(kind)
    pdf = page.pdf(format="A4", margin=dict.fromkeys(("top", "right", "bottom", "left"), "15mm"))
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 12
    page.emulate_media(media="print")
    if kind == "run":
        cells = page.locator(".cell")
        assert all(cells.nth(i).is_visible() for i in range(cells.count()))
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_what_was_folded_is_folded_again_after_printing(show: Any) -> None:
    page = show("run")
    folded = "document.querySelectorAll('details:not([open])').length"
    before = page.evaluate(folded)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(folded) == page.locator("details.more").count()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(folded) == before > 0


def test_a_hostile_name_is_shown_as_it_is_spelled(show: Any) -> None:
    page = show("hostile")
    assert "<img src=x onerror=alert(1)>" in page.locator("h1").inner_text()
    assert page.locator("img").count() == 0
