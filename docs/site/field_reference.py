"""Write the reference of a spec's fields from the classes that check specs.

A page a section of StudySpec, and one for the study's own fields. Each field has a row: what it
takes and in which range, its default, its meaning and an example, which a test validates. What a
field means stands beside it in tempo/spec, as its description or the docstring below it; examples
stand in field_examples.yaml.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from field_words import bare, default_of, is_section, takes, written
from pydantic.fields import FieldInfo

from tempo.core.errors import TempoError
from tempo.spec.options import ByKind, Section, catalog_of
from tempo.spec.presets import PRESETS
from tempo.spec.study import StudySpec

FOLDER = "reference/fields"
EXAMPLES = Path(__file__).with_name("field_examples.yaml")


@dataclass(frozen=True)
class Row:
    """One field of a section, as its line in a table says it."""

    name: str
    takes: str
    default: str
    meaning: str
    example: str


@dataclass
class Block:
    """One section or kind: where it stands in a spec, what it is, its fields."""

    path: str
    title: str
    level: int
    text: str
    section: type[Section] | None = None
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """One page of the reference."""

    name: str
    title: str
    blocks: tuple[Block, ...]

    @property
    def markdown(self) -> str:
        first, *others = self.blocks
        text = [f"# {self.title} {{ #{first.path or 'study'} }}", "", *_body(first)]
        for block in others:
            text += [f"{'#' * block.level} {block.title} {{ #{block.path} }}", "", *_body(block)]
        return "\n".join(text)


def pages() -> list[Page]:
    """Return every page: the study's own fields first, then one for each section of a run."""
    own = Block("", "The study", 2, _text(StudySpec), StudySpec)
    study, others = [own], []
    for name, info in StudySpec.model_fields.items():
        own.rows.append(row(StudySpec, name, info))
        found = list(_blocks(name, info.annotation, info.metadata, 2))
        if found and not _collects(info):
            others.append(Page(name, f"`{name}`", tuple(found)))
        else:
            study += found
    made = [Page("index", "Every field of a study", tuple(study)), *others]
    _link({block.path: page.name for page in made for block in page.blocks}, made)
    return made


def _link(places: Mapping[str, str], found: Sequence[Page]) -> None:
    """Add to what a field takes where that is described, if it has fields or kinds of its own."""
    for block in (block for page in found for block in page.blocks):
        for number, one in enumerate(block.rows):
            at = f"{block.path}.{one.name}".lstrip(".")
            known = next((each for each in (at, f"{at}.NAME") if each in places), None)
            if known is not None:
                takes = f"{one.takes}: [its fields]({places[known]}.md#{known})"
                block.rows[number] = replace(one, takes=takes)


def row(section: type[Section], name: str, info: FieldInfo) -> Row:
    """Return a field's line. A field without a meaning or an example is an error."""
    return Row(
        info.alias or name,
        takes(info.annotation, info.metadata),
        "required" if info.is_required() else f"`{default_of(info)}`",
        _meaning(section, name, info),
        example(section, name),
    )


@cache
def examples() -> dict[str, str]:
    """Return the examples that are written by hand: class and field to a line of YAML."""
    found: dict[str, str] = yaml.safe_load(EXAMPLES.read_text())
    return found


def example(section: type[Section], name: str) -> str:
    """Return a line of YAML that sets a field, written by hand or another choice of its type."""
    for each in section.__mro__:
        if (own := f"{each.__name__}.{name}") in examples():
            return examples()[own]
    info = section.model_fields[name]
    kind, metadata = bare(info.annotation, info.metadata)
    catalog, shown = catalog_of(metadata), info.alias or name
    default = info.get_default(call_default_factory=True)
    if catalog is not None:
        return f"{shown}: {next(each for each in catalog if each != getattr(default, 'kind', ''))}"
    if kind is bool:
        return f"{shown}: {json.dumps(not default)}"
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        return (
            f"{shown}: {written(next((each for each in choices if each != default), choices[0]))}"
        )
    if isinstance(default, int | float | str) and default != "":
        return f"{shown}: {written(default)}"
    raise TempoError(f"{section.__name__}.{name} has no example; write one into {EXAMPLES.name}")


def _meaning(section: type[Section], name: str, info: FieldInfo) -> str:
    text = info.description or _below(section).get(name)
    kind, _ = bare(info.annotation, info.metadata)
    if text is None and is_section(kind):
        text = _text(kind).partition("\n\n")[0]
    if not text:
        raise TempoError(
            f"{section.__name__}.{name} has no description; say in its Field what it means"
        )
    text = " ".join(text.split()).rstrip(".")
    return text[:1].upper() + text[1:] + "."


