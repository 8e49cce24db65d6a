"""The JSON schema of spec files: it takes what the loader takes, and finds what editors can."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from jsonschema import Draft7Validator

import tempo
from tempo.spec.arch_slots import BLOCKS
from tempo.spec.json_schema import study_schema
from tempo.spec.options import Options, by_kind_of_function, catalog_of_function, register
from tempo.spec.study import StudySpec
from tempo.spec.yaml.strict_yaml import read_tree
from tempo.spec.yaml.value_tree import plain

from .conftest import MINIMAL, Load

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([*ROOT.glob("experiments/*.yaml"), *ROOT.glob("ablations/*.yaml")])


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    schema = study_schema()
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def complaints_of(validator: Draft7Validator, text: str) -> list[str]:
    tree = read_tree(text, "s.yaml")
    assert tree is not None
    return [f"{each.json_path}: {each.message}" for each in validator.iter_errors(plain(tree))]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_spec_is_valid(validator: Draft7Validator, path: Path) -> None:
    assert complaints_of(validator, path.read_text()) == []


FORMS = [
    "seeds: [0, 7]\n",
    "seeds: 3\n",
    "seeds: {from: 3, to: 6}\n",
    "verdict: {metrics: [psnr, ssim], delta: {ssim: 0.01}}\n",
    "arch: {se: true, blocks: 4}\n",
    "arch: {se: {reduction: 4}, blocks: [1, [2, 2], 1, 1], preset: tempo_v3}\n",
    "arch: {block: {kind: swin, window: 4}}\n",
    "runtime: {device: '${TEMPO_NO_SUCH_DEVICE:-cpu}'}\n",
    "factors: {n: {path: arch.base_channels, levels: {4: 4, 8: 8}, only: [4]}}\ndesign: []\n",
    "factors: {n: {path: arch.base_channels, levels: {4: 4, 8: 8}}}\n"
    "design: [{kind: factorial, factors: [n]}]\n"
    "exclude: [{levels: {n: 4}, reason: too small}]\n",
    "variants: {a: {set: {arch.se: none, recipe: {lr: 1e-3}}}}\n",
    "profiles: {full: null, small: {recipe: {batch: 2}, seeds: 2}}\n",
    "budget: {gpu_hours: 2}\nresources: {mem: 32G, time: '1:00:00'}\n",
    "factors: {lr: {path: recipe.lr, range: {low: 1e-4, high: 1e-2, log: true}}}\n"
    "search: {space: lr, budget: {trials: 4}, constraints: ['parameters <= 5M'], "
    "enqueue: [{lr: 1e-3}]}\n",
]


@pytest.mark.parametrize("text", FORMS)
def test_every_form_that_the_loader_takes_is_valid(
    validator: Draft7Validator, load: Load, text: str
) -> None:
    load(MINIMAL + text)
    assert complaints_of(validator, MINIMAL + text) == []


def test_a_long_batch_and_parts_that_a_base_completes_are_valid(
    validator: Draft7Validator, load: Load
) -> None:
    text = "base: b.yaml\nstudy: s\nrecipe: {batch: {global: 8, micro: auto}}\n"
    assert load(text, b=MINIMAL).spec.recipe.batch == 8
    assert complaints_of(validator, text) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (MINIMAL + "sedes: 3\n", "sedes"),
        (MINIMAL + "arch: {blok: 3}\n", "blok"),
        (MINIMAL + "arch: {block: swim}\n", "block"),
        (MINIMAL + "arch: {block: {kind: swin, windo: 4}}\n", "block"),
        (MINIMAL + "arch: {preset: tempo_v9}\n", "preset"),
        (MINIMAL + "runtime: {device: gpu}\n", "device"),
        (MINIMAL + "recipe: {lr: fast, budget: {steps: 2}}\n".replace("recipe", "x"), "x"),
        (MINIMAL.replace("steps: 2", "steps: 0"), "steps"),
        (MINIMAL + "variants: {a: {set: {seeds: 3}}}\n", "seeds"),
        (MINIMAL + "profiles: {small: {study: x}}\n", "study"),
        (MINIMAL + "design: [{kind: factorial, factor: [a]}]\n", "design"),
        ("study: s\nrecipe: {budget: {steps: 2}}\n", "data"),
        ("base: b.yaml\nseeds: 2\n", "study"),
    ],
)
def test_what_an_editor_can_find_is_found(
    validator: Draft7Validator, text: str, place: str
) -> None:
    found = complaints_of(validator, text)
    assert found and any(place in each for each in found)


def undescribed(schema: Any) -> Iterator[str]:
    """The functions before a field's own check for which the schema does not say what they take."""
    if isinstance(schema, Mapping):
        if schema.get("type") in {"function-before", "function-wrap", "function-plain"}:
            function = schema["function"]["function"]
            known = catalog_of_function(function) or by_kind_of_function(function)
            if "json_schema_input_schema" not in schema and known is None:
                yield getattr(function, "__qualname__", repr(function))
        for key, value in schema.items():
            if key != "serialization":
                yield from undescribed(value)
    elif isinstance(schema, list | tuple):
        for each in schema:
            yield from undescribed(each)


AS_DESCRIBED = {
    "_as_tuple",  # a list, as the tuple's own schema says
    "RunConfig._import_plugins",  # imports what is named, accepts nothing more
    "Bound._parse",  # described by the class
    "SearchSpec._whole_numbers",  # changes a number, accepts nothing more
    "VerdictSection._widths",  # checks what the type says
}


def test_every_form_of_a_field_is_described() -> None:
    """Fails for a new short form: give its validator `json_schema_input_type`, or list it above."""
    assert set(undescribed(StudySpec.__pydantic_core_schema__)) <= AS_DESCRIBED


def test_every_field_that_a_spec_can_have_is_in_the_schema() -> None:
    schema = study_schema()
    assert set(schema["properties"]) == {*StudySpec.model_fields, "base", "profiles"}
    assert "octaves" in schema["definitions"]["Sinusoidal"]["properties"]
    text = json.dumps(schema)
    assert "Squeeze-and-excitation" in text, "the meaning of a kind is shown while typing"


def test_registered_kinds_of_a_user_are_in_it() -> None:
    class Mine(Options):
        """A block of one's own."""

        kind: Literal["mine"] = "mine"
        depth: int = 2

    register(BLOCKS, Mine)
    try:
        assert "depth" in study_schema()["definitions"]["Mine"]["properties"]
    finally:
        BLOCKS.remove("mine")


def test_the_committed_schema_is_that_of_the_code() -> None:
    """Write it anew by `tempo schema --out study.schema.json`."""
    assert json.loads((ROOT / "study.schema.json").read_text()) == tempo.study_schema()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_specs_name_the_schema_by_a_path_that_needs_no_network(path: Path) -> None:
    line = path.read_text().splitlines()[0]
    before, _, target = line.partition("=")
    assert before == "# yaml-language-server: $schema"
    assert (path.parent / target).resolve() == ROOT / "study.schema.json"
