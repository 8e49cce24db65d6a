"""Build records from values of JSON, and refuse those whose fields are of another type.

What a record's class says of its fields holds for every record that was read, so that no reader has
to ask again. The checks of a class are made once, from its annotations.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from tempo.records.json_text import LARGEST, shown

T = TypeVar("T")
Check = Callable[[Any], Any]
"""Returns the value as the field's type has it.

Raises:
    ValueError: when the value is of another type.
"""


def build(cls: type[T], value: Any) -> T:
    """Return the record of class `cls` that an object of JSON describes.

    A field that is left out has its default. Numbers are finite; those in a mapping of numbers, as
    metrics are, may be infinite or NaN.

    Raises:
        ValueError: naming the field and what it may hold.
    """
    made: T = (_MADE.get(cls) or _of_record(cls))(value)
    return made


_MADE: dict[type[Any], Check] = {}
"""The checks that were made, by class."""


def _of_record(cls: Any) -> Check:
    hints = get_type_hints(cls)
    known = {each.name: _of(hints[each.name]) for each in fields(cls) if each.init}
    needed = tuple(
        each.name
        for each in fields(cls)
        if each.init and each.default is MISSING and each.default_factory is MISSING
    )

    def check(value: Any) -> Any:
        if type(value) is not dict:
            raise ValueError(f"it is {shown(value)}, not an object")
        try:
            return cls(**{name: known[name](each) for name, each in value.items()})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(_problem(value, known, needed) or str(error)) from None

    _MADE[cls] = check
    return check


def _problem(value: Mapping[str, Any], known: Mapping[str, Check], needed: Sequence[str]) -> str:
    """Say what is wrong with an object: slow, and asked for a wrong one alone."""
    for name, each in value.items():
        if name not in known:
            return f"it has a field {shown(name)}, which this version does not know"
        try:
            known[name](each)
        except ValueError as error:
            return f"{name}: {error}"
    missing = [name for name in needed if name not in value]
    return f"it has no {' and no '.join(missing)}" if missing else ""


def _of(hint: Any) -> Check:
    """Return the check of a type."""
    origin, inside = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if is_dataclass(hint):
        return _of_record(hint)
    if origin is Literal:
        return _one_of(inside)
    if origin in (Union, types.UnionType):
        return _any_of(inside)
    if origin is tuple:
        return _items(_of(inside[0])) if inside[-1] is ... else _exactly([*map(_of, inside)])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(inside[1])
    raise TypeError(f"no check for fields of type {hint}")


def _whole(value: Any) -> int:
    if type(value) is not int or not -LARGEST < value < LARGEST:
        raise ValueError(f"it is {shown(value)}, not a whole number")
    return value


ENORMOUS = 1e15
"""No time, length or share that a record holds comes near this number."""


def _finite(value: Any) -> float:
    if not (type(value) is float or type(value) is int) or not -ENORMOUS < value < ENORMOUS:
        raise ValueError(f"it is {shown(value)}, not a number below {ENORMOUS:g}")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"it is {shown(value)}, not a text")
    return value


def _switch(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(f"it is {shown(value)}, neither true nor false")
    return value


def _nothing(value: Any) -> None:
    if value is not None:
        raise ValueError(f"it is {shown(value)}, not null")


def _anything(value: Any) -> Any:
    return value


_PLAIN: dict[Any, Check] = {
    int: _whole,
    float: _finite,
    str: _text,
    bool: _switch,
    type(None): _nothing,
    None: _nothing,
    Any: _anything,
}


def _one_of(values: tuple[Any, ...]) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, str | int) or value not in values:
            raise ValueError(f"it is {shown(value)}, none of {', '.join(map(repr, values))}")
        return value

    return check


def _any_of(hints: tuple[Any, ...]) -> Check:
    checks = [_of(each) for each in hints]

    def check(value: Any) -> Any:
        problems = []
        for each in checks:
            try:
                return each(value)
            except ValueError as error:
                problems.append(str(error))
        raise ValueError(problems[0])

    return check


def _items(each: Check) -> Check:
    def check(value: Any) -> tuple[Any, ...]:
        if type(value) is not list and type(value) is not tuple:
            raise ValueError(f"it is {shown(value)}, not a list")
        return tuple(map(each, value))

    return check


def _exactly(checks: list[Check]) -> Check:
    def check(value: Any) -> tuple[Any, ...]:
        if type(value) not in (list, tuple) or len(value) != len(checks):
            raise ValueError(f"it is {shown(value)}, not a list of {len(checks)}")
        return tuple(each(item) for each, item in zip(checks, value, strict=True))

    return check


def _mapping(hint: Any) -> Check:
    if hint is float:
        return _numbers
    each = _of(hint)

    def check(value: Any) -> Mapping[str, Any]:
        if type(value) is not dict:
            raise ValueError(f"it is {shown(value)}, not an object")
        return value if hint is Any else {name: each(item) for name, item in value.items()}

    return check


def _numbers(value: Any) -> Mapping[str, float]:
    """Metrics, of which some have no value or none that is finite."""
    if type(value) is not dict:
        raise ValueError(f"it is {shown(value)}, not an object")
    kinds = set(map(type, value.values()))
    if not kinds <= _NUMBERS or int in kinds:
        for name, each in value.items():
            if type(each) not in _NUMBERS or (type(each) is int and abs(each) >= LARGEST):
                raise ValueError(f"{shown(name)} is {shown(each)}, not a number")
    return value


_NUMBERS = frozenset({float, int, bool})
