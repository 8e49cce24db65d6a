"""The page in a browser: silent, alone, and usable by mouse and by keyboard."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tempo.comparison.comparison import Comparison


class Opened:
    """A page, what it logged, and what it asked for."""

    def __init__(self, browser: Any, path: Path, wait: str = "main", **options: Any) -> None:
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


def in_view(opened: Opened, selector: str) -> list[bool]:
    """Whether each element lies within the window as it is, without scrolling."""
    return list(
        opened.page.locator(selector).evaluate_all(
            """nodes => nodes.map(node => { const box = node.getBoundingClientRect();
            return box.width > 0 && box.top >= 0 && box.bottom <= innerHeight
                && box.left >= 0 && box.right <= innerWidth + 1; })"""
        )
    )


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_first_screen_answers(browser: Any, page: Path, width: int, height: int) -> None:
    it = Opened(browser, page)
    it.page.set_viewport_size({"width": width, "height": height})
    assert in_view(it, ".verdict") == [True]
    for part in ("th[scope=row]", "td.word", "td .strip"):
        assert in_view(it, f"#answer tbody {part}") == [True] * 7
    assert it.page.locator("details.fold[open]").count() == 0
    clipped = """nodes => nodes.filter(node => node.scrollWidth > node.clientWidth + 1).length"""
    assert it.page.locator("#answer td.word, #answer td.number").evaluate_all(clipped) == 0
    it.context.close()


def test_a_link_opens_its_section_and_one_button_all(browser: Any, page: Path) -> None:
    it = Opened(browser, page)
    assert not it.page.locator("#grid-results").is_visible()
    it.page.locator(".contents a[href='#results']").click()
    it.page.wait_for_selector("#grid-results")
    assert it.page.locator("details.fold[open]").count() == 1
    it.open_all()
    assert it.page.locator("details.fold:not([open])").count() == 0
    it.context.close()


POINT = """figure => { const about = figure.about, [axes, x, y] = about.points[INDEX];
    const box = about.boxes.wide[axes], ends = about.axes[axes].ends;
    const svg = figure.querySelector(".wide svg"), at = svg.getScreenCTM();
    const sx = box[0] + (x - ends[0]) / (ends[1] - ends[0]) * (box[1] - box[0]);
    const sy = box[3] - (y - ends[2]) / (ends[3] - ends[2]) * (box[3] - box[2]);
    return [at.a * sx + at.e, at.d * sy + at.f]; }"""


def hover(opened: Opened, figure: str, index: int) -> str:
    """What the page says at a point of a figure."""
    node = opened.page.locator(f"#figure-{figure}")
    node.scroll_into_view_if_needed()
    opened.page.mouse.move(*node.evaluate(POINT.replace("INDEX", str(index))))
    return str(opened.page.locator("#told").inner_text())


def test_a_point_says_value_interval_seed_and_run(opened: Opened, whole: Comparison) -> None:
    curve = whole.curves[0]
    said = hover(opened, "learning_curves", 5)
    assert f"{curve.variant}, step 300: {curve.mean[5]:.2f} dB [{curve.low[5]:.2f}, " in said
    assert f"seed 1: {curve.lines[1][5]:.2f}" in said
    told = opened.page.locator("#figure-seeds").evaluate("figure => figure.about.points[1][4]")
    estimate = whole.rows[0].estimates["psnr"]
    assert told.endswith(f"seed 0: {estimate.values[0]:.2f} dB\nrun {estimate.run_ids[0]}")
    opened.page.locator("#answer .strip").nth(1).hover()
    assert "seed 0: −0.21, run se=off,dilation=mixed-0" in opened.page.locator("#told").inner_text()


SHOWN = "nodes => nodes.map(node => getComputedStyle(node).display)"


def test_the_legend_hides_a_variant_in_every_figure(opened: Opened) -> None:
    button = opened.page.locator("#figure-learning_curves .legend button").nth(1)
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    for figure in ("learning_curves", "health", "pareto"):
        groups = opened.page.locator(f"#figure-{figure} .wide [data-s='1']")
        assert groups.count() >= 2
        assert set(groups.evaluate_all(SHOWN)) == {"none"}
        others = opened.page.locator(f"#figure-{figure} .wide [data-s='0']")
        assert "none" not in others.evaluate_all(SHOWN)
    button.click()
    assert "none" not in opened.page.locator("#figure-pareto [data-s='1']").evaluate_all(SHOWN)


def test_a_logarithmic_axis_moves_the_curve_and_comes_back(opened: Opened) -> None:
    figure = opened.page.locator("#figure-learning_curves")
    line = figure.locator(".wide [data-s='0'] > path").first
    start = line.get_attribute("d")
    toggle = figure.get_by_role("button", name="Logarithmic horizontal axis")
    toggle.click()
    moved = [float(each) for each in re.findall(r"[ML] ([\d.]+)", str(line.get_attribute("d")))]
    steps = [math.log10(step) for step in range(50, 601, 50)]
    share = [(x - moved[0]) / (moved[-1] - moved[0]) for x in moved]
    wanted = [(x - steps[0]) / (steps[-1] - steps[0]) for x in steps]
    assert share == pytest.approx(wanted, abs=1e-3)
    assert "50" in figure.locator(".wide .ticks text").all_text_contents()
    toggle.click()
    was, back = (
        [float(each) for each in re.findall(r"[\d.]+", str(path))]
        for path in (start, line.get_attribute("d"))
    )
    assert back == pytest.approx(was, abs=0.02)
    assert figure.locator(".ticks").count() == 0


def test_panes_zoom_by_the_wheel_and_move_together(opened: Opened) -> None:
    assert opened.page.locator("#left").input_value() != opened.page.locator("#right").input_value()
    opened.page.get_by_role("button", name="Side by side").click()
    stage = opened.page.locator("#stage")
    stage.scroll_into_view_if_needed()
    opened.page.wait_for_timeout(400)
    pane = opened.page.locator("#stage .pane").first.bounding_box()
    middle = pane["x"] + pane["width"] / 2, pane["y"] + pane["height"] / 2
    opened.page.mouse.move(*middle)
    for _ in range(4):
        opened.page.mouse.wheel(0, -100)
    style = "nodes => nodes.map(node => node.style.transform)"
    pictures = opened.page.locator("#stage .picture")
    opened.page.wait_for_function("document.querySelector('#stage').classList.contains('zoomed')")
    zoomed = pictures.evaluate_all(style)
    assert zoomed[0] == zoomed[1]
    opened.page.mouse.down()
    opened.page.mouse.move(middle[0] + 60, middle[1] + 30, steps=3)
    opened.page.mouse.up()
    moved = pictures.evaluate_all(style)
    assert moved[0] == moved[1] != zoomed[0]
    for side in ("a", "b"):
        outer = opened.page.locator(f"#stage .{side}").bounding_box()
        inner = opened.page.locator(f"#stage .{side} .picture").bounding_box()
        for start, size in (("x", "width"), ("y", "height")):
            assert inner[start] <= outer[start] + 1
            assert inner[start] + inner[size] >= outer[start] + outer[size] - 1


def test_on_paper_sections_are_open_tables_whole_and_headings_repeat(
    browser: Any, page: Path
) -> None:
    it = Opened(browser, page)
    it.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert it.page.locator("details.fold:not([open])").count() == 0
    it.page.emulate_media(media="print")
    rule = "node => getComputedStyle(node).%s"
    assert it.page.locator("#table-results").evaluate(rule % "breakInside") == "avoid"
    assert it.page.locator(".answer").evaluate(rule % "breakInside") == "avoid"
    assert it.page.locator("#grid-results thead").evaluate(rule % "display") == "table-header-group"
    it.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert it.page.locator("details.fold[open]").count() == 0
    it.context.close()


def test_every_dot_of_the_scatter_shows_on_a_dark_page(browser: Any, page: Path) -> None:
    it = Opened(browser, page, color_scheme="dark")
    it.open_all()
    strokes = it.page.locator("#figure-clip_scatter [id*=PathCollection] use").evaluate_all(
        "nodes => nodes.map(node => getComputedStyle(node).stroke)"
    )
    assert len(strokes) == 48
    assert set(strokes) == {"rgb(233, 230, 223)"}
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
