"""Names, places, seeds and identities."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempo.core.catalog import Catalog, nearest, unknown
from tempo.core.errors import InvalidSpecError, Place, SpecError, UnknownNameError
from tempo.core.identity import canonical, short_hash
from tempo.core.seeding import stream

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
).filter(lambda value: "inf" not in repr(value))


def _reversed_keys(value: object) -> object:
    if isinstance(value, dict):
        return {key: _reversed_keys(value[key]) for key in reversed(list(value))}
    return [_reversed_keys(each) for each in value] if isinstance(value, list) else value


class TestIdentity:
    @given(JSON)
    def test_key_order_does_not_matter(self, value: object) -> None:
        assert canonical(_reversed_keys(value)) == canonical(value)

    @pytest.mark.parametrize(("a", "b"), [(1, 1.0), (1, True), (0, None), ("1", 1), ([], {})])
    def test_types_are_told_apart(self, a: object, b: object) -> None:
        assert short_hash(a) != short_hash(b)

    def test_not_a_number_has_no_identity(self) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            canonical(float("nan"))

    def test_other_processes_agree(self) -> None:
        value = {"b": [1, 2.5, None], "a": "text", "c": {"z": True, "y": 1e-4}}
        code = f"from tempo.core.identity import short_hash; print(short_hash({value!r}))"
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
        )
        assert done.stdout.strip() == short_hash(value)


class TestStream:
    def test_it_is_pinned(self) -> None:
        """Streams are part of every recorded result, so they never change."""
        assert stream(0, "init", "arch.se") == 5549009505645940564

    @given(st.integers(0, 2**31), st.lists(st.text(max_size=3) | st.integers(0, 9), max_size=3))
    def test_range_and_repetition(self, seed: int, names: list[str | int]) -> None:
        assert stream(seed, *names) == stream(seed, *names)
        assert 0 <= stream(seed, *names) < 2**63

    def test_parts_are_kept_apart(self) -> None:
        found = {stream(*key) for key in [(0, "ab", "c"), (0, "a", "bc"), (0, 1), (0, "1"), (1, 0)]}
        assert len(found) == 5


class TestCatalog:
    def test_a_miss_names_the_known_and_the_nearest(self) -> None:
        catalog = Catalog("norm", {"group": 1, "none": 2})
        with pytest.raises(UnknownNameError) as caught:
            catalog.get("gruop")
        message = "unknown norm 'gruop'; did you mean 'group'? (known: group, none)"
        assert str(caught.value) == message

    def test_a_taken_name_is_refused(self) -> None:
        catalog = Catalog("norm", {"group": 1})
        with pytest.raises(ValueError, match="norm 'group' is already registered"):
            catalog.add("group", 2)

    def test_entries_can_come_and_go(self) -> None:
        catalog = Catalog[int]("norm")
        catalog.add("new", 1)
        assert (list(catalog), len(catalog), "new" in catalog) == (["new"], 1, True)
        catalog.remove("new")
        assert "new" not in catalog

    def test_an_unhashable_name_is_just_unknown(self) -> None:
        with pytest.raises(UnknownNameError, match=r"unknown norm \[1\]"):
            Catalog("norm", {"group": 1}).get([1])  # type: ignore[arg-type]

    def test_nothing_near_gives_no_guess(self) -> None:
        assert nearest("zzz", ["group"]) is None
        assert unknown("norm", "zzz", ["group"]) == "unknown norm 'zzz' (known: group)"


class TestErrors:
    def test_a_place_leads_the_message(self) -> None:
        assert str(SpecError("wrong", Place("s.yaml", 3, 4))) == "s.yaml:3:4: wrong"
        assert str(SpecError("wrong", Place("--set a=1"))) == "--set a=1: wrong"
        assert str(SpecError("wrong")) == "wrong"

    def test_several_are_one_a_line_and_kept(self) -> None:
        problems = [SpecError(text, Place("s", line, 1)) for line, text in [(1, "a"), (2, "b")]]
        error = InvalidSpecError(problems)
        assert str(error) == "s:1:1: a\ns:2:1: b"
        assert (error.problems, error.place) == (tuple(problems), Place("s", 1, 1))
        assert problems[0].problems == (problems[0],)
