"""Laws of expansion and identity, over generated studies and over the whole schema."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tempo.core.records import Plan
from tempo.design.expand import expand
from tempo.spec.load import load_study
from tempo.spec.options import Options, catalog_of
from tempo.spec.study import RESULT_SECTIONS, RunConfig, identity

MINIMAL: dict[str, Any] = {
    "data": {"kind": "procedural"},
    "recipe": {"budget": {"steps": 2}},
}

LEVELS: dict[str, tuple[str, dict[str, Any]]] = {
    "se": ("arch.se", {"on": "squeeze_excite", "off": "none"}),
    "norm": ("arch.norm", {"group": "group", "none": "none", "layer": "layer2d"}),
    "lr": ("recipe.lr", {"a": 1e-4, "b": 2e-4, "c": 3e-4}),
    "block": ("arch.block", {"pre": "pre_act", "swin": "swin"}),
    "window": ("arch.block.window", {"w4": 4, "w8": 8}),
}


def plan_of(study: Any) -> Plan:
    """The plan of a study given as plain values (JSON is YAML)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _: json.dumps(study).encode())
        spec = load_study(Path("s.yaml"))
    # What expanding imports reads files of its own.
    return expand(spec)


@st.composite
def studies(draw: st.DrawFn) -> dict[str, Any]:
    """A study of one to three designs over a few factors, conditions and exclusions."""
    picked = draw(st.lists(st.sampled_from(sorted(LEVELS)), min_size=1, max_size=4, unique=True))
    if "window" in picked and "block" not in picked:
        picked.append("block")
    factors: dict[str, Any] = {
        name: {"path": LEVELS[name][0], "levels": LEVELS[name][1]} for name in picked
    }
    if "window" in picked:
        factors["window"]["when"] = {"block": "swin"}
    kinds = st.sampled_from(["factorial", "one_factor", "sobol"])
    designs = []
    for kind in draw(st.lists(kinds, min_size=1, max_size=3)):
        some = draw(st.permutations(picked))
        extra: dict[str, Any] = {"points": draw(st.integers(1, 12))} if kind == "sobol" else {}
        if kind == "one_factor":
            extra["baseline"] = {name: next(iter(LEVELS[name][1])) for name in some}
        designs.append({"kind": kind, "factors": some, **extra})
    rules = []
    for name in draw(st.lists(st.sampled_from(picked), max_size=2)):
        labels = draw(st.lists(st.sampled_from(sorted(LEVELS[name][1])), min_size=1, max_size=2))
        rules.append({"levels": {name: labels}, "reason": f"no {name}"})
    seeds = draw(st.integers(1, 3))
    return {
        "study": "s", **MINIMAL, "factors": factors, "design": designs, "exclude": rules,
        "seeds": seeds,
    }  # fmt: skip


def shuffled(value: Any, random: Any) -> Any:
    """The value with the keys of every mapping in another order."""
    if isinstance(value, dict):
        keys = list(value)
        random.shuffle(keys)
        return {key: shuffled(value[key], random) for key in keys}
    return [shuffled(each, random) for each in value] if isinstance(value, list) else value


