"""Define a page as data and render it by templates: summary, figures, tables and texts."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tempo.report.figures import style
from tempo.report.figures.export import Made, Plate
from tempo.report.formats.phrases import visible
from tempo.report.formats.table import NotApplicable, Table
from tempo.report.pages.summary import Summary

TEMPLATES = Path(__file__).parent.parent / "templates"

FACES = (
    ("serif-regular.woff", 400, "normal"),
    ("serif-italic.woff", 400, "italic"),
    ("serif-bold.woff", 700, "normal"),
)
"""File, CSS weight, CSS style of the typeface, cut from STIX General, in which figures are set.

`tests/report/make_fonts.py` cut them; their licence lies beside them.
"""

SCRIPTS = ("page.js", "figures.js", "scales.js", "viewer.js")
"""The script of the page, in the order in which its parts stand."""

LIVE_SCRIPT = "live.js"
"""What a page that is served while a study runs has beside these: no other part asks a server."""

Part = str | Mapping[str, str] | tuple["Part", ...]
"""A figure or table by `kind:name`, a text by its name, figures that share a place (name to the
label to switch by), or several of these side by side."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under the heading, in order.

    Sections are folded but for those that are `unfolded`; `about` says in a few words what a
    section without figures and tables holds.
    """

    anchor: str
    title: str
    parts: tuple[Part, ...]
    unfolded: bool = False
    about: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A part that is there: its kind, and what its template needs."""

    kind: str
    content: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page as data: a summary, and sections of figures, tables and texts.

    `texts`: finished HTML by name, empty for a text without content. `colophon`: what the foot
    says of where the numbers come from. `beside`: further files that lie beside the page. `live`:
    finished HTML of a page that is served while a study runs, and asks its server what is new;
    empty for a page that is a file.
    """

    kind: str
    title: str
    question: str
    summary: Summary
    sections: tuple[Section, ...]
    figures: Mapping[str, Made]
    tables: Mapping[str, Table | NotApplicable]
    texts: Mapping[str, str]
    colophon: str
    beside: tuple[str, ...] = ()
    live: str = ""


def render(page: Page) -> str:
    """Return the whole page as one HTML file that loads nothing else."""
    absent: dict[str, str] = {}
    sections = [
        (section, blocks)
        for section in page.sections
        if (blocks := _blocks(section.parts, page, absent))
    ]
    numbering = _numbering(sections)
    scripts = (*SCRIPTS, LIVE_SCRIPT) if page.live else SCRIPTS
    return text(
        "page.html",
        page=page,
        sections=sections,
        holds={section.anchor: _holds(blocks, numbering) for section, blocks in sections},
        absent=absent,
        colours=style.css_variables(),
        fonts=font_faces(),
        css=(TEMPLATES / "page.css").read_text(encoding="utf-8"),
        js="\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in scripts),
        numbering=numbering,
        markers=MARKERS,
        figures={
            plate.name: plate.told
            for _, blocks in sections
            for plate in _plates(blocks)
            if plate.told["points"] or plate.series
        },
    )


def text(name: str, **values: Any) -> str:
    """Return the template `name` filled in; labels in `values` are escaped."""
    filled: str = _template(name).render(**values)
    return filled


def _blocks(parts: tuple[Part, ...], page: Page, absent: dict[str, str]) -> list[Block]:
    """Return the parts that are there; the reasons of the others go into `absent`."""
    blocks = []
    for part in parts:
        if isinstance(part, tuple):
            row = _blocks(part, page, absent)
            blocks += [Block("row", row)] if len(row) > 1 else row
            continue
        made = _block(part, page)
        if isinstance(made, Block):
            blocks.append(made)
        elif made is not None:
            name = part if isinstance(part, str) else next(iter(part))
            absent.setdefault(name.split(":")[-1].replace("_", " "), made.reason)
    return blocks


def _block(part: str | Mapping[str, str], page: Page) -> Block | NotApplicable | None:
    """Return the block of `part`; None for a text without content."""
    if not isinstance(part, str):
        made = {label: page.figures[name] for name, label in part.items()}
        plates = {label: plate for label, plate in made.items() if isinstance(plate, Plate)}
        missing = next((m for m in made.values() if isinstance(m, NotApplicable)), None)
        return Block("switch", plates) if plates else missing
    kind, _, name = part.partition(":")
    if name:
        found = page.figures[name] if kind == "figure" else page.tables[name]
        return found if isinstance(found, NotApplicable) else Block(kind, found)
    return Block("text", page.texts[part]) if page.texts[part] else None


def _numbering(sections: list[tuple[Section, list[Block]]]) -> dict[str, str]:
    """Return `Figure 3` and `Table 2` by kind and name, in the order of the page."""
    table: dict[str, str] = {}
    count = {"figure": 0, "table": 0}
    for kind, name in (each for _, blocks in sections for each in _captioned(blocks)):
        count[kind] += 1
        table[f"{kind}:{name}"] = f"{kind.title()} {count[kind]}"
    return table


def _holds(blocks: list[Block], numbering: Mapping[str, str]) -> str:
    """Return the figures and tables of a section by their numbers."""
    return ", ".join(numbering[f"{kind}:{name}"] for kind, name in _captioned(blocks))


def _plates(blocks: list[Block]) -> Iterator[Plate]:
    for block in blocks:
        if block.kind == "row":
            yield from _plates(block.content)
        elif block.kind == "switch":
            yield from block.content.values()
        elif block.kind == "figure":
            yield block.content


def _captioned(blocks: list[Block]) -> Iterator[tuple[str, str]]:
    for block in blocks:
        if block.kind == "row":
            yield from _captioned(block.content)
        elif block.kind == "switch":
            yield from (("figure", plate.name) for plate in block.content.values())
        elif block.kind in {"figure", "table"}:
            yield block.kind, block.content.name


def _finalize(value: Any) -> Any:
    """Return a label without unprintable characters; HTML that was made here stays as it is."""
    plain = isinstance(value, str) and not hasattr(value, "__html__")
    return visible(value) if plain else value


@cache
def _template(name: str) -> Any:
    return _templates().get_template(name)


@cache
def _templates() -> Any:
    """Return the environment in which each template is compiled once, however many include it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )


