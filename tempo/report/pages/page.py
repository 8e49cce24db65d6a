"""Define a page as data and render it by templates: summary, figures, tables and texts."""

from __future__ import annotations

import base64
import io
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tempo.report.figures import style
from tempo.report.figures.export import Made, Plate
from tempo.report.formats.phrases import visible
from tempo.report.formats.table import NotApplicable, Table

TEMPLATES = Path(__file__).parent.parent / "templates"

FACES = (
    ("STIXGeneral.ttf", 400, "normal"),
    ("STIXGeneralItalic.ttf", 400, "italic"),
    ("STIXGeneralBol.ttf", 700, "normal"),
)
"""File, CSS weight, CSS style of the typeface, STIX General, which matplotlib ships.

The figures are set in STIX too. The STIX font licence (LICENSE_STIX beside the fonts) allows
embedding and subsetting.
"""


Part = str | Mapping[str, str] | tuple["Part", ...]
"""A figure or table by `kind:name`, a text by its name, figures that share a place (name to the
label to switch by), or several of these side by side."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under the heading, in order."""

    anchor: str
    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A part that is there: its kind, and what its template needs."""

    kind: str
    content: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page as data: a summary, and sections of figures, tables and texts.

    `texts`: finished HTML by name, empty for a text without content. `colophon`: what the foot
    says of where the numbers come from.
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


def render(page: Page) -> str:
    """Return the whole page as one HTML file that loads nothing else."""
    absent: dict[str, str] = {}
    sections = [
        (section, blocks)
        for section in page.sections
        if (blocks := _blocks(section.parts, page, absent))
    ]
    body = text(
        "page.html",
        page=page,
        sections=sections,
        absent=absent,
        colours=style.css_variables(),
        css=(TEMPLATES / "page.css").read_text(),
        js=(TEMPLATES / "page.js").read_text(),
        numbering=_numbering(sections),
    )
    words = re.sub(r"<svg.*?</svg>", "", body, flags=re.DOTALL)
    return body.replace("/*fonts*/", font_faces(words), 1)


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
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    return environment.get_template(name)


def _subset(path: Path, text: str) -> bytes:
    """Return the font in `path` as WOFF, with the glyphs of `text` alone."""
    from fontTools import subset  # type: ignore[import-untyped]

    logging.getLogger("fontTools.subset").setLevel(logging.ERROR)
    options = subset.Options(flavor="woff", hinting=False, layout_features=["*"])
    font = subset.load_font(str(path), options)
    cutter = subset.Subsetter(options)
    cutter.populate(text=text)
    cutter.subset(font)
    buffer = io.BytesIO()
    subset.save_font(font, buffer, options)
    return buffer.getvalue()


def font_faces(text: str) -> str:
    """Return `@font-face` rules of "Tempo Serif" for `text`; other characters fall back."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    letters = "".join(sorted(set(text) | set(map(chr, range(32, 127)))))
    rules = []
    for name, weight, slant in FACES:
        data = base64.b64encode(_subset(folder / name, letters)).decode()
        rules.append(
            "@font-face { font-family: 'Tempo Serif'; "
            f"font-weight: {weight}; font-style: {slant}; "
            f"src: url(data:font/woff;base64,{data}) format('woff'); }}"
        )
    return "\n".join(rules)


DEMONSTRATIONS = ("demo", "smoke")


@dataclass(frozen=True, slots=True)
class Banner:
    """A warning at the top. `tone`: note, or alert for what makes numbers untrustworthy."""

    tone: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence and a link to the place on the page that says more, or no link."""

    text: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A box of labels with values, or of remarks; `empty` is printed where there is neither."""

    title: str
    entries: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """What opens a page after the title and the question."""

    banners: tuple[Banner, ...]
    verdict: str
    also: tuple[str, ...]
    boxes: tuple[Box, ...]


def demonstration(profile: str | None, what: str) -> tuple[Banner, ...]:
    """Return the banner of a page that was run under a small profile, or none."""
    if profile not in DEMONSTRATIONS:
        return ()
    text = (
        f"It was run under the profile “{profile}”: small networks, few steps, small clips. It "
        f"shows that the machinery works, and what {what} looks like; its numbers say nothing "
        "about the networks at full size."
    )
    return (Banner("note", "This is a demonstration", text),)
