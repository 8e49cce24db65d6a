"""Every way to get a spec wrong: one clear message with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempo.core.errors import SpecError
from tempo.spec.load import load_study
from tempo.spec.study import StudySpec

from .conftest import MINIMAL, Complaints

HEAD = "study: s\ndata: procedural\n"
RECIPE = HEAD + "recipe: {budget: {steps: 2}, %s}\n"
ARCH = MINIMAL + "arch: {%s}\n"


@pytest.mark.parametrize(
    ("text", "place", "parts"),
    [
        # unknown names, with the nearest known one
        (MINIMAL + "sedes: 3\n", "4:1", ["unknown key 'sedes'", "did you mean 'seeds'?"]),
        (RECIPE % "lrr: 1", "3:30", ["unknown key of recipe: 'lrr'", "did you mean 'lr'?"]),
        (ARCH % "prest: tempo_v2", "4:8", ["unknown key of arch: 'prest'", "'preset'"]),
        (ARCH % "preset: tempo_v4", "4:16", ["unknown architecture preset 'tempo_v4'", "tempo_v"]),
        (ARCH % "se: {kind: squeeze}", "4:19", ["unknown channel attention 'squeeze'", "excite"]),
        (ARCH % "block: {kind: swin, windo: 4}", "4:28", ["of arch.block: 'windo'", "'window'"]),
        (RECIPE % "precision: bf61", "3:41", ["recipe.precision must be 'fp32'", "mean 'bf16'?"]),
        (MINIMAL + "design: [factoral]\n", "4:10", ["unknown design 'factoral'", "'factorial'"]),
        # wrong types
        (RECIPE % "lr: '1e-4'", "3:34", ["recipe.lr must be a number, not '1e-4'", "the quotes"]),
        (RECIPE % 'warmup: "10"', "3:38", ["must be a whole number, not '10'", "the quotes"]),
        (RECIPE % "warmup: 1.5", "3:38", ["recipe.warmup must be a whole number, not 1.5"]),
        (RECIPE % "lr: fast", "3:34", ["recipe.lr must be a number, not 'fast'"]),
        (RECIPE % "lr: true", "3:34", ["recipe.lr must be a number, not true"]),
        (ARCH % "guidance: off", "4:18", ["must be true or false, not 'off'; write false"]),
        (ARCH % "guidance: Yes", "4:18", ["must be true or false, not 'Yes'; write true"]),
        (ARCH % "dilations: 2", "4:19", ["arch.dilations must be a list, not 2", "is [2]"]),
        (
            MINIMAL + "factors: {lr: {path: recipe.lr, levels: [1e-3, 1e-4]}}\n",
            "4:41",
            ["must be a mapping, not [0.001, 0.0001]", "as in {1e-3: 1e-3, 1e-4: 1e-4}"],
        ),
        (
            MINIMAL + "factors: {a: {path: arch.dilations, levels: [[1], [1, 2]]}}\n",
            "4:45",
            ["as in {level1: [1], level2: [1, 2]}"],
        ),
        (RECIPE % "lr: [{kind: l1}]", "3:34", ["must be a number, not [{kind: 'l1'}]"]),
        (MINIMAL + "resources: {mem: 3 GB}\n", "4:18", ["mem must be a size such as 32G"]),
        (MINIMAL + "question: Is it: so?\n", "4:16", ["write question: 'Is it: so?'"]),
        (ARCH % "widths: [1, 2, x, 4]", "4:23", ["arch.widths.2 must be a whole number, not 'x'"]),
        (ARCH % "widths: 3", "4:16", ["must be 'compact' or 'doubling' or be a list, not 3"]),
        (HEAD + "recipe:\n", "3:8", ["recipe must be a mapping, not null"]),
        (MINIMAL.replace("minimal", "7"), "1:8", ["study must be text, not 7", "in quotes"]),
        # rules
        (RECIPE % "lr: -1", "3:34", ["recipe.lr must be greater than 0, not -1"]),
        (RECIPE % "crop: 4", "3:36", ["recipe.crop must be at least 8, not 4"]),
        (ARCH % "dilations: [0]", "4:19", ["numbers from 1 to 16"]),
        (ARCH % "blocks: 2", "4:16", ["one number of blocks per scale is 3 to 12, not 2"]),
        (HEAD + "recipe: {budget: {steps: 1, clips: 2}}\n", "3:18", ["exactly one of", "clips)"]),
        (HEAD + "recipe: {lr: 1}\n", "3:1", ["recipe needs 'budget'"]),
        (MINIMAL.replace("procedural", "video"), "2:1", ["data needs 'root' (with kind 'video')"]),
        (MINIMAL.replace("procedural", "{root: x}"), "2:7", ["a data set needs `kind`", "video"]),
        (MINIMAL.replace("minimal", "a/b"), "1:8", ["study must be at most 80 letters"]),
        (MINIMAL + "seeds: [1, 1]\n", "4:8", ["seeds are distinct whole numbers from 0"]),
        (MINIMAL + "seeds: 0\n", "4:8", ["a count from 1 to 10,000 or a list, not 0"]),
        ("data: procedural\nrecipe: {budget: {steps: 2}}\n", "1:1", ["the spec needs 'study'"]),
        # the file
        ("", "1:1", ["the file is empty: a study needs `study`, `data` and `recipe`"]),
        ("# nothing\n\n", "1:1", ["the file is empty"]),
        ("--- \n", "1:1", ["the file is empty"]),
        ("- 1\n- 2\n", "1:1", ["a spec is a mapping of keys to values, not a list"]),
        ("just text", "1:1", ["a spec is a mapping of keys to values, not 'just text'"]),
        (b"a: 1\nb: \xff\n", "2:4", ["the file is not UTF-8: byte 0xff"]),
        ("study: s\n\tdata: x\n", "2:1", ["a tab cannot indent"]),
        # base and profiles
        (MINIMAL + "base: none.yaml\n", "4:7", ["base 'none.yaml' does not exist"]),
        (MINIMAL + "base: .\n", "4:7", ["base '.' is a folder"]),
        (MINIMAL + "base: [a, b]\n", "4:7", ["`base` is the path of one YAML file"]),
        (MINIMAL + "base: s.yaml\n", "4:7", ["`base` runs in a circle: s.yaml -> s.yaml"]),
        (MINIMAL + "profiles: [a]\n", "4:11", ["`profiles` maps names to the parts"]),
        (MINIMAL + "profiles: {a: 3}\n", "4:15", ["profile 'a' must be a mapping"]),
        (MINIMAL + "profiles: {a: {base: x}}\n", "4:16", ["a profile cannot change 'base'"]),
    ],
)  # fmt: skip
def test_message_and_place(
    complaints: Complaints, text: str | bytes, place: str, parts: list[str]
) -> None:
    lines = complaints(text)
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"s.yaml:{place}: ")
    assert [part for part in parts if part not in lines[0]] == []


def test_all_problems_of_a_file_are_told_together_in_order(complaints: Complaints) -> None:
    text = (
        "study: s\n"
        "arch: {preset: v2, blok: 1, guidance: no}\n"
        "data: {kind: procedural, seed: '3'}\n"
        "recipe: {lr: 0, budget: {steps: 1.0}, optimiser: adan}\n"
        "colour: red\n"
    )
    places = [line.split(": ")[0] for line in complaints(text)]
    assert places == [
        f"s.yaml:{place}"
        for place in ("2:16", "2:20", "2:39", "3:32", "4:14", "4:33", "4:50", "5:1")
    ]


def test_an_error_in_a_base_names_the_base(complaints: Complaints) -> None:
    (line,) = complaints("base: b.yaml\nstudy: s\n", b=HEAD + "recipe: {budget: {steps: 0}}\n")
    assert line == "b.yaml:3:26: recipe.budget.steps must be at least 1, not 0"


def test_a_circle_of_bases_is_told_at_the_line_that_closes_it(complaints: Complaints) -> None:
    (line,) = complaints("study: s\nbase: b.yaml\n", b="a: 1\n\nbase: s.yaml\n")
    assert line == "b.yaml:3:7: `base` runs in a circle: s.yaml -> b.yaml -> s.yaml"


def test_study_and_question_are_not_inherited(complaints: Complaints) -> None:
    (line,) = complaints("base: b.yaml\nseeds: 2\n", b=MINIMAL)
    assert line.startswith("s.yaml:1:1: the spec needs 'study': write `study: NAME` in this file")


def test_what_is_missing_is_missing_in_the_file_and_not_in_what_was_merged_over_it(
    complaints: Complaints,
) -> None:
    base = MINIMAL + "profiles: {small: {seeds: 2}}\n"
    options = {"profile": "small", "overrides": ["recipe.lr=1"]}
    (line,) = complaints("base: b.yaml\nseeds: 2\n", b=base, **options)
    assert line.startswith("s.yaml:1:1: the spec needs 'study'")


def test_unknown_profile_names_the_known_and_the_nearest(complaints: Complaints) -> None:
    text = MINIMAL + "profiles: {smoke: {}, demo: {}}\n"
    (line,) = complaints(text, profile="smok")
    assert line == "s.yaml: unknown profile 'smok'; did you mean 'smoke'? (known: smoke, demo)"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("recipe.lr=-1", "recipe.lr must be greater than 0, not -1"),
        ("recipe.lrr=1", "unknown key of recipe: 'lrr'; did you mean 'lr'?"),
        ("recipe.lr='1'", "recipe.lr must be a number, not '1'; remove the quotes"),
        ("arch.guidance=off", "arch.guidance must be true or false, not 'off'; write false"),
        ("recipe.lr", "an override is key.path=value"),
        ("recipe..lr=1", "'recipe..lr' is not a path"),
        ("=1", "'' is not a path"),
        ("recipe.lr=[1", "not valid YAML"),
        ("base=x.yaml", "'base' cannot be overridden"),
        ("profiles.a.seeds=1", "'profiles' cannot be overridden"),
        ("seeds={a: 1, a: 2}", "duplicate key 'a'"),
    ],
)
def test_overrides_are_checked_alike(complaints: Complaints, override: str, message: str) -> None:
    (line,) = complaints(overrides=[override])
    assert line.startswith(f"--set {override}: ")
    assert message in line


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path, message in [
        (Path("absent.yaml"), "absent.yaml: there is no such file"),
        (tmp_path, f"{tmp_path}: a folder, not a YAML file"),
        (Path("x\0y"), "x\0y: cannot be read: embedded null byte"),
    ]:
        with pytest.raises(SpecError) as caught:
            load_study(path)
        assert str(caught.value) == message


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(SpecError, match=r"s\.yaml: cannot be read: Permission denied"):
        load_study(Path("s.yaml"))


WORDS = st.sampled_from(
    ["study", "data", "recipe", "arch", "budget", "kind", "base", "profiles", "seeds", "design",
     "factors", "levels", "path", "preset", "variants", "set", "tempo_v2", "procedural", "s.yaml",
     "1", "-1", "1e-4", "off", "null", "[]", "{}", "a", "${X}", "${", "se", "widths", "blocks"]
)  # fmt: skip
JUNK = st.recursive(
    WORDS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
        | st.lists(st.tuples(WORDS, inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=14,
)
FRAGMENT = st.one_of(
    st.text(max_size=60),
    st.tuples(st.sampled_from(sorted(StudySpec.model_fields)), JUNK).map(": ".join),
)  # fmt: skip


@given(st.lists(FRAGMENT, max_size=4), st.booleans())
@settings(max_examples=300, deadline=None)
def test_arbitrary_text_gives_a_spec_or_a_spec_error(parts: list[str], sound: bool) -> None:
    text = "\n".join([MINIMAL.strip()] * sound + parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _: text.encode("utf-8", "replace"))
        try:
            loaded = load_study(Path("s.yaml"))
        except SpecError as error:
            assert all(each.place is not None for each in error.problems)
        else:
            assert isinstance(loaded.spec, StudySpec)
