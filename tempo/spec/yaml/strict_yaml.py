"""Parse strict YAML into a tree of values with line and column.

Scalars follow the core schema of YAML 1.2.2 (section 10.3.2), so `1e-4` is a number, `off` and
`12:30` are text. Anchors and aliases are allowed within a bound on what they expand to; merge
keys, tags and duplicate keys are not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from functools import partial

import yaml
from yaml.error import Mark
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from tempo.core.errors import Place, SpecError
from tempo.spec.yaml.problems import Problems
from tempo.spec.yaml.value_tree import Entry, Listing, Mapped, Node, Plain, Scalar, shown

MAX_DEPTH = 50
MAX_NODES = 200_000
"""Bounds on what a spec may expand to; a spec of ten thousand variants stays far below."""

_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)

PlaceOf = Callable[[int, int], Place]
"""(line, column), both from 1, to a Place."""


def read_tree(text: str, source: str, place_of: PlaceOf | None = None) -> Node | None:
    """Parse one YAML document; return None when there is no document.

    Raises:
        SpecError: when the text is not YAML or breaks one of the rules above.
    """
    at = place_of or partial(Place, source)
    try:
        events = yaml.parse(text, Loader=yaml.CSafeLoader)
        composer = _Composer(iter(events), at)
        tree = composer.document()
    except yaml.reader.ReaderError as error:
        raise _unreadable(error, text, source, at) from None
    except yaml.MarkedYAMLError as error:
        raise _syntax(error, text, source, at) from None
    composer.problems.raise_any()
    return tree


def scalar_of(text: str) -> Plain:
    """Return the value of a plain (unquoted) scalar.

    Raises:
        ValueError: for infinities, NaN and whole numbers of more than 40 digits.
    """
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text.lower() == "true"
    if _INT.match(text):
        if len(text) > 40:
            raise ValueError(f"{shown(text)} has more than 40 digits")
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.match(text):
        number = math.inf if "n" in text.lower() else float(text)
        if not math.isfinite(number):
            raise ValueError(f"{shown(text)} is not a finite number")
        return number
    return text


def _unreadable(error: yaml.reader.ReaderError, text: str, source: str, at: PlaceOf) -> SpecError:
    found = re.search(r"[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    if found is None:
        return SpecError(f"not valid YAML: {error.reason}", Place(source))
    before = text[: found.start()]
    where = at(before.count("\n") + 1, found.start() - before.rfind("\n"))
    return SpecError(f"the character {found.group()!r} is not allowed in YAML", where)


def _syntax(error: yaml.MarkedYAMLError, text: str, source: str, at: PlaceOf) -> SpecError:
    mark = error.problem_mark or error.context_mark
    place = at(mark.line + 1, mark.column + 1) if mark else Place(source)
    problem = error.problem or "it cannot be read"
    if mark and _character(text, mark) == "\t":
        return SpecError("a tab cannot indent in YAML or start a value; use spaces", place)
    if problem.startswith("mapping values are not allowed"):
        return SpecError(_unquoted_colon(text, mark), place)
    context = f" ({error.context})" if error.context else ""
    return SpecError(f"not valid YAML: {problem}{context}", place)


def _unquoted_colon(text: str, mark: Mark | None) -> str:
    """Return what is wrong with a second `: ` in a line: quotes or a line break are missing."""
    rule = "a value that contains `: ` (a colon and a space) needs quotes around it"
    line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
    key, colon, value = line.strip().partition(": ")
    if colon and ": " in value and not set(value) & set("'\"{[#"):
        return f"{rule}: write {key}: '{value}'"
    return f"{rule}; a nested key goes on a line of its own, indented by two spaces"


def _character(text: str, mark: Mark) -> str:
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    return line[mark.column : mark.column + 1]


class _Composer:
    """Builds a tree from YAML events under rules stricter than YAML's own.

    Events are read rather than nodes, because composing nodes recurses in C without a bound.
    """

    def __init__(self, events: Iterator[Event], at: PlaceOf) -> None:
        self.events = events
        self.at = at
        self.problems = Problems()
        self.anchors: dict[str, tuple[Node, int] | None] = {}
        self.size = 0

    def document(self) -> Node | None:
        tree: Node | None = None
        for event in self.events:
            if isinstance(event, DocumentStartEvent) and tree is not None:
                message = "a spec is one YAML document; remove `---` and what follows"
                raise SpecError(message, self._place(event))
            if isinstance(event, NodeEvent):
                tree = self.node(event, 1)
        return tree

    def _place(self, event: Event) -> Place:
        mark = event.start_mark
        return self.at(mark.line + 1, mark.column + 1) if mark else self.at(0, 0)

    def node(self, event: Event, depth: int) -> Node:
        place = self._place(event)
        if isinstance(event, AliasEvent):
            return self._alias(str(event.anchor), place)
        self._count(1, place)
        if depth > MAX_DEPTH:
            raise SpecError(f"values are nested more than {MAX_DEPTH} deep", place)
        if getattr(event, "tag", None) is not None:
            raise SpecError("tags (`!`) are not used in specs; write the plain value", place)
        anchor, before = getattr(event, "anchor", None), self.size - 1
        if anchor:
            self.anchors[anchor] = None
        built = self._built(event, place, depth)
        if anchor:
            self.anchors[anchor] = built, self.size - before
        return built

    def _built(self, event: Event, place: Place, depth: int) -> Node:
        if isinstance(event, MappingStartEvent):
            return self._mapping(place, depth)
        if isinstance(event, SequenceStartEvent):
            return Listing(tuple(self.node(item, depth + 1) for item in self._items()), place)
        assert isinstance(event, ScalarEvent)
        return self._scalar(event, place)

    def _items(self) -> Iterator[Event]:
        for event in self.events:
            if isinstance(event, CollectionEndEvent):
                return
            yield event

    def _alias(self, name: str, place: Place) -> Node:
        if name not in self.anchors:
            raise SpecError(f"no anchor &{name} before this alias", place)
        anchored = self.anchors[name]
        if anchored is None:
            raise SpecError(f"the alias *{name} lies inside its own anchor", place)
        self._count(anchored[1], place)
        return anchored[0]

    def _count(self, size: int, place: Place) -> None:
        self.size += size
        if self.size > MAX_NODES:
            raise SpecError(f"the spec expands to more than {MAX_NODES} values", place)

    def _mapping(self, place: Place, depth: int) -> Mapped:
        entries: dict[str, Entry] = {}
        for event in self._items():
            key, key_place = self._key(event)
            if key in entries:
                first = entries[key].key
                self.problems.add(f"duplicate key {shown(key)} (first at {first})", key_place)
            value = self.node(next(self.events), depth + 1)
            entries.setdefault(key, Entry(key_place, value))
        return Mapped(entries, place)

    def _key(self, event: Event) -> tuple[str, Place]:
        """Return a key's text: `4` and `0.1` are labels as good as `four`."""
        place = self._place(event)
        if not isinstance(event, ScalarEvent):
            raise SpecError("a key is text: no list, mapping or alias", place)
        if event.value == "<<" and event.implicit[0]:
            self.problems.add(
                "merge keys (`<<`) are not supported: inherit with `base:` or `profiles:`", place
            )
        elif not event.value:
            self.problems.add("a key is empty", place)
        self.node(event, 1)
        return event.value, place

    def _scalar(self, event: ScalarEvent, place: Place) -> Scalar:
        if not event.implicit[0]:
            return Scalar(event.value, place, event.value, quoted=True)
        try:
            return Scalar(scalar_of(event.value), place, event.value)
        except ValueError as error:
            self.problems.add(str(error), place)
            return Scalar(0, place, event.value)
