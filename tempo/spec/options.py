"""Define the base of all spec sections, and slots, which one of several kinds fills.

A slot is written `{kind: name, option: value, ...}` or, when no option is set, just `name`.
A kind's options are a frozen class in a catalog; the class that does the work is found by the
layer that owns it. So a plan can be checked to the last option without importing torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SerializeAsAny,
    WithJsonSchema,
)

from tempo.core.catalog import Catalog, unknown


class Section(BaseModel):
    """A frozen, strict mapping: unknown keys and wrong types are errors, nothing is coerced."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, validate_default=True, allow_inf_nan=False
    )


class Options(Section):
    """The options of one kind that can fill a slot."""

    kind: str


OptionsCatalog = Catalog[type[Options]]


def register(catalog: OptionsCatalog, *options: type[Options]) -> None:
    """Register `options` for use in YAML, each under the default of its `kind` field."""
    for each in options:
        catalog.add(each.model_fields["kind"].default, each)


def kinds(what: str, *options: type[Options]) -> OptionsCatalog:
    """Return a catalog of the kinds that can fill a slot called `what`."""
    catalog = OptionsCatalog(what)
    register(catalog, *options)
    return catalog


def parse_slot(catalog: OptionsCatalog, value: Any) -> Any:
    """Parse a slot's YAML value into the options object of its kind."""
    if isinstance(value, Options):
        return value
    if isinstance(value, str):
        value = {"kind": value}
    if not isinstance(value, Mapping):
        raise ValueError(  # noqa: TRY004 (pydantic gives a ValueError its place)
            f"a {catalog.what} is a name or a mapping with `kind` (known: {', '.join(catalog)})"
        )
    if "kind" not in value:
        raise ValueError(f"a {catalog.what} needs `kind` (known: {', '.join(catalog)})")
    return catalog.get(value["kind"]).model_validate(dict(value))


def slot_of(catalog: OptionsCatalog) -> BeforeValidator:
    """Return the validator that fills a slot from `catalog`."""
    return BeforeValidator(partial(parse_slot, catalog))


def catalog_of(metadata: Iterable[Any]) -> OptionsCatalog | None:
    """Return the catalog that `slot_of` put into a field's annotation, or None."""
    for each in metadata:
        if isinstance(each, BeforeValidator):
            catalog = catalog_of_function(each.func)
            if catalog is not None:
                return catalog
    return None


def catalog_of_function(function: Any) -> OptionsCatalog | None:
    """Return the catalog that a slot's validator parses by; None for any other function."""
    if isinstance(function, partial) and function.func is parse_slot:
        catalog: OptionsCatalog = function.args[0]
        return catalog
    return None


def by_kind_of_function(function: Any) -> ByKind | None:
    """Return what a validator parses a mapping by its kind with; None for any other function."""
    if isinstance(function, partial) and function.func is parse_by_kind:
        by_kind: ByKind = function.args[0]
        return by_kind
    return None


@dataclass(frozen=True, slots=True)
class MappingForm:
    """Annotates a field of another type that may be written as a mapping with a section's keys."""

    section: type[Section]


@dataclass(frozen=True, slots=True)
class ByKind:
    """Annotates a field that one of a catalog's kinds fills, or, under the kind `plain` or without
    any, the section `otherwise`."""

    catalog: OptionsCatalog
    plain: str
    otherwise: type[Section]

    def section(self, kind: Any) -> type[Section] | None:
        """Return the section of a mapping of this kind; None for an unknown kind."""
        if kind is None or kind == self.plain:
            return self.otherwise
        known = isinstance(kind, str) and kind in self.catalog
        return self.catalog.get(kind) if known else None


def parse_by_kind(by_kind: ByKind, value: Any) -> Any:
    """Parse a mapping into the section of its kind."""
    if not isinstance(value, Mapping):
        return value
    kind = value.get("kind")
    section = by_kind.section(kind)
    if section is None:
        names = [by_kind.plain, *by_kind.catalog]
        raise ValueError(unknown(f"{by_kind.catalog.what} kind", kind, names))
    given = dict(value)
    if section is by_kind.otherwise:
        given.pop("kind", None)
    return section.model_validate(given)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


ListOf = BeforeValidator(_as_tuple)
"""Annotate tuple fields with this: YAML has lists, frozen sections keep tuples."""

Slot = SerializeAsAny[Options]


def check_untils(field: str, untils: Sequence[float]) -> None:
    """Raise a ValueError unless the ends of a schedule's parts, fractions of a budget, rise."""
    if list(untils) != sorted(set(untils)):
        raise ValueError(f"{field}: `until` rises from entry to entry, not {list(untils)}")


AS_WRITTEN = "as written"
Label = Annotated[
    str, AS_WRITTEN, WithJsonSchema({"type": ["string", "number", "boolean"]}, mode="validation")
]
"""A name in a list or a value; an unquoted number there stands for its own text."""

Names = Annotated[tuple[Label, ...], ListOf]

MOST_STEPS = 1_000_000_000
"""Steps that a run can have: with a millisecond each they take eleven days."""

MOST_CLIPS = 10_000_000
"""Clips that a split can have: of 64 x 64 pixels each they fill 370 GB."""

MOST_PIXELS = 8192
"""Side of a picture: that of 8K video."""

_Side = Annotated[int, Field(ge=8, le=MOST_PIXELS)]

Size = Annotated[tuple[_Side, _Side], ListOf]
"""(height, width) in pixels."""

PATTERN_IN_WORDS = "patternErrorMessage"
"""Key of a field's `json_schema_extra` that completes "must ...", where a pattern is not met.
Editors know the key by this name, too."""

NOT_RESULT: dict[str, JsonValue] = {"changes_result": False}
"""`Field(json_schema_extra=NOT_RESULT)` marks a field that cannot change a run's result, so that
it is left out of the run's identity."""
