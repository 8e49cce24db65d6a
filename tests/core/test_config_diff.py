"""Flattening and comparing nested configs."""

from tempo.core.config_diff import ABSENT, at_path, diff, flatten

CONFIG = {"arch": {"se": {"kind": "none"}, "scales": [1, 2]}, "empty": {}, "lr": 0.5}


def test_leaves_have_dotted_paths_lists_are_leaves_and_empty_mappings_vanish() -> None:
    assert flatten(CONFIG) == {"arch.se.kind": "none", "arch.scales": [1, 2], "lr": 0.5}
    assert flatten({"a": {"b": 1}}, "params") == {"params.a.b": 1}


def test_a_path_leads_to_any_value_and_what_is_not_there_equals_nothing() -> None:
    assert at_path(CONFIG, "arch.se") == {"kind": "none"}
    assert at_path(CONFIG, "empty") == {}
    assert at_path(CONFIG, "arch.norm") is ABSENT
    assert at_path(CONFIG, "lr.kind") is ABSENT
    assert at_path(CONFIG, "arch.norm") != at_path({"arch": {"norm": None}}, "arch.norm")


def test_a_difference_holds_both_values_in_the_order_of_the_first_config() -> None:
    after = {"new": 1, "lr": 0.25, "arch": {"se": {"kind": "se", "reduction": 8}, "scales": [1, 2]}}
    found = diff(CONFIG, after)
    assert list(found) == ["arch.se.kind", "arch.se.reduction", "empty", "lr", "new"]
    assert found["arch.se.kind"] == ("none", "se")
    assert found["arch.se.reduction"] == (None, 8)
    assert found["empty"] == ({}, None)
    assert diff({"se": None}, {"se": {"kind": "se"}}) == {"se": (None, {"kind": "se"})}
    assert next(iter(diff(flatten(CONFIG), flatten(after)))) == "arch.se.kind"
    assert diff({}, {"a": 1}, "-") == {"a": ("-", 1)}
    assert diff({"a": None}, {}) == {}
    assert diff({"a": None}, {}, ABSENT) == {"a": (None, ABSENT)}
