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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tempo.core.errors import TempoError
from tempo.spec.options import Options, OptionsCatalog, Section, catalog_of
from tempo.spec.presets import PRESETS
from tempo.spec.study import StudySpec

FOLDER = "reference/fields"
EXAMPLES = Path(__file__).with_name("field_examples.yaml")

WORDS = {int: "whole number", float: "number", bool: "true or false", str: "text", Any: "any value"}
PLURALS = {each: f"{each}s" for each in ("whole number", "number", "section")} | {"text": "names"}
BOUNDS = {
    "ge": ("at least {}", "from {}"),
    "gt": ("above {}", "above {}"),
    "le": ("at most {}", "to {}"),
    "lt": ("below {}", "below {}"),
}


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
    return [Page("index", "Every field of a study", tuple(study)), *others]


def row(section: type[Section], name: str, info: FieldInfo) -> Row:
    """Return a field's line. A field without a meaning or an example is an error."""
    return Row(
        info.alias or name,
        _takes(info.annotation, info.metadata),
        "required" if info.is_required() else f"`{_default(info)}`",
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
    kind, metadata = _bare(info.annotation, info.metadata)
    catalog, shown = catalog_of(metadata), info.alias or name
    default = info.get_default(call_default_factory=True)
    if catalog is not None:
        return f"{shown}: {next(each for each in catalog if each != getattr(default, 'kind', ''))}"
    if kind is bool:
        return f"{shown}: {json.dumps(not default)}"
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        return f"{shown}: {_yaml(next((each for each in choices if each != default), choices[0]))}"
    if isinstance(default, int | float | str) and default != "":
        return f"{shown}: {_yaml(default)}"
    raise TempoError(f"{section.__name__}.{name} has no example; write one into {EXAMPLES.name}")


def _meaning(section: type[Section], name: str, info: FieldInfo) -> str:
    text = info.description or _below(section).get(name)
    kind, _ = _bare(info.annotation, info.metadata)
    if text is None and _is_section(kind):
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
    kind, metadata = _bare(kind, metadata)
    catalog = catalog_of(metadata)
    forms = [form for each in metadata if _is_section(form := getattr(each, "section", None))]
    if catalog is not None:
        known = ", ".join(f"`{name}`" for name in catalog)
        yield Block(path, f"`{path}`", level, f"One {catalog.what} of these kinds: {known}.")
        for name in catalog:
            yield from _section(f"{path}.{name}", f"`{name}`", catalog.get(name), level + 1)
    elif _is_section(kind):
        yield from _section(path, f"`{path}`", kind, level)
    elif forms:
        yield from _section(path, f"`{path}` as a mapping", forms[0], level)
    elif get_origin(kind) is dict:
        yield from _blocks(f"{path}.NAME", get_args(kind)[1], (), level)
    elif get_origin(kind) is tuple and get_args(kind)[-1:] == (...,):
        yield from _blocks(path, get_args(kind)[0], (), level)


_DOCUMENTED_ONCE = {"MixturePart.data": "data", "Term.loss": "recipe.loss"}
"""Slots inside a kind of their own catalog: the kinds stand where the catalog is used first."""


def _section(path: str, title: str, section: type[Section], level: int) -> Iterator[Block]:
    block = Block(path, title, level, _text(section), section)
    fields = {name: info for name, info in section.model_fields.items() if name != "kind"}
    block.rows = [row(section, name, info) for name, info in fields.items()]
    yield block
    for name, info in fields.items():
        if f"{section.__name__}.{name}" not in _DOCUMENTED_ONCE:
            at = f"{path}.{info.alias or name}"
            yield from _blocks(at, info.annotation, info.metadata, min(level + 1, 4))


def _bare(kind: Any, metadata: Iterable[Any] = ()) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without `Annotated` and `None`, and all its metadata."""
    gathered = tuple(metadata)
    while True:
        if get_origin(kind) is Annotated:
            kind, *more = get_args(kind)
            gathered += tuple(more)
            continue
        left = [each for each in get_args(kind) if each is not NoneType]
        if get_origin(kind) not in {Union, UnionType} or len(left) > 1:
            return kind, gathered
        kind = left[0]


def _takes(kind: Any, metadata: Iterable[Any]) -> str:
    """Return in words what a field takes, with its range."""
    nullable = NoneType in get_args(_unannotated(kind))
    kind, metadata = _bare(kind, metadata)
    words = _kind(kind, catalog_of(metadata)) + _range(metadata)
    return f"{words}, or null" if nullable else words


def _unannotated(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _kind(kind: Any, catalog: OptionsCatalog | None) -> str:
    arguments = get_args(kind)
    if catalog is not None:
        return "one of " + ", ".join(f"`{name}`" for name in catalog)
    if get_origin(kind) is Literal:
        shown = ", ".join(f"`{_yaml(each)}`" for each in arguments)
        return shown if len(arguments) == 1 else f"one of {shown}"
    if get_origin(kind) in {Union, UnionType}:
        return ", or ".join(_takes(each, ()) for each in arguments)
    if get_origin(kind) is dict:
        return f"mapping of name to {_takes(arguments[1], ())}"
    if get_origin(kind) is tuple:
        each = _takes(arguments[0], ())
        many = PLURALS.get(each, f"entries, each {each}")
        return f"list of {many}" if arguments[-1:] == (...,) else f"list of {len(arguments)} {many}"
    return "section" if _is_section(kind) else WORDS[kind]


def _range(metadata: Iterable[Any]) -> str:
    """Return the bounds of a field in words, with a space before; nothing without bounds."""
    found: dict[str, Any] = {}
    for each in metadata:
        for part in getattr(each, "metadata", [each]):
            for name in (*BOUNDS, "min_length"):
                if (value := getattr(part, name, None)) is not None:
                    found[name] = value
    both = {"ge", "gt"} & found.keys() and {"le", "lt"} & found.keys()
    said = [BOUNDS[name][bool(both)].format(_yaml(found[name])) for name in BOUNDS if name in found]
    out = (
        f" {' and '.join(said) if found.keys() & {'gt', 'lt'} else ' '.join(said)}" if said else ""
    )
    return out + (", not empty" if found.get("min_length") else "")


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True)
    if isinstance(value, Options):
        return value.kind
    if isinstance(value, BaseModel):
        return "{}"
    return _yaml(list(value) if isinstance(value, tuple) else value)


def _yaml(value: Any) -> str:
    """Return a value as it is written in a spec, on one line."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float):
        return f"{value:g}".replace("e-0", "e-").replace("e+0", "e")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_yaml(each)}" for name, each in value.items()) + "}"
    return str(value) if value != "" else '""'


def _text(section: type[Section]) -> str:
    return inspect.cleandoc(section.__doc__ or "")


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


def _collects(info: FieldInfo) -> bool:
    """Return whether a field holds several sections, or a section as one of several forms."""
    kind, _ = _bare(info.annotation, info.metadata)
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