@given(studies(), st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_expansion_is_deterministic_and_independent_of_key_order(study: Any, random: Any) -> None:
    plan = plan_of(study)
    assert plan_of(study) == plan
    other = plan_of(shuffled(study, random))
    assert {v.name: v.config for v in other.variants} == {v.name: v.config for v in plan.variants}
    assert set(other.runs) == set(plan.runs)
    assert other.spec_hash == plan.spec_hash


@given(studies())
@settings(max_examples=80, deadline=None)
def test_no_duplicates_and_exclusions_are_respected(study: Any) -> None:
    plan = plan_of(study)
    configs = [json.dumps(variant.config, sort_keys=True) for variant in plan.variants]
    assert len(set(configs)) == len(configs)
    assert len({variant.name for variant in plan.variants}) == len(plan.variants)
    assert len({(run.variant, run.seed) for run in plan.runs}) == len(plan.runs)
    trained = [each for each in plan.variants if each.role != "reference"]
    assert len(plan.runs) == len(trained) * study["seeds"] + 2
    for variant in trained:
        for rule in study["exclude"]:
            matches = [
                variant.levels.get(name) in labels for name, labels in rule["levels"].items()
            ]
            assert not all(matches)
        if "window" in variant.levels:
            assert variant.levels["block"] == "swin"


# --- identity over the schema ----------------------------------------------------------------


def config(changes: dict[str, Any]) -> RunConfig:
    return RunConfig.model_validate(changes)


GUESSES: tuple[Any, ...] = (
    1, 2, 3, 0, 4, 16, 32, 0.5, 0.25, 2.5, 0.9, 1e-3, "x", "average", "ssim", [], ["a"], [1],
    [1, 2], [3], [2, 1, 1],
    [0.5], [0.25, 0.5], [64, 64], [512, 512], [0.0, 1.0], [0.5, 0.5], [1.0, 2.0],
    [[1], [1], [1], [1]],
    [{"until": 0.5, "crop": 32}], [{"loss": {"kind": "ssim"}}], {"from": "a"},
    [{"budget": {"steps": 2}}], [{"until": 0.5, "motion": [0.0, 12.0]}],
    [{"until": 0.5, "spacing": 8}],
)  # fmt: skip
"""Values of every shape the schema has. A field takes the first that is valid there."""


def _guesses(info: Any, value: Any) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    words = [info.annotation, *get_args(info.annotation)]
    yield from (word for each in words if get_origin(each) is Literal for word in get_args(each))
    if isinstance(value, tuple):
        yield from (list(value[:-1]), list(value[1:]), list(reversed(value)))
    if isinstance(value, int | float):
        yield from (value + type(value)(1), value - type(value)(1), value * 2, value / 2)
    yield from GUESSES


def _fields(section: BaseModel, path: tuple[str, ...]) -> Iterator[tuple[str, Any, Any]]:
    """The path, schema and value of every result-relevant field under a section."""
    for name, info in type(section).model_fields.items():
        extra = info.json_schema_extra
        unmarked = not (isinstance(extra, dict) and extra.get("changes_result") is False)
        if unmarked and name not in {"kind", "runtime"}:
            value = getattr(section, name)
            yield ".".join((*path, name)), info, value
            if isinstance(value, BaseModel):
                yield from _fields(value, (*path, name))


def _changes(base: dict[str, Any], section: BaseModel, path: tuple[str, ...]) -> Iterator[Any]:
    """A name, and `base` with another valid value of a field, for every field and every kind."""
    for dotted, info, value in _fields(section, path):
        catalog = catalog_of(info.metadata)
        if catalog is not None:
            kinds = [(f"{dotted}={kind}", {"kind": kind}) for kind in catalog]
            tried = ((name, _set(base, dotted, each)) for name, each in kinds)
            yield from ((name, changed) for name, changed in tried if _valid(changed))
        elif not isinstance(value, BaseModel):
            yield dotted, _changed(base, dotted, info, value)


def _changed(base: dict[str, Any], dotted: str, info: Any, value: Any) -> dict[str, Any]:
    if dotted.startswith("recipe.budget."):
        return _set(base, "recipe.budget", {dotted.rpartition(".")[2]: 7})
    for guess in _guesses(info, value):
        changed = _set(base, dotted, guess)
        if _valid(changed) and config(changed) != config(base):
            return changed
    raise AssertionError(f"no guess is valid for {dotted} (now {value!r}): add one to GUESSES")


def _valid(changed: dict[str, Any]) -> bool:
    """Some kinds need options that have no default, as a video folder needs its root."""
    try:
        config(changed)
    except ValueError:
        return False
    return True


def _set(base: dict[str, Any], dotted: str, value: Any) -> dict[str, Any]:
    out: dict[str, Any] = json.loads(json.dumps(base))
    *way, last = dotted.split(".")
    at = out
    for key in way:
        at = at.setdefault(key, {})
    at[last] = value
    return out


def _whole(value: dict[str, Any]) -> dict[str, Any]:
    """A config with every default spelt out."""
    return config(value).model_dump(mode="json")


BASE = _whole(MINIMAL)
CASES = list(_changes(BASE, config(MINIMAL), ()))


@pytest.mark.parametrize(("name", "changed"), CASES, ids=[case[0] for case in CASES])
def test_every_result_relevant_field_changes_the_run_id(name: str, changed: dict[str, Any]) -> None:
    same = config(changed) == config(BASE)
    assert same <= ("=" in name)
    assert (identity(config(changed), 0) == identity(config(BASE), 0)) == same


def test_the_schema_is_covered() -> None:
    """Each section with a result has cases; a kind's own options are walked below."""
    sections = {name.split(".")[0].split("=")[0] for name, *_ in CASES}
    assert sections == set(RESULT_SECTIONS[True])
    assert len(CASES) > 60


def _kinds(section: BaseModel) -> Iterator[tuple[str, Options]]:
    for name, info in type(section).model_fields.items():
        catalog = catalog_of(info.metadata)
        for kind in catalog or ():
            options = catalog.get(kind)  # type: ignore[union-attr]
            if not any(field.is_required() for field in options.model_fields.values()):
                yield name, options()


@pytest.mark.parametrize("section", ["arch", "recipe", "data"])
def test_every_option_of_every_kind_changes_the_run_id(section: str) -> None:
    whole = config(MINIMAL)
    holder = whole if section == "data" else getattr(whole, section)
    prefix = () if section == "data" else (section,)
    checked = 0
    for slot, options in _kinds(holder):
        base = _set(_whole(MINIMAL), ".".join((*prefix, slot)), options.model_dump(mode="json"))
        for name, changed in _changes(base, options, (*prefix, slot)):
            assert identity(config(changed), 0) != identity(config(base), 0), name
            checked += 1
    assert checked > 4


@pytest.mark.parametrize("name", sorted(RunConfig.model_fields["runtime"].annotation.model_fields))
def test_no_runtime_field_changes_the_run_id(name: str) -> None:
    section = config(MINIMAL).runtime
    others = {"device": "cpu", "compile": "default", "kernels": "plain", "micro_batch": 2,
              "profile_steps": [1, 2], "slots": 3}  # fmt: skip
    value = getattr(section, name)
    other = others.get(name, not value if isinstance(value, bool) else None)
    other = value + 1 if other is None else other
    changed = config(_set(MINIMAL, f"runtime.{name}", other))
    assert changed != config(MINIMAL)
    assert identity(changed, 0) == identity(config(MINIMAL), 0)


@given(st.randoms(use_true_random=False), st.integers(0, 2**31))
@settings(max_examples=30)
def test_spelt_out_defaults_and_key_order_change_nothing(random: Any, seed: int) -> None:
    plain = identity(config(MINIMAL), seed)
    assert identity(config(shuffled(_whole(MINIMAL), random)), seed) == plain


def test_every_seed_is_another_run() -> None:
    assert len({identity(config(MINIMAL), seed) for seed in range(50)}) == 50


def test_other_processes_and_hash_seeds_agree() -> None:
    code = (
        "import json, sys\n"
        "from tempo.spec.study import RunConfig, identity\n"
        "print(identity(RunConfig.model_validate(json.loads(sys.argv[1])), 3))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code, json.dumps(value)],
            capture_output=True, text=True, check=True, timeout=60,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout.strip()
        for seed, value in [("1", MINIMAL), ("2", _whole(MINIMAL))]
    }  # fmt: skip
    assert found == {identity(config(MINIMAL), 3)}


def test_the_run_id_is_pinned() -> None:
    """Recorded runs are found by it. When this fails, a default changed what it means: raise
    IDENTITY_VERSION, or keep the old behaviour as the default."""
    assert identity(config(MINIMAL), 0) == "743f20453505"
