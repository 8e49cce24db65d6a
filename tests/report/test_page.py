"""The page in a browser: silent, alone, and usable by mouse and by keyboard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Opened:
    """A page, what it logged, and what it asked for."""

    def __init__(
        self, browser: Any, path: Path, wait: str = "main", **options: Any
    ) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        self.page = self.context.new_page()
        self.trouble: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.trouble.append(message.text))
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector(wait)

    def open_all(self) -> None:
        """Open every section, as the button does."""
        self.page.locator("#unfold").click()

    def names(self, table: str = "results") -> list[str]:
        rows = self.page.locator(f"#grid-{table} tbody tr:not(.note):visible th")
        return [str(text) for text in rows.all_inner_texts()]


@pytest.fixture
def opened(browser: Any, page: Path) -> Iterator[Opened]:
    it = Opened(browser, page)
    it.open_all()
    yield it
    it.context.close()
    assert it.trouble == []


@pytest.mark.parametrize("which", ["page", "hostile_page"])
def test_the_page_is_silent_and_asks_for_nothing(
    browser: Any, which: str, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(which)
    it = Opened(browser, path)
    outside = [url for url in it.requests if not url.startswith("data:")]
    it.context.close()
    assert it.trouble == []
    assert outside == [path.as_uri()]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("which", ["page", "hostile_page"])
def test_nothing_sticks_out_sideways(
    browser: Any, which: str, width: int, request: pytest.FixtureRequest
) -> None:
    it = Opened(browser, request.getfixturevalue(which))
    it.page.set_viewport_size({"width": width, "height": 900})
    assert it.page.evaluate("document.documentElement.scrollWidth") <= width
    it.open_all()
    assert it.page.evaluate("document.documentElement.scrollWidth") <= width
    it.context.close()


def test_columns_sort_both_ways_and_keep_missing_last(opened: Opened) -> None:
    header = opened.page.locator("#grid-results thead th", has_text="parameters").locator("button")
    header.click()
    rising = opened.names()
    assert rising[0] == "tempo_v2"
    assert rising[-2:] == ["average", "nearest"]
    header.press("Enter")
    falling = opened.names()
    assert falling[:5] == rising[:5][::-1]
    assert falling[-2:] == ["average", "nearest"]


def test_rows_filter_by_all_words(opened: Opened) -> None:
    field = opened.page.locator("[data-filters=grid-results]")
    field.focus()
    opened.page.keyboard.type("SE=OFF worse")
    assert opened.names() == ["se=off,dilation=mixed", "se=off,dilation=plain"]
    field.fill("")
    assert len(opened.names()) == 7


def test_a_switch_shows_one_figure_at_a_time(opened: Opened) -> None:
    figures = opened.page.locator("#curves .plate:visible")
    assert figures.count() == 1
    opened.page.get_by_role("button", name="by time").press("Space")
    assert figures.count() == 1
    assert figures.get_attribute("id") == "figure-learning_by_time"


def test_a_number_leads_to_its_runs(opened: Opened) -> None:
    opened.page.locator("#grid-results tbody tr").nth(1).locator("td a").first.click()
    group = opened.page.locator("#v1")
    assert group.evaluate("node => node.open")
    assert group.locator("tbody tr").count() == 3


def clip_path(opened: Opened) -> str:
    return str(opened.page.locator("#stage .over").evaluate("node => node.style.clipPath"))


def test_the_wipe_follows_mouse_and_arrow_keys(opened: Opened) -> None:
    stage = opened.page.locator("#stage")
    stage.scroll_into_view_if_needed()
    box = opened.page.locator("#stage .canvas").bounding_box()
    opened.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20)
    opened.page.mouse.down()
    opened.page.mouse.up()
    assert "25%" in clip_path(opened)
    stage.focus()
    opened.page.keyboard.press("ArrowRight")
    assert "27%" in clip_path(opened)


def test_blink_zoom_and_clips_work_from_the_keyboard(opened: Opened) -> None:
    stage = opened.page.locator("#stage")
    stage.focus()
    first = opened.page.locator("#reading").inner_text()
    opened.page.keyboard.press("n")
    assert opened.page.locator("#reading").inner_text() != first
    opened.page.keyboard.press("p")
    assert opened.page.locator("#reading").inner_text() == first
    before = opened.page.locator("#stage .picture").first.bounding_box()["width"]
    for _ in range(4):
        opened.page.keyboard.press("+")
    assert opened.page.locator("#stage .picture").first.bounding_box()["width"] > 2 * before
    opened.page.keyboard.press("b")
    opened.page.wait_for_selector("#stage .over.off", state="attached")
    opened.page.wait_for_selector("#stage .over:not(.off)", state="attached")
    opened.page.keyboard.press("b")
    assert "50%" in clip_path(opened)


def test_error_maps_are_black_where_nothing_differs(opened: Opened) -> None:
    opened.page.locator("#left").select_option("target")
    opened.page.get_by_role("button", name="Error maps").click()
    opened.page.wait_for_selector("#stage canvas")
    brightest = """node => Math.max(...node.getContext("2d")
        .getImageData(0, 0, node.width, node.height).data.filter((_, i) => i % 4 !== 3))"""
    canvases = opened.page.locator("#stage canvas")
    assert canvases.nth(0).evaluate(brightest) <= 4
    assert canvases.nth(1).evaluate(brightest) > 40


def test_the_scheme_follows_the_system_and_the_button(browser: Any, page: Path) -> None:
    it = Opened(browser, page, color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = it.page.evaluate(ground)
    it.page.get_by_role("button", name="Light").click()
    assert it.page.evaluate(ground) != dark
    it.context.close()


def axe() -> Path | None:
    """axe-core's script: named by $AXE_CORE, or installed by npm in .ci."""
    root = Path(__file__).parents[2]
    places = (os.environ.get("AXE_CORE"), root / ".ci/node_modules/axe-core/axe.min.js")
    return next((Path(place) for place in places if place and Path(place).is_file()), None)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(browser: Any, page: Path, scheme: str) -> None:
    script = axe()
    if script is None:
        pytest.skip("axe-core is not here: npm install --prefix .ci axe-core, or set AXE_CORE")
    it = Opened(browser, page, color_scheme=scheme, bypass_csp=True)
    it.open_all()
    it.page.add_script_tag(content=script.read_text())
    found = it.page.evaluate("axe.run().then(result => result.violations)")
    it.context.close()
    grave = [
        (each["id"], [node["html"][:120] for node in each["nodes"][:3]])
        for each in found
        if each["impact"] in {"serious", "critical"}
    ]
    assert grave == []
