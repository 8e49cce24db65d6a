"""Say in words what a field of a spec takes, in which range, and what stands there by default."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, JsonValue
from pydantic.fields import FieldInfo

from tempo.spec.options import ByKind, Options, OptionsCatalog, Section, catalog_of

WORDS = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    Any: "any value",
    JsonValue: "any value",
}
PLURALS = {each: f"{each}s" for each in ("whole number", "number", "section")} | {"text": "names"}
BOUNDS = {
    "ge": ("at least {}", "from {}"),
    "gt": ("above {}", "above {}"),
    "le": ("at most {}", "to {}"),
    "lt": ("below {}", "below {}"),
}


def bare(kind: Any, metadata: Iterable[Any] = ()) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without `Annotated` and `None`, and all its metadata."""
    gathered = tuple(metadata)
    while True:
        if get_origin(kind) is Annotated:
            kind, *more = get_args(kind)
            gathered += tuple(more)
            continue
        # A text that stands for something else, such as the file of a plug-in.
        if any(getattr(each, "json_schema_input_type", None) is str for each in gathered):
            return str, gathered
        left = [each for each in get_args(kind) if each is not NoneType]
        if get_origin(kind) not in {Union, UnionType} or len(left) > 1:
            return kind, gathered
        kind = left[0]


def takes(kind: Any, metadata: Iterable[Any]) -> str:
    """Return in words what a field takes, with its range."""
    nullable = NoneType in get_args(_unannotated(kind))
    kind, metadata = bare(kind, metadata)
    if any(isinstance(each, ByKind) for each in metadata):
        kind = Section
    words = _kind(kind, catalog_of(metadata)) + _range(metadata)
    return f"{words}, or null" if nullable else words


def _unannotated(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _kind(kind: Any, catalog: OptionsCatalog | None) -> str:
    arguments = get_args(kind)
    if catalog is not None:
        return "one of " + ", ".join(f"`{name}`" for name in catalog)
    if get_origin(kind) is Literal:
        shown = ", ".join(f"`{written(each)}`" for each in arguments)
        return shown if len(arguments) == 1 else f"one of {shown}"
    if get_origin(kind) in {Union, UnionType}:
        return ", or ".join(takes(each, ()) for each in arguments if each is not NoneType)
    if get_origin(kind) is dict:
        return f"mapping of name to {takes(arguments[1], ())}"
    if get_origin(kind) is tuple:
        each = takes(arguments[0], ())
        many = PLURALS.get(each, f"entries, each {each}")
        return f"list of {many}" if arguments[-1:] == (...,) else f"list of {len(arguments)} {many}"
    return "section" if is_section(kind) else WORDS[kind]


def _range(metadata: Iterable[Any]) -> str:
    """Return the bounds of a field in words, with a space before; nothing without bounds."""
    found: dict[str, Any] = {}
    for each in metadata:
        for part in getattr(each, "metadata", [each]):
            for name in (*BOUNDS, "min_length"):
                if (value := getattr(part, name, None)) is not None:
                    found[name] = value
    both = {"ge", "gt"} & found.keys() and {"le", "lt"} & found.keys()
    said = [
        BOUNDS[name][bool(both)].format(written(found[name])) for name in BOUNDS if name in found
    ]
    out = (
        f" {' and '.join(said) if found.keys() & {'gt', 'lt'} else ' '.join(said)}" if said else ""
    )
    return out + (", not empty" if found.get("min_length") else "")


def default_of(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True)
    if isinstance(value, Options):
        return value.kind
    if isinstance(value, BaseModel):
        return "{}"
    return written(list(value) if isinstance(value, tuple) else value)


def written(value: Any) -> str:
    """Return a value as it is written in a spec, on one line."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float):
        return f"{value:g}".replace("e-0", "e-").replace("e+0", "e")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {written(each)}" for name, each in value.items()) + "}"
    return str(value) if value != "" else '""'


def is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)
