"""Write a drawing as files: PNG for screens, PDF and SVG for papers, and SVG inside the page."""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from tempo.core.catalog import unknown
from tempo.core.errors import NotApplicableError, UnknownNameError
from tempo.core.startup import uncollected
from tempo.report.figures import style
from tempo.report.figures.drawing import Drawing
from tempo.report.figures.page_figure import (
    Series,
    lay_out,
    page_figures,
    rest_empty_labels,
    take_series,
)
from tempo.report.figures.second_process import forks, made_by_two
from tempo.report.formats.table import NotApplicable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS: dict[str, dict[str, Any]] = {
    "png": {"dpi": 200, "facecolor": "#ffffff", "pil_kwargs": {"compress_level": 4}},
    "pdf": {"metadata": {"CreationDate": None}},
    "svg": {"metadata": {"Date": None}},
}
"""By suffix, how a figure is saved; undated, so that the same records give the same bytes."""


@dataclass(frozen=True, slots=True)
class Plate:
    """A finished figure: its files by suffix, its caption, and what the page needs of it.

    `inline` is SVG by width, "narrow" and where it may be drawn wider "wide"; `series` are the
    entries of its legend; `told` is what answers to the mouse, as JSON values. `broad`: it is
    drawn over both columns alone, so that a phone scrolls it.
    """

    name: str
    caption: str
    files: dict[str, bytes]
    inline: dict[str, str]
    series: tuple[Series, ...]
    told: dict[str, Any]
    broad: bool = False

    @property
    def size(self) -> int:
        """Bytes that the figure takes on the page, about."""
        return sum(map(len, self.inline.values())) + len(json.dumps(self.told))


Made = Plate | NotApplicable

Subject = TypeVar("Subject")
Draws = Mapping[str, Callable[[Subject], Drawing | NotApplicable]]


def plates(
    draws: Draws[Subject], subject: Subject, formats: Sequence[str] = tuple(FORMATS)
) -> dict[str, Made]:
    """Return every figure that applies, and the reason where one does not.

    Figures are independent, so two processes share them where the system can fork cheaply.
    """
    _import_backends()
    one = partial(_make_named, draws, subject, formats)
    with uncollected():
        return made_by_two(one, [*draws]) if forks() else {name: one(name) for name in draws}


def _import_backends() -> None:
    """Import what every figure needs, once, before the fork."""
    for name in ("figure", "backends.backend_agg", "backends.backend_pdf", "backends.backend_svg"):
        importlib.import_module(f"matplotlib.{name}")


def _make_named(draws: Draws[Subject], subject: Subject, formats: Sequence[str], name: str) -> Made:
    return make(name, draws[name], subject, formats)


def make(
    name: str,
    draw: Callable[[Subject], Drawing | NotApplicable],
    subject: Subject,
    formats: Sequence[str] = tuple(FORMATS),
) -> Made:
    """Return the figure called `name`, as files of `formats`."""
    with report_style():
        drawn = draw(subject)
        return drawn if isinstance(drawn, NotApplicable) else _plate(name, drawn, formats)


def figure_of(draws: Draws[Subject], name: str, subject: Subject) -> Figure:
    """Return the figure called `name` on the colour of paper, for a notebook or a file.

    Raises:
        UnknownNameError: no figure has this name; the message lists the known ones.
        NotApplicableError: the subject has no such figure; the message says why.
    """
    if name not in draws:
        raise UnknownNameError(unknown("figure", name, draws))
    with report_style():
        drawn = draws[name](subject)
    if isinstance(drawn, NotApplicable):
        raise NotApplicableError(f"There is no figure {name!r}: {drawn.reason}.")
    drawn.figure.set_facecolor(style.PAPER.light)
    return drawn.figure


@contextmanager
def report_style() -> Iterator[None]:
    """Set matplotlib to the report's style while figures are drawn."""
    import logging
    import warnings

    import matplotlib as mpl

    logging.getLogger("fontTools.subset").setLevel(logging.ERROR)
    with mpl.rc_context(style.rc()), warnings.catch_warnings():
        # A name may hold characters that no bundled font has; a box in their place is enough.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        yield


def _plate(name: str, drawing: Drawing, formats: Sequence[str]) -> Plate:
    figure = drawing.figure
    series = take_series(figure)
    rest_empty_labels(figure)
    lay_out(figure)
    files = {suffix: _saved(figure, suffix) for suffix in formats}
    broad = figure.get_figwidth() > style.COLUMN
    inline, told = page_figures(name, drawing, series, partial(_saved, suffix="svg"))
    return Plate(name, drawing.caption, files, inline, series, told, broad)


def _saved(figure: Figure, suffix: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix, **FORMATS[suffix])
    return buffer.getvalue()
