"""Turn a figure into SVG for the page: two widths, entries to hide, points that answer to a mouse.

The page draws the legend itself, as buttons, so the legend of the figure is cut off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tempo.report.figures import style
from tempo.report.figures.drawing import SERIES, Drawing, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS_PER_INCH = 72


@dataclass(frozen=True, slots=True)
class Series:
    """An entry of a legend: its label, and its colour, dash and marker as the page draws them.

    `colour` and `face` are colours of the style's inks; `dash` is an SVG dash array, empty for a
    solid line, "none" without a line; `marker` is a marker of matplotlib, empty without one.
    """

    label: str
    colour: str
    face: str
    dash: str
    marker: str


def take_series(figure: Figure) -> tuple[Series, ...]:
    """Return the entries of a figure's legend, and give their artists group ids by number.

    An artist belongs to an entry by its label, or by the id that `belongs_to` gave.
    """
    handles: dict[str, Any] = {}
    for legend in figure.legends:
        texts = [text.get_text() for text in legend.get_texts()]
        handles |= dict(zip(texts, legend.legend_handles, strict=True))
    texts = list(handles)
    place = {label: index for index, label in enumerate(texts)}
    count = 0
    for axes in figure.axes:
        for artist in (*axes.lines, *axes.collections):
            own = str(artist.get_gid() or "")
            label = own.removeprefix(SERIES) if own.startswith(SERIES) else artist.get_label()
            index = place.get(str(label), -1)
            if index >= 0 or own.startswith(SERIES):
                artist.set_gid(f"series-{index if index >= 0 else 'none'}-{count}")
                count += 1
    return tuple(_series(label, handle) for label, handle in handles.items())


def _series(label: str, handle: Any) -> Series:
    from matplotlib.colors import to_hex

    marker, dash = str(handle.get_marker()), handle.get_linestyle()
    pattern = getattr(handle, "_unscaled_dash_pattern", (0, None))[1]
    dashes = " ".join(f"{each:g}" for each in pattern or ())
    return Series(
        label=label,
        colour=_ink(to_hex(handle.get_color())),
        face=_ink(to_hex(handle.get_markerfacecolor())),
        dash="none" if dash in {"None", "none", ""} else dashes,
        marker="" if marker in {"None", "none", ""} else marker,
    )


def _ink(colour: str) -> str:
    return next((f"var(--{ink.name})" for ink in style.INKS if ink.light == colour), colour)


def page_figures(
    name: str,
    drawing: Drawing,
    series: Sequence[Series],
    save: Callable[[Figure], bytes],
) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the SVG of a figure by width, and what the page's script needs of the figure.

    `save` writes a figure as SVG. Words stay words there: the page brings their typeface.
    """
    import matplotlib as mpl

    figure = drawing.figure
    labels = [each.label for each in series]
    place = {label: index for index, label in enumerate(labels)}
    told: dict[str, Any] = {
        "series": labels,
        "axes": [_scale(axes) for axes in figure.axes],
        "points": [_told(point, place) for point in drawing.points],
        "logarithmic": drawing.logarithmic,
        "boxes": {"narrow": _boxes(figure)},
    }
    cut = _legend_height(figure)
    for legend in figure.legends:
        legend.set_visible(False)
    with mpl.rc_context({"svg.fonttype": "none"}):
        inline = {"narrow": inlined(save(figure).decode(), name, cut)}
        if drawing.stretch and figure.get_figwidth() < style.WIDE:
            _widen(figure, cut)
            told["boxes"]["wide"] = _boxes(figure)
            inline["wide"] = inlined(save(figure).decode(), f"{name}-wide")
    return inline, told


def _widen(figure: Figure, cut: float) -> None:
    """Lay a figure out anew over both columns, without its legend, which is `cut` points high."""
    height = figure.get_figheight() - cut / POINTS_PER_INCH
    for legend in tuple(figure.legends):
        legend.remove()
    figure.set_size_inches(style.WIDE, height)
    figure.set_layout_engine("constrained")
    lay_out(figure)


def rest_empty_labels(figure: Figure) -> None:
    """Fix the place of labels without a text, which each layout and each save would look for."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if not axis.get_label_text():
                axis.set_label_coords(0, 0)


def lay_out(figure: Figure) -> None:
    """Place the axes of a figure for its size, once: each save would do so again."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)


def _legend_height(figure: Figure) -> float:
    """Return the points that the legend takes at the top of a figure."""
    if not figure.legends:
        return 0.0
    box = figure.legends[0].get_window_extent()
    points = POINTS_PER_INCH / figure.dpi
    return max(0.0, float(figure.bbox.height - box.y0) * points)


def _boxes(figure: Figure) -> list[list[float]]:
    """Return left, right, top and bottom of each axes, in the units of the SVG."""
    scale = POINTS_PER_INCH / figure.dpi
    height = figure.bbox.height
    return [
        [
            round(float(scale * each), 2)
            for each in (box.x0, box.x1, height - box.y1, height - box.y0)
        ]
        for box in (axes.get_window_extent() for axes in figure.axes)
    ]


def _scale(axes: Axes) -> dict[str, Any]:
    """Return the limits of both axes (left, right, bottom, top), and which are logarithmic."""
    ends = [float(f"{each:.8g}") for each in (*axes.get_xlim(), *axes.get_ylim())]
    return {"ends": ends, "log": [axes.get_xscale() == "log", axes.get_yscale() == "log"]}


def _told(point: Point, place: dict[str, int]) -> list[Any]:
    x, y = (float(f"{each:.6g}") for each in (point.x, point.y))
    return [point.axes, x, y, place.get(point.name, -1), point.text, point.link]


def inlined(svg: str, name: str, cut: float = 0.0) -> str:
    """Return `svg` for a page: ids of its own, colours that follow the page's scheme.

    `cut`: points that are left out at the top. Labels stay as they are: tags alone are changed.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"<[^>]+>", lambda found: _own_tag(found[0], name), body)
    head, rest = body.split(">", 1)
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head)
    width, height = (float(each) for each in found.groups()) if found else (240.0, 160.0)
    head = re.sub(r' (width|height|viewBox)="[^"]*"', "", head)
    box = f"0 {cut:.2f} {width:.2f} {height - cut:.2f}"
    size = f"--natural: {width:.0f}pt"
    label = f"caption-{name.removesuffix('-wide')}"
    return f'{head} viewBox="{box}" style="{size}" role="img" aria-labelledby="{label}">{rest}'


def _own_tag(tag: str, name: str) -> str:
    tag = re.sub(r'\bid="series-(\w+)-\d+"', r'data-s="\1"', tag)
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    tag = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", tag)
    for ink in style.INKS:
        tag = tag.replace(ink.light, f"var(--{ink.name})")
    return tag
