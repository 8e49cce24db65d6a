"""The reference of a spec's fields has all of them, and its examples are valid."""

from __future__ import annotations

from collections.abc import Iterator

import field_reference as reference
import pytest
from pydantic import Field, ValidationError

from tempo.core.errors import TempoError
from tempo.spec.arch import ArchSpec
from tempo.spec.arch_slots import Sinusoidal
from tempo.spec.data import Footage
from tempo.spec.designs import Between, DesignOptions, Range
from tempo.spec.options import Options, Section
from tempo.spec.presets import expand_preset
from tempo.spec.recipe import Recipe
from tempo.spec.sections.start import FromField
from tempo.spec.study import RunConfig, StudySpec
from tempo.spec.yaml.problems import Problems
from tempo.spec.yaml.schema_walk import Shape, complete
from tempo.spec.yaml.strict_yaml import read_tree
from tempo.spec.yaml.value_tree import Entry, Mapped, Node, plain

BASES = {Options, DesignOptions, Between, Footage, RunConfig, FromField}
"""Classes that only others are made from."""

PAGES = {page.name: page for page in reference.pages()}
BLOCKS = [block for page in PAGES.values() for block in page.blocks]


def sections(base: type[Section] = Section) -> Iterator[type[Section]]:
    """Yield every section and kind that a spec can hold."""
    for each in base.__subclasses__():
        # A config of an evaluation is recorded, and nobody writes it; a user's profile is no spec.
        if each.__name__ == "TestRunConfig" or each.__module__.startswith("tempo.spec.user."):
            continue
        if each.__module__.startswith("tempo.spec."):
            yield each
            yield from sections(each)


ALL = sorted({*sections()} - BASES, key=lambda each: each.__name__)


@pytest.mark.parametrize("section", ALL, ids=lambda each: each.__name__)
def test_every_section_and_kind_has_its_fields_on_the_page(section: type[Section]) -> None:
    found = [block for block in BLOCKS if block.section is section]
    assert len(found) == 1
    wanted = [i.alias or n for n, i in section.model_fields.items() if n != "kind"]
    assert [row.name for row in found[0].rows] == wanted
    text = "".join(page.markdown for page in PAGES.values())
    prefix = f"{found[0].path}." if found[0].path else ""
    for name in wanted:
        assert text.count(f"{{ #field.{prefix}{name} .field }}") == 1


FIELDS = [
    (section, name, info)
    for section in ALL
    for name, info in section.model_fields.items()
    if name != "kind"
]


CONTEXT = {
    "Factor.path": "levels: {a: 1}",
    "Factor.range": "path: recipe.lr",
    "Factor.only": "levels: {tight: 1, loose: 2}",
    "Factor.when": "levels: {a: 1}",
    "Factor.when_level": "levels: {seed: 1}",
    "Footage.target_times": "stride: 2",
    "OtherMethod.name": "method: flow",
    "TestSetEntry.size": "clips: my/videos",
    "TestSetEntry.stride": "clips: my/videos",
    "TestSetEntry.every": "clips: my/videos",
    "TestSetEntry.root": "set: ucf101",
    "TestSetEntry.subset": "set: ucf101",
    "TestSetEntry.name": "set: ucf101",
    "Range.whole": "{low: 0, high: 4000}",
    "Range.step": "{low: 0, high: 4000}",
}
"""What else such a section needs: fields that exclude or need each other."""


def read(section: type[Section], text: str) -> Node:
    tree = read_tree(f"{text}\n", "example")
    assert isinstance(tree, Mapped)
    if "arch" in tree.entries:
        arch = expand_preset(tree.entries["arch"].node, Problems())
        tree = tree.with_entry("arch", Entry(tree.entries["arch"].key, arch))
    return complete(tree, Shape(section))


@pytest.mark.parametrize(
    ("section", "name"),
    [(section, name) for section, name, _ in FIELDS],
    ids=[f"{section.__name__}.{name}" for section, name, _ in FIELDS],
)
def test_every_example_is_valid(section: type[Section], name: str) -> None:
    given = plain(read(section, reference.example(section, name)))
    assert (section.model_fields[name].alias or name) in given
    keys = [f"{each.__name__}.{name}" for each in section.__mro__]
    more = next((CONTEXT[key] for key in keys if key in CONTEXT), "")
    around = plain(read(section, more)) if more else {}
    for other, info in section.model_fields.items():
        if info.is_required() and (info.alias or other) not in around | given:
            around |= plain(read(section, reference.example(section, other)))
    section.model_validate(around | given)


def test_a_wrong_example_would_be_found() -> None:
    with pytest.raises(ValidationError):
        StudySpec.model_validate(plain(read(StudySpec, "seeds: {frm: 3}")))


def test_a_field_without_a_meaning_stops_the_build() -> None:
    class Silent(Section):
        """A section."""

        width: int = 3

    with pytest.raises(TempoError, match=r"Silent\.width has no description; say in its Field"):
        reference.row(Silent, "width", Silent.model_fields["width"])


def test_a_field_without_an_example_stops_the_build() -> None:
    class Bare(Section):
        """A section."""

        name: str = Field(description="what it is called")

    with pytest.raises(TempoError, match=r"Bare\.name has no example; write one into"):
        reference.row(Bare, "name", Bare.model_fields["name"])


def test_docstrings_below_fields_are_meanings_too() -> None:
    rows = {row.name: row for block in BLOCKS if block.section is ArchSpec for row in block.rows}
    assert rows["dilations"].meaning.startswith("Dilation of each block's first convolution")


@pytest.mark.parametrize(
    ("section", "name", "takes", "default"),
    [
        (Sinusoidal, "octaves", "whole number from 1 to 16", "`10`"),
        (Recipe, "lr", "number above 0 and to 1000", "`5e-5`"),
        (Recipe, "grad_clip", "number above 0, or null", "`0.5`"),
        (Recipe, "budget", "section", "required"),
        (Range, "step", "number above 0, or null", "`null`"),
        (StudySpec, "equal", "one of `steps`, `epochs`, `clips`, `gpu_hours`, or null", "`null`"),
    ],
)
def test_what_a_row_says(section: type[Section], name: str, takes: str, default: str) -> None:
    row = reference.row(section, name, section.model_fields[name])
    assert (row.takes, row.default) == (takes, default)
