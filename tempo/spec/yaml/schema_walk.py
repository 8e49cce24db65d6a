"""Find what the schema allows at a place of a spec: its section, slot and fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from tempo.core.catalog import nearest
from tempo.spec.options import (
    AS_WRITTEN,
    ByKind,
    MappingForm,
    Options,
    OptionsCatalog,
    Section,
    catalog_of,
)
from tempo.spec.yaml.value_tree import Entry, Mapped, Node, Scalar, rebuilt


class Shape(NamedTuple):
    """A place in the schema: its type without `None` and `Annotated`, and what may stand there.

    `catalog` holds the kinds when the place is a slot. `as_written`: a number stands for its text.
    `mapping`: the section whose keys a mapping there has, where the type itself is no section.
    `by_kind`: gives the section of a mapping there by its `kind`, which may be left out.
    """

    type: Any
    catalog: OptionsCatalog | None = None
    as_written: bool = False
    default: Any = None
    mapping: type[Section] | None = None
    by_kind: ByKind | None = None


def _shape(annotation: Any, metadata: Iterable[Any] = (), default: Any = None) -> Shape:
    gathered = list(metadata)
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            gathered += more
            continue
        left = [each for each in get_args(annotation) if each is not NoneType]
        if get_origin(annotation) not in {Union, UnionType} or len(left) > 1:
            forms = [each.section for each in gathered if isinstance(each, MappingForm)]
            mapping = next(iter(forms), None)
            catalog = catalog_of(gathered)
            by_kind = next((each for each in gathered if isinstance(each, ByKind)), None)
            return Shape(annotation, catalog, AS_WRITTEN in gathered, default, mapping, by_kind)
        annotation = left[0]


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


@cache
def fields(section: type[Section]) -> dict[str, Shape]:
    """Return the fields of a section, in order."""
    out = {}
    for name, info in section.model_fields.items():
        default = None if info.is_required() else info.default
        out[info.alias or name] = _shape(info.annotation, info.metadata, default)
    return out


def section_of(shape: Shape, node: Node | None) -> type[Section] | None:
    """Return the section that `node` must fill at `shape`; None if it is none or unknown."""
    catalog = shape.catalog
    if shape.by_kind is not None:
        given = node.get("kind") if isinstance(node, Mapped) else None
        return shape.by_kind.section(given.value if isinstance(given, Scalar) else None)
    if catalog is None and isinstance(node, Mapped) and shape.mapping is not None:
        return shape.mapping
    if catalog is None:
        return shape.type if _is_section(shape.type) else None
    kind = node.get("kind") if isinstance(node, Mapped) else node
    name = kind.value if isinstance(kind, Scalar) else None
    return catalog.get(name) if isinstance(name, str) and name in catalog else None


def inner(shape: Shape, node: Node | None, part: str | int) -> Shape | None:
    """Return the shape one step further in; None where the schema says nothing."""
    section = section_of(shape, node)
    if section is not None:
        return fields(section).get(str(part))
    return _within(shape.type)


@cache
def _within(kind: Any) -> Shape | None:
    """Return the shape of a mapping's values or a list's items."""
    arguments = get_args(kind)
    if get_origin(kind) is dict and len(arguments) == 2:
        return _shape(arguments[1])
    if get_origin(kind) in {tuple, list} and arguments[-1:] == (...,):
        return _shape(arguments[0])
    return None


def complete(node: Node, shape: Shape | None) -> Node:
    """Return the tree with what the schema implies written out.

    A slot's mapping without `kind` gets the kind of the field's default; a label written as a
    number becomes its text. Unchanged parts are shared with the input.
    """
    if shape is None:
        return node
    if isinstance(node, Scalar):
        one = inner(shape, node, 0) or shape
        labelled = one.as_written and not isinstance(node.value, str | NoneType)
        return Scalar(node.text, node.place, node.text) if labelled else node
    if isinstance(node, Mapped) and shape.catalog is not None and "kind" not in node.entries:
        if not isinstance(shape.default, Options):
            return node
        kind = Scalar(shape.default.kind, node.place, shape.default.kind)
        node = Mapped({"kind": Entry(node.place, kind), **node.entries}, node.place)
    whole = node
    return rebuilt(whole, lambda part, each: complete(each, inner(shape, whole, part)))


def _options(shape: Shape) -> Iterator[type[Section]]:
    if shape.by_kind is not None:
        yield shape.by_kind.otherwise
        yield from (shape.by_kind.catalog.get(name) for name in shape.by_kind.catalog)
    elif shape.catalog is not None:
        yield from (shape.catalog.get(name) for name in shape.catalog)
    elif _is_section(shape.type):
        yield shape.type


def _open(kind: Any) -> bool:
    return get_origin(kind) is dict and not _is_section(get_args(kind)[1])


def path_problem(root: type[Section], path: str, extra: dict[str, list[str]]) -> str | None:
    """Return why no field of `root` can be at a dotted `path`, or None when one can.

    Whatever kind could fill a slot counts, since a level may apply under one kind only. `extra`
    gives names that are allowed beside a section's fields, by the section's path.
    """
    shapes, walked = [Shape(root)], ""
    for part in path.split("."):
        if shapes and all(_open(shape.type) for shape in shapes):
            # A mapping with keys of the user's own, such as the options of a network.
            return None
        sections = [section for shape in shapes for section in _options(shape)]
        known = {name: None for each in sections for name in fields(each)}
        known |= dict.fromkeys(extra.get(walked, []))
        if part not in known:
            if not known:
                return f"{walked} has no fields, so none is called {part!r}"
            where = f" in {walked}" if walked else ""
            guess = nearest(part, known)
            hint = f"; did you mean {guess!r}?" if guess else ""
            return f"no field {part!r}{where}{hint} (known: {', '.join(known)})"
        shapes = [fields(each)[part] for each in sections if part in fields(each)]
        walked = f"{walked}.{part}" if walked else part
    return None