@cache
def _below(section: type[Section]) -> dict[str, str]:
    """Return the docstrings that stand below fields, of the section and what it inherits from."""
    found: dict[str, str] = {}
    for each in reversed(section.__mro__):
        if not issubclass(each, Section):
            continue
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        assert isinstance(node, ast.ClassDef)
        for one, after in zip(node.body, node.body[1:], strict=False):
            value = after.value if isinstance(after, ast.Expr) else None
            if isinstance(one, ast.AnnAssign) and isinstance(value, ast.Constant):
                found[ast.unparse(one.target)] = str(value.value)
    return found


def _blocks(path: str, kind: Any, metadata: Iterable[Any], level: int) -> Iterator[Block]:
    """Yield the sections and kinds that a field can hold, and what those can hold in turn."""
    kind, metadata = bare(kind, metadata)
    catalog = catalog_of(metadata)
    by_kind = next((each for each in metadata if isinstance(each, ByKind)), None)
    # A field of another type can have a form with the keys of a section.
    forms: list[Any] = [each.section for each in metadata if hasattr(each, "section")]
    if by_kind is not None:
        yield from _section(path, f"`{path}`", by_kind.otherwise, level)
        for name in by_kind.catalog:
            title = f"`{path}` of kind `{name}`"
            yield from _section(f"{path}.{name}", title, by_kind.catalog.get(name), level)
    elif catalog is not None:
        known = ", ".join(f"`{name}`" for name in catalog)
        yield Block(path, f"`{path}`", level, f"One {catalog.what} of these kinds: {known}.")
        for name in catalog:
            yield from _section(f"{path}.{name}", f"`{name}`", catalog.get(name), level + 1)
    elif is_section(kind):
        yield from _section(path, f"`{path}`", kind, level)
    elif forms:
        yield from _section(path, f"`{path}` as a mapping", forms[0], level)
    elif get_origin(kind) is dict:
        yield from _blocks(f"{path}.NAME", get_args(kind)[1], (), level)
    elif get_origin(kind) is tuple and get_args(kind)[-1:] == (...,):
        yield from _blocks(path, get_args(kind)[0], (), level)


_DOCUMENTED_ONCE = {
    "MixturePart.data": "data",
    "Separate.train": "data",
    "Separate.val": "data",
    "Separate.test": "data",
    "Term.loss": "recipe.loss",
    "Distillation.loss": "recipe.loss",
    "Style.weights": "recipe.loss.perceptual.weights",
    "Stage.budget": "recipe.budget",
    "Stage.data": "data",
    "Stage.loss": "recipe.loss",
    "Stage.schedule": "recipe.schedule",
}
"""Slots and sections that a spec can hold at several places: they stand where they are first."""


def _section(path: str, title: str, section: type[Section], level: int) -> Iterator[Block]:
    block = Block(path, title, level, _text(section), section)
    fields = {name: info for name, info in section.model_fields.items() if name != "kind"}
    block.rows = [row(section, name, info) for name, info in fields.items()]
    yield block
    for name, info in fields.items():
        if f"{section.__name__}.{name}" not in _DOCUMENTED_ONCE:
            at = f"{path}.{info.alias or name}"
            yield from _blocks(at, info.annotation, info.metadata, min(level + 1, 4))


def _text(section: type[Section]) -> str:
    return inspect.cleandoc(section.__doc__ or "")


def _collects(info: FieldInfo) -> bool:
    """Return whether a field holds several sections, or a section as one of several forms."""
    kind, _ = bare(info.annotation, info.metadata)
    return get_origin(kind) in {dict, tuple}


def _body(block: Block) -> Iterator[str]:
    """Yield what stands under a block's heading, as Markdown."""
    yield from (block.text, "")
    if block.path == "arch":
        presets = ", ".join(f"`{name}`" for name in PRESETS)
        yield from (f"`preset: NAME` starts from a named network instead: {presets}.", "")
    if block.rows:
        # On a narrow screen each row of such a table becomes a paragraph.
        yield from ('<div class="fields" markdown>', "")
        yield from ("| field | takes | default | meaning and example |", "|---|---|---|---|")
        yield from (_line(block.path, each) for each in block.rows)
        yield from ("", "</div>", "")
    elif block.section is not None:
        yield from ("It has no options.", "")


def _line(path: str, one: Row) -> str:
    anchor = f"{path}.{one.name}" if path else one.name
    cells = (
        f"`{one.name}`{{ #field.{anchor} .field }}",
        one.takes,
        one.default,
        f"{one.meaning.replace('|', '&#124;')}<br>`{one.example}`",
    )
    return f"| {' | '.join(cells)} |"
