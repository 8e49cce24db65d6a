"""What loading a study does: base, profiles, overrides, presets, implied kinds, environment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempo.core.errors import Place
from tempo.spec.arch import ArchSpec
from tempo.spec.arch_slots import Film, PostAct, SqueezeExcite, Swin
from tempo.spec.data import Procedural, Vimeo90k
from tempo.spec.load import load_study
from tempo.spec.study import StudySpec
from tempo.spec.yaml.value_tree import Scalar, find

from .conftest import MINIMAL, Complaints, Load

BASE = """\
study: base
question: inherited?
arch: {preset: tempo_v2, base_channels: 32}
data: {kind: vimeo90k, val_clips: 9}
recipe: {lr: 1e-4, warmup: 7, budget: {epochs: 3}}
profiles:
  demo: {recipe: {lr: 1e-3, budget: {steps: 5}}, seeds: 2}
  full: {}
"""


def test_numbers_of_yaml_1_2_are_numbers(load: Load) -> None:
    spec = load(MINIMAL.replace("steps: 2}", "steps: 2}, lr: 1e-4, grad_clip: 1")).spec
    assert spec.recipe.lr == 1e-4
    assert spec.recipe.grad_clip == 1.0
    assert type(spec.recipe.grad_clip) is float


def test_a_spec_survives_its_json(load: Load) -> None:
    spec = load(BASE).spec
    assert StudySpec.model_validate(spec.model_dump(mode="json")) == spec


def test_a_file_is_laid_over_its_base(load: Load) -> None:
    loaded = load("base: b.yaml\nstudy: child\nrecipe: {lr: 2e-4}\n", b=BASE)
    assert loaded.spec.study == "child"
    assert loaded.spec.question == ""
    assert (loaded.spec.recipe.lr, loaded.spec.recipe.warmup) == (2e-4, 7)
    assert loaded.profiles == ("demo", "full")
    assert loaded.source == "s.yaml"


def test_bases_chain_and_are_relative_to_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a").mkdir()
    Path("b").mkdir()
    Path("a/one.yaml").write_text(MINIMAL)
    Path("b/two.yaml").write_text("base: ../a/one.yaml\nseeds: 4\n")
    Path("a/three.yaml").write_text("base: ../b/two.yaml\nstudy: three\n")
    loaded = load_study(Path("a/three.yaml"))
    assert len(loaded.spec.seeds) == 4
    node = find(loaded.tree, "data")
    assert node is not None
    assert node.place == Place("a/one.yaml", 2, 7)


def test_a_profile_wins_over_the_file_and_its_own_base(load: Load) -> None:
    child = "base: b.yaml\nstudy: child\nrecipe: {lr: 2e-4}\nprofiles: {demo: {seeds: 5}}\n"
    demo = load(child, profile="demo", b=BASE)
    assert (demo.spec.recipe.lr, len(demo.spec.seeds)) == (1e-3, 5)
    assert demo.profile == "demo"


def test_full_is_the_profile_when_none_is_named(load: Load) -> None:
    assert load(BASE).profile == "full"
    assert load(BASE).spec == load(BASE, profile="full").spec
    assert load(MINIMAL).profile is None


def test_overrides_come_last_and_in_order(load: Load) -> None:
    loaded = load(
        BASE,
        profile="demo",
        overrides=["recipe.lr=3", "recipe.lr=4e-3", "arch.block=swin", "data={kind: procedural}"],
    )
    assert loaded.spec.recipe.lr == 4e-3
    assert loaded.spec.arch.block == Swin()
    assert loaded.spec.data == Procedural()
    node = find(loaded.tree, "recipe", "lr")
    assert node is not None
    assert str(node.place) == "--set recipe.lr=4e-3"


def test_an_empty_override_is_null(load: Load) -> None:
    assert load(overrides=["recipe.grad_clip="]).spec.recipe.grad_clip is None


class TestMerging:
    def test_a_budget_is_replaced_whole(self, load: Load) -> None:
        assert load(BASE, profile="demo").spec.recipe.budget.epochs is None
        assert load(BASE, overrides=["recipe.budget.steps=7"]).spec.recipe.budget.steps == 7

    def test_another_kind_drops_the_options_of_the_old(self, load: Load) -> None:
        assert load(BASE, overrides=["data={kind: procedural}"]).spec.data == Procedural()

    def test_the_same_kind_or_none_keeps_them(self, load: Load) -> None:
        kept = Vimeo90k(val_clips=9, root="x")
        assert load(BASE, overrides=["data={kind: vimeo90k, root: x}"]).spec.data == kept
        assert load(BASE, overrides=["data.root=x"]).spec.data == kept

    def test_options_over_a_bare_name_stay_with_that_name(self, load: Load) -> None:
        arch = load(BASE, overrides=["arch.conditioning.hidden_layers=3"]).spec.arch
        assert arch.conditioning == Film(hidden_layers=3)

    def test_options_without_a_kind_mean_the_default_kind(self, load: Load) -> None:
        assert load(overrides=["arch.se.reduction=4"]).spec.arch.se == SqueezeExcite(reduction=4)

    def test_a_preset_starts_afresh(self, load: Load) -> None:
        arch = load(BASE, overrides=["arch={preset: tempo_v3, block: post_act}"]).spec.arch
        assert arch == ArchSpec(block=PostAct())

    def test_lists_are_replaced(self, load: Load) -> None:
        text = MINIMAL + "seeds: [4, 5, 6]\n"
        assert load(text, overrides=["seeds=[1]"]).spec.seeds == (1,)


def test_a_preset_is_its_fields(load: Load) -> None:
    by_preset = load(MINIMAL + "arch: {preset: tempo_v2}\n").spec.arch
    assert by_preset.block == PostAct()
    assert by_preset.blocks == ((), (1,), (1,), (2,))
    assert load(MINIMAL + "arch: {preset: tempo_v3}\n").spec.arch == ArchSpec()


def test_labels_written_as_numbers_are_their_text(load: Load) -> None:
    text = MINIMAL + (
        "factors: {lr: {path: recipe.lr, levels: {1e-4: 1e-4, 2: 2}, only: [1e-4]}}\n"
        "variants: {7: {levels: {lr: 2}}}\n"
        "design: [{kind: list, variants: [7]}]\n"
    )
    spec = load(text).spec
    assert spec.factors["lr"].labels == ("1e-4",)
    assert spec.variants["7"].levels == {"lr": "2"}


class TestEnvironment:
    TEXT = MINIMAL.replace("procedural", "{kind: video, root: '%s'}")

    def root(self, load: Load, text: str, **options: object) -> str:
        return str(load(self.TEXT % text, **options).spec.data.model_dump()["root"])

    def test_references_are_replaced(self, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CLIPS", "/c")
        monkeypatch.setenv("EMPTY", "")
        monkeypatch.delenv("GONE", raising=False)
        assert self.root(load, "${CLIPS}/x") == "/c/x"
        assert self.root(load, "${GONE:-a}${EMPTY:-b}${GONE:-}") == "ab"
        assert self.root(load, "$${CLIPS} $5") == "${CLIPS} $5"

    def test_an_unset_name_is_told_with_the_way_out(
        self, complaints: Complaints, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("GONE", raising=False)
        (line,) = complaints(self.TEXT % "${GONE}")
        assert line == (
            "s.yaml:2:27: data.root needs the environment variable GONE, which is not set; "
            "set it, or pass --set data.root=VALUE"
        )

    def test_what_an_overlay_replaces_need_not_be_set(self, load: Load) -> None:
        assert self.root(load, "${GONE}", overrides=["data.root=here"]) == "here"

    @pytest.mark.parametrize("text", ["${env:CLIPS}", "${}", "${A B}", "${A", "${"])
    def test_other_references_are_errors(self, complaints: Complaints, text: str) -> None:
        (line,) = complaints(self.TEXT % text)
        assert "an environment variable is ${NAME} or ${NAME:-default}" in line
        assert line.endswith("'${env:CLIPS}'; write ${CLIPS}") == (text == "${env:CLIPS}")

    @pytest.mark.parametrize("page", ["data.md", "spec.md"])
    def test_what_the_documentation_offers_is_taken(
        self, load: Load, monkeypatch: pytest.MonkeyPatch, page: str
    ) -> None:
        text = (Path(__file__).parents[2] / "docs" / page).read_text()
        offered = re.findall(r"`(\$\{[^`]+\})`", text)
        assert offered == ["${NAME}", "${NAME:-default}"]
        monkeypatch.setenv("NAME", "/c")
        assert [self.root(load, each) for each in offered] == ["/c", "/c"]
        monkeypatch.delenv("NAME")
        assert self.root(load, offered[1]) == "default"


@given(st.floats(1e-12, 1e3), st.integers(1, 10**9))
def test_overrides_reach_the_field_exactly(lr: float, steps: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _: MINIMAL.encode())
        overrides = [f"recipe.lr={lr!r}", f"recipe.budget.steps={steps}"]
        spec = load_study(Path("s.yaml"), overrides=overrides).spec
    assert (spec.recipe.lr, spec.recipe.budget.steps) == (lr, steps)


def test_every_value_of_the_tree_has_a_place(load: Load) -> None:
    tree = load(BASE, overrides=["seeds=3"]).tree
    todo = [entry.node for entry in tree.entries.values()]
    while todo:
        node = todo.pop()
        assert node.place.line > 0 or node.place.source.startswith("--set ")
        if not isinstance(node, Scalar):
            inner = node.entries.values() if hasattr(node, "entries") else ()
            todo += [entry.node for entry in inner]
