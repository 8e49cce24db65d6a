"""Explain pydantic's validation errors in sentences with file, line and column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tempo.core.catalog import unknown
from tempo.core.errors import Place, SpecError, UnknownNameError
from tempo.spec.options import PATTERN_IN_WORDS, Section
from tempo.spec.yaml.hints import hint
from tempo.spec.yaml.problems import Problems
from tempo.spec.yaml.schema_walk import Shape, fields, inner, section_of
from tempo.spec.yaml.value_tree import Node, Path, Scalar, child, dotted, find, plain, shown

BESIDE = {"arch": ("preset",)}
"""Keys that the loader takes from a section before it is validated, by the section's path."""

HOW_TO_GIVE = {
    "study": "write `study: NAME` in this file, since a name is not inherited from a base",
    "data": "write `data: procedural` for generated clips, or another data set, or inherit it "
    "from a `base`",
    "recipe": "write `recipe: {budget: {steps: 400}}`, or inherit it from a `base`",
}
"""What to write for each key without which no study is whole."""

RULES = {
    "int_type": "be a whole number",
    "int_from_float": "be a whole number",
    "float_type": "be a number",
    "bool_type": "be true or false",
    "string_type": "be text",
    "tuple_type": "be a list",
    "list_type": "be a list",
    "dict_type": "be a mapping",
    "model_type": "be a mapping",
    "literal_error": "be {expected}",
    "greater_than": "be greater than {gt}",
    "greater_than_equal": "be at least {ge}",
    "less_than": "be less than {lt}",
    "less_than_equal": "be at most {le}",
    "string_pattern_mismatch": "match the pattern {pattern}",
    "string_too_short": "have at least {min_length} characters",
    "string_too_long": "have at most {max_length} characters",
    "too_short": "have at least {min_length} entries",
    "too_long": "have at most {max_length} entries",
}
"""What a value must do, by pydantic's name of the error; filled from the error's context."""


@dataclass(frozen=True, slots=True)
class Spot:
    """The node at which an error lies. `rest` is the part of its location that has no node."""

    path: Path
    key: Place
    node: Node
    rest: Path
    section: type[Section] | None

    @property
    def name(self) -> str:
        return dotted(self.path) or "the spec"


M = TypeVar("M", bound=Section)


def validate(
    model: type[M], tree: Node, problems: Problems, beside: Sequence[str] = ()
) -> M | None:
    """Validate the tree as a `model`; add broken rules to `problems` and return None."""
    try:
        return model.model_validate(plain(tree))
    except ValidationError as error:
        problems.take(explain(error, tree, model, beside))
        return None


def explain(
    error: ValidationError, tree: Node, model: type[Section], beside: Sequence[str] = ()
) -> Iterator[SpecError]:
    """Yield one error per broken rule.

    Args:
        error: What validating `plain(tree)` as `model` raised.
        tree: What was validated.
        model: The section at the root.
        beside: Names that the root allows beside the model's fields, for the lists of known names.
    """
    found = [(_spot(tree, Shape(model), each["loc"]), each) for each in error.errors()]
    deepest = [spot.path for spot, _ in found]
    told: dict[Path, list[ErrorDetails]] = {}
    for spot, each in found:
        if each["type"] in {"missing", "extra_forbidden", "value_error"}:
            yield _single(spot, each, beside if len(spot.path) <= 1 else ())
        elif not any(_inside(path, spot.path) for path in deepest):
            told.setdefault(spot.path, []).append(each)
    for path, group in told.items():
        spot = next(spot for spot, _ in found if spot.path == path)
        yield SpecError(_sentence(spot, group), spot.node.place)


def _inside(path: Path, other: Path) -> bool:
    """Return whether `path` lies inside `other`: then another alternative came further."""
    return len(path) > len(other) and path[: len(other)] == other


def _spot(tree: Node, shape: Shape, loc: Sequence[str | int]) -> Spot:
    node, key = tree, tree.place
    path: list[str | int] = []
    rest: list[str | int] = []
    known: Shape | None = shape
    section = section_of(shape, tree)
    for part in loc:
        step = child(node, part)
        if step is None:
            rest.append(part)
            continue
        section = section_of(known, node) if known else None
        known = inner(known, node, part) if known else None
        key, node = step
        path.append(part)
        rest = []
    return Spot(tuple(path), key, node, tuple(rest), section)


def _single(spot: Spot, error: ErrorDetails, beside: Sequence[str]) -> SpecError:
    if error["type"] == "extra_forbidden":
        name, where = spot.path[-1], dotted(spot.path[:-1])
        known = [*(fields(spot.section) if spot.section else ()), *beside]
        known += BESIDE.get(where, ())
        what = f"key of {where}:" if where else "key"
        return SpecError(unknown(what, name, known), spot.key)
    if error["type"] == "missing":
        return SpecError(_missing(spot), spot.key)
    cause = error.get("ctx", {}).get("error")
    kind = find(spot.node, "kind")
    place = kind.place if kind and isinstance(cause, UnknownNameError) else spot.node.place
    message = str(cause or error["msg"])
    named = str(spot.path[-1]) in message.split() if spot.path else False
    return SpecError(message if named else f"{spot.name}: {message}", place)


def _missing(spot: Spot) -> str:
    part = spot.rest[-1] if spot.rest else "?"
    if not spot.path and part in HOW_TO_GIVE:
        return f"{spot.name} needs {part!r}: {HOW_TO_GIVE[str(part)]}"
    if isinstance(part, int):
        return f"{spot.name} needs at least {part + 1} entries"
    kind = f" (with kind {spot.node.value!r})" if isinstance(spot.node, Scalar) else ""
    return f"{spot.name} needs {part!r}{kind}"


def _sentence(spot: Spot, group: Sequence[ErrorDetails]) -> str:
    rules = dict.fromkeys(_rule(each, spot) for each in group)
    given = shown(group[0]["input"])
    return f"{spot.name} must {' or '.join(rules)}, not {given}{hint(spot.node, spot.path, group)}"


def _rule(error: ErrorDetails, spot: Spot) -> str:
    if error["type"] == "string_pattern_mismatch" and (words := _pattern_in_words(spot)):
        return words
    rule = RULES.get(error["type"])
    if rule is None:
        return f"be otherwise ({error['msg']})"
    return rule.format_map({name: _plainly(each) for name, each in error.get("ctx", {}).items()})


def _plainly(value: Any) -> Any:
    """Return a bound as a sentence writes it: 10,000,000 rather than 1e+07."""
    if not isinstance(value, int | float):
        return value
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _pattern_in_words(spot: Spot) -> str | None:
    """Return what the field at `spot` says of its pattern to people and to editors."""
    known = spot.section.model_fields if spot.section and spot.path else {}
    info = known.get(str(spot.path[-1])) if spot.path else None
    extra = info.json_schema_extra if info else None
    words = extra.get(PATTERN_IN_WORDS) if isinstance(extra, dict) else None
    return words if isinstance(words, str) else None
