"""The page: what stands where, rendered by the templates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tempo.compare.comparison import Comparison
from tempo.report import style
from tempo.report.export import Made, Plate
from tempo.report.fonts import font_faces
from tempo.report.parts import NotApplicable
from tempo.report.phrases import visible
from tempo.report.pictures import Gallery, gallery
from tempo.report.runs import reproduction, run_groups
from tempo.report.summary import summary
from tempo.report.tables.grid import Table

TEMPLATES = Path(__file__).parent / "templates"


Part = str | Mapping[str, str] | tuple["Part", ...]
"""A figure or table by `kind:name`, a text by its name, figures that share a place (name to the
label to switch by), or several of these side by side."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it, in order."""

    anchor: str
    title: str
    parts: tuple[Part, ...]


SECTIONS = (
    Section("results", "Results", ("table:results", ("figure:seeds", "figure:forest"))),
    Section(
        "curves",
        "Learning curves",
        (
            {
                "learning_curves": "by step",
                "learning_by_epoch": "by epoch",
                "learning_by_time": "by time",
            },
            "table:learning",
        ),
    ),
    Section("samples", "Samples", ("figure:strip", "gallery")),
    Section("contrasts", "Contrasts", ("precision", "table:contrasts")),
    Section("effects", "Main effects and interactions", ("figure:effects", "table:effects")),
    Section(
        "attribution",
        "How one variant becomes another",
        ("figure:attribution", "table:attribution"),
    ),
    Section(
        "cost",
        "Quality and cost",
        ("figure:pareto", "table:fronts", "table:costs", "table:budgets"),
    ),
    Section(
        "where",
        "Where they differ",
        (
            ({"strata": "values", "strata_difference": "differences"}, "figure:clip_scatter"),
            "table:strata",
        ),
    ),
    Section("edges", "Edges and flicker", ("figure:edges_and_time",)),
    Section("fairness", "Fairness audit", ("table:fairness",)),
    Section("health", "Training health", ("figure:health", "failures")),
    Section("claims", "What the seed text expects", ("table:claims",)),
    Section("runs", "Runs", ("runs",)),
    Section("reproduction", "Reproduction", ("reproduction",)),
)


@dataclass(frozen=True, slots=True)
class Block:
    """A part that is there: what it is, and what its template needs."""

    kind: str
    content: Any


@dataclass(frozen=True, slots=True)
class Material:
    """All that the sections draw on."""

    comparison: Comparison
    figures: Mapping[str, Made]
    tables: Mapping[str, Table | NotApplicable]
    gallery: Gallery


def render(
    comparison: Comparison, figures: Mapping[str, Made], tables: Mapping[str, Table | NotApplicable]
) -> str:
    """The whole page as HTML, with nothing outside it."""
    material = Material(comparison, figures, tables, gallery(comparison))
    absent: dict[str, str] = {}
    sections = [
        (section, blocks)
        for section in SECTIONS
        if (blocks := _blocks(section.parts, material, absent))
    ]
    body: str = _template("page.html").render(
        comparison=comparison,
        summary=summary(comparison),
        sections=sections,
        absent=absent,
        gallery=material.gallery,
        runs=run_groups(comparison),
        reproduction=reproduction(comparison),
        colours=style.css_variables(),
        css=(TEMPLATES / "page.css").read_text(),
        js=(TEMPLATES / "page.js").read_text(),
        numbering=_numbering(sections),
    )
    text = re.sub(r"<svg.*?</svg>", "", body, flags=re.DOTALL)
    return body.replace("/*fonts*/", font_faces(text), 1)


def _blocks(parts: tuple[Part, ...], material: Material, absent: dict[str, str]) -> list[Block]:
    """The parts that are there; why the others are not goes into `absent`."""
    blocks = []
    for part in parts:
        if isinstance(part, tuple):
            row = _blocks(part, material, absent)
            blocks += [Block("row", row)] if len(row) > 1 else row
            continue
        made = _block(part, material)
        if isinstance(made, Block):
            blocks.append(made)
        elif made is not None:
            name = part if isinstance(part, str) else next(iter(part))
            absent.setdefault(name.split(":")[-1].replace("_", " "), made.reason)
    return blocks


def _block(part: str | Mapping[str, str], material: Material) -> Block | NotApplicable | None:
    """The block of `part`; None for a text that has nothing to say."""
    if not isinstance(part, str):
        made = {label: material.figures[name] for name, label in part.items()}
        plates = {label: plate for label, plate in made.items() if isinstance(plate, Plate)}
        missing = next((m for m in made.values() if isinstance(m, NotApplicable)), None)
        return Block("switch", plates) if plates else missing
    kind, _, name = part.partition(":")
    if name:
        found = material.figures[name] if kind == "figure" else material.tables[name]
        return found if isinstance(found, NotApplicable) else Block(kind, found)
    told = material.comparison
    there = {
        "gallery": bool(material.gallery.clips),
        "precision": bool(told.noise or told.power),
        "failures": bool(told.failures or told.exclusions),
    }
    return Block(kind, None) if there.get(kind, True) else None


def _numbering(sections: list[tuple[Section, list[Block]]]) -> dict[str, str]:
    """`Figure 3` and `Table 2` by kind and name, in the order of the page."""
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
    """Labels may hold anything; what templates mark as safe was made here."""
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
