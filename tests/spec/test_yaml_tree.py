"""Strict YAML: the core schema of YAML 1.2, places, and what is refused."""

from __future__ import annotations

import math
import string
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tempo.core.errors import Place, SpecError
from tempo.spec.yaml.strict_yaml import read_tree
from tempo.spec.yaml.value_tree import Listing, Mapped, Node, Scalar, find, plain


def value_of(text: str) -> Any:
    tree = read_tree(f"v: {text}", "f.yaml")
    assert tree is not None
    return plain(tree)["v"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("5e-5", 5e-5),
        ("1E+3", 1000.0),
        (".5", 0.5),
        ("-2.", -2.0),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("+5", 5),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-01-02", "2026-01-02"),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("1e", "1e"),
        ("=", "="),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: Any) -> None:
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: 1\nb: 2\na: 3", "3:1", "duplicate key 'a' (first at f.yaml:1:1)"),
        ("a:\n\tb: 1", "2:1", "a tab cannot indent in YAML or start a value; use spaces"),
        ("x: 1\n<<: {b: 1}", "2:1", "merge keys (`<<`) are not supported"),
        ("a: !!python/object:os.system x", "1:4", "tags (`!`) are not used in specs"),
        ("a: !!int 3", "1:4", "tags (`!`) are not used in specs"),
        ("a: &x [1, *x]", "1:11", "the alias *x lies inside its own anchor"),
        ("a: *nobody", "1:4", "no anchor &nobody before this alias"),
        ("a: 1\n---\nb: 2", "2:1", "a spec is one YAML document"),
        ("a: b: c", "1:5", "a value that contains `: ` (a colon and a space) needs quotes"),
        ("a: 'open", "1:9", "not valid YAML: found unexpected end of stream"),
        ("a: .inf", "1:4", "'.inf' is not a finite number"),
        ("a: 1e999", "1:4", "'1e999' is not a finite number"),
        ("a: " + "9" * 5000, "1:4", "has more than 40 digits"),
        ("a: x\x07y", "1:5", "the character '\\x07' is not allowed in YAML"),
        ("{? [1] : 2}", "1:4", "a key is text: no list, mapping or alias"),
        ("'': 1", "1:1", "a key is empty"),
        ("[" * 100_000, "1:51", "values are nested more than 50 deep"),
    ],
)
def test_what_is_refused_and_where(text: str, place: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_tree(text, "f.yaml")
    assert str(caught.value).startswith(f"f.yaml:{place}: ")
    assert message in str(caught.value)


def test_all_problems_are_told_sorted_by_place() -> None:
    with pytest.raises(SpecError) as caught:
        read_tree("a: .nan\nb: 1\nb: 2\n<<: 3", "f.yaml")
    lines = [each.place.line for each in caught.value.problems if each.place]
    assert lines == [1, 3, 4]
    assert len(str(caught.value).splitlines()) == 3


def test_anchors_are_shared_values_with_the_place_of_the_anchor() -> None:
    tree = read_tree("a: &x {k: 1}\nb: *x", "f.yaml")
    assert tree is not None
    assert find(tree, "b") is find(tree, "a")


def test_a_billion_laughs_are_refused_before_they_are_expanded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    with pytest.raises(SpecError, match="expands to more than 200000 values"):
        read_tree("\n".join(lines), "f.yaml")


def test_nothing_is_no_tree_and_keys_keep_their_text() -> None:
    assert read_tree("# only a comment\n", "f.yaml") is None
    tree = read_tree("{4: a, 0.10: b, off: c, null: d}", "f.yaml")
    assert tree is not None
    assert plain(tree) == {"4": "a", "0.10": "b", "off": "c", "null": "d"}


KEYS = st.text(string.ascii_letters + string.digits + " _-.:#'\"{}é中", min_size=1, max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


class _Quoting(yaml.SafeDumper):
    """PyYAML writes for YAML 1.1 and leaves text such as 0E0 plain, so all text is quoted."""


_Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def _core_dump(value: Any, flow: bool) -> str:
    return yaml.dump(
        value, Dumper=_Quoting, default_flow_style=flow, allow_unicode=True, width=10_000,
        sort_keys=False,
    )  # fmt: skip


def _places(node: Node) -> list[Place]:
    if isinstance(node, Mapped):
        own = [key for key, _ in node.entries.values()]
        return [node.place, *own, *(p for e in node.entries.values() for p in _places(e.node))]
    if isinstance(node, Listing):
        return [node.place, *(p for item in node.items for p in _places(item))]
    return [node.place]


def _same(found: Any, value: Any) -> bool:
    if isinstance(value, dict):
        return list(found) == list(value) and all(_same(found[k], value[k]) for k in value)
    if isinstance(value, list):
        return len(found) == len(value) and all(map(_same, found, value))
    return type(found) is type(value) and found == value


@given(VALUES, st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_plain_value_survives_dump_and_load_with_places(value: Any, flow: bool) -> None:
    text = _core_dump({"root": value}, flow)
    tree = read_tree(text, "f.yaml")
    assert tree is not None
    assert _same(plain(tree)["root"], value)
    lines = text.split("\n")
    for place in _places(tree):
        assert 1 <= place.line <= len(lines)
        assert 1 <= place.column <= len(lines[place.line - 1]) + 1


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_python_float_is_read_back_exactly(number: float) -> None:
    found = value_of(repr(number))
    assert found == number
    assert math.copysign(1, found) == math.copysign(1, number)


@given(st.text(max_size=80) | st.text("{}[]:-,&*!<>|'\"#%@`? \n\tab1.", max_size=60))
@settings(max_examples=400, deadline=None)
def test_arbitrary_text_gives_a_tree_or_a_spec_error(text: str) -> None:
    try:
        tree = read_tree(text, "f.yaml")
    except SpecError as error:
        assert "f.yaml" in str(error)
    else:
        assert tree is None or isinstance(tree, Scalar | Listing | Mapped)
