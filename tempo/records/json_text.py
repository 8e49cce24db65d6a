"""Parse the JSON of records under limits, so that no text can exhaust or upset its reader."""

from __future__ import annotations

import json
from typing import Any, Final

DEEPEST = 64
"""Most lists and objects inside each other."""
LARGEST = 2**63
"""Whole numbers in the fields of a record are smaller, as a column of a table holds them."""
LARGEST_FRACTION = 1e100
"""No measurement comes near this number, and sums of squares of smaller ones are finite."""

_SHAPE: Final = bytes.maketrans(b"123456789E", b"000000000e")
"""Makes all digits alike, so that long numbers are found at the speed of a plain search."""
_SUSPECT: Final = (b"0" * 22, b"e000")
"""What numbers outside the limits look like; so do some texts, which are then parsed slowly."""
_HALF_CHARACTER: Final = b"\\ud"
"""Half of a character outside the basic plane, which no file or terminal can write alone."""


def parse_json(content: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: when the text is no UTF-8 or no JSON, holds NaN or infinity, nests deeper than
            `DEEPEST`, or has a number or a character that cannot be stored.
    """
    try:
        text = content.decode()
        shape = content.translate(_SHAPE, b"+")
        suspect = _SUSPECT[0] in shape or _SUSPECT[1] in shape
        value = (_CAREFUL if suspect else _QUICK).decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON at character {error.pos} ({error.msg})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is no UTF-8") from error
    except RecursionError:
        raise _too_deep() from None
    if content.count(b"[") + content.count(b"{") > DEEPEST:
        _check_depth(value)
    if _HALF_CHARACTER in content.lower():
        _check_characters(value)
    return value


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _whole_number(text: str) -> int:
    if len(text) > 20 or abs(number := int(text)) >= LARGEST:
        raise ValueError(f"the whole number {shown(text)} is too large")
    return number


def _number(text: str) -> float:
    if abs(number := float(text)) >= LARGEST_FRACTION:
        raise ValueError(f"the number {shown(text)} is too large")
    return number


_QUICK: Final = json.JSONDecoder(parse_constant=_refuse)
_CAREFUL: Final = json.JSONDecoder(
    parse_constant=_refuse, parse_int=_whole_number, parse_float=_number
)


def _too_deep() -> ValueError:
    return ValueError(f"lists and objects are nested more than {DEEPEST} deep")


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level := [item for each in level for item in _items(each)]:
        depth += 1
        if depth > DEEPEST:
            raise _too_deep()


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _check_characters(value: Any) -> None:
    level = [value]
    while level:
        each = level.pop()
        for text in each if isinstance(each, dict) else [each] if isinstance(each, str) else ():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise ValueError(f"the text {shown(text)} holds half a character") from None
        level += _items(each)


def shown(value: Any, width: int = 60) -> str:
    """Return a value as a message quotes it: on one line, cut off, and safe for any terminal."""
    if isinstance(value, dict | list | tuple):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        # `repr` escapes whatever is not printable.
        return repr(value) if len(value) <= width else f"{value[:width]!r}..."
    if type(value) is int:
        return str(value) if abs(value) < LARGEST else "a number that is too large"
    return repr(value)


def one_line(error: Exception) -> str:
    """Return what an error of another library says, on one line that any terminal can show."""
    text = " ".join(str(error).split()) or type(error).__name__
    return "".join(each if each.isprintable() else "?" for each in text[:LONGEST_REASON])


LONGEST_REASON = 300