@cache
def font_faces() -> str:
    """Return `@font-face` rules of "Tempo Serif"; characters it does not have fall back."""
    rules = []
    for name, weight, slant in FACES:
        data = base64.b64encode((TEMPLATES / name).read_bytes()).decode()
        rules.append(
            "@font-face { font-family: 'Tempo Serif'; "
            f"font-weight: {weight}; font-style: {slant}; "
            f"src: url(data:font/woff;base64,{data}) format('woff'); }}"
        )
    return "\n".join(rules)


MARKERS = {
    "o": "M-3.5,0a3.5,3.5 0 1,0 7,0a3.5,3.5 0 1,0 -7,0z",
    "s": "M-3.2,-3.2h6.4v6.4h-6.4z",
    "^": "M0,-4L4,3.4H-4z",
    "v": "M0,4L4,-3.4H-4z",
    ">": "M4,0L-3.4,4V-4z",
    "D": "M0,-4.2L4.2,0L0,4.2L-4.2,0z",
    "P": "M-1.4,-4h2.8v2.6h2.6v2.8h-2.6v2.6h-2.8v-2.6h-2.6v-2.8h2.6z",
    "X": "M-3.9,-2L-2,-3.9L0,-1.9L2,-3.9L3.9,-2L1.9,0L3.9,2L2,3.9L0,1.9L-2,3.9L-3.9,2L-1.9,0z",
    "x": "M-3,-3L3,3M-3,3L3,-3",
    "*": "M0,-4.6L1.1,-1.5H4.4L1.8,.5L2.8,3.7L0,1.8L-2.8,3.7L-1.8,.5L-4.4,-1.5H-1.1z",
    ".": "M-1.5,0a1.5,1.5 0 1,0 3,0a1.5,1.5 0 1,0 -3,0z",
    "|": "M0,-4.5V4.5",
    "better": "M0,-4.2L4.2,3.6H-4.2z",
    "worse": "M0,4.2L4.2,-3.6H-4.2z",
    "equivalent": "M-3.3,-3.3h6.6v6.6h-6.6z",
    "inconclusive": "M-3.6,0a3.6,3.6 0 1,0 7.2,0a3.6,3.6 0 1,0 -7.2,0z",
    "incomparable": "M-3,-3L3,3M-3,3L3,-3",
}
"""Markers of figures and of verdicts as SVG paths about zero, in pixels of the page."""
