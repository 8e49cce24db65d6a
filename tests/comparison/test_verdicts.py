"""Gates, changes between two studies, and what can be named on a command line."""

from pathlib import Path
from types import ModuleType

import pytest

from tempo.comparison.build import compare
from tempo.comparison.comparison import Comparison
from tempo.comparison.gate import check, parse_gate
from tempo.comparison.statistics.quantities import Word
from tempo.comparison.study_changes import changes
from tempo.core.errors import RecordError, TempoError
from tempo.core.identity import file_name
from tempo.core.records import Plan
from tempo.records.layout import Store
from tempo.workflow.names import select


def write(
    make: ModuleType, root: Path, gains: dict[str, float], **settings: object
) -> tuple[Store, Plan]:
    arms = [
        make.Arm(name=name, gain=gain, config={"arch": {"se": name}})
        for name, gain in gains.items()
    ]
    quiet = make.Noise(seed=0.02, shared=0.02, clip=0.02, residual=0.02)
    study = make.Study(arms=arms, seeds=3, noise=quiet, baseline="a", **settings)
    return Store(root), make.write_study(root, study)


@pytest.fixture
def found(planted: ModuleType, tmp_path: Path) -> Comparison:
    return compare(*write(planted, tmp_path, {"a": 0.0, "b": 0.5, "c": -0.5}))


@pytest.mark.parametrize(
    ("rule", "passed"),
    [
        ("psnr >= baseline - 0.05", {"b": True, "c": False}),
        ("psnr >= baseline - 0.8", {"b": True, "c": True}),
        ("sure(psnr) >= baseline - 0.5", {"b": True, "c": False}),
        ("psnr>=20", {"a": True, "b": True, "c": True}),
        ("ssim < 1e-1", {"a": False, "b": False, "c": False}),
        ('psnr > "c" + .2', {"a": True, "b": True}),
    ],
)
def test_gates(found: Comparison, rule: str, passed: dict[str, bool]) -> None:
    outcomes = check(found, parse_gate(rule))
    assert {each.variant: each.passed for each in outcomes} == passed


def test_what_is_missing_does_not_pass(planted: ModuleType, tmp_path: Path) -> None:
    arms = [planted.Arm(name="a"), planted.Arm(name="b", broken=frozenset({0, 1, 2}))]
    plan = planted.write_study(tmp_path, planted.Study(arms=arms, seeds=3, baseline="a"))
    (outcome,) = check(compare(Store(tmp_path), plan), parse_gate("psnr >= baseline - 9"))
    assert not outcome.passed
    assert outcome.sentence == "b has no psnr"


@pytest.mark.parametrize(
    "rule", ["", "psnr", "psnr == 3", "psnr >= base", "30 <= psnr", "psnr>=1dB"]
)
def test_rules_that_cannot_be_read(rule: str) -> None:
    with pytest.raises(TempoError, match="--gate is a rule such as"):
        parse_gate(rule)


@pytest.mark.parametrize(("rule", "said"), [("pnsr > 3", "psnr"), ("psnr > 'd'", "known: a, b, c")])
def test_gates_on_what_is_not_there(found: Comparison, rule: str, said: str) -> None:
    with pytest.raises(TempoError, match=said):
        check(found, parse_gate(rule))


def test_before_and_after(planted: ModuleType, tmp_path: Path) -> None:
    before = write(planted, tmp_path / "1", {"a": 0.0, "b": 0.0, "c": 0.0, "gone": 0.0})
    after = write(planted, tmp_path / "2", {"a": 0.0, "b": 0.5, "c": -0.5, "new": 0.0}, redraw=1)
    found = changes(before, after)
    assert (found.added, found.removed) == (("new",), ("gone",))
    words = {each.variant: each.verdict.word for each in found.changes}
    assert words["b"] == Word.BETTER
    assert words["c"] == Word.WORSE
    assert words["a"] in (Word.EQUIVALENT, Word.INCONCLUSIVE)
    assert found.of(Word.BETTER)[0].difference.value == pytest.approx(0.5, abs=0.1)
    assert found.spec == {}


def test_the_same_study_twice_has_not_changed(planted: ModuleType, tmp_path: Path) -> None:
    study = write(planted, tmp_path, {"a": 0.0, "b": 0.5})
    found = changes(study, study)
    assert all(each.same_runs for each in found.changes)
    assert all(each.difference.value == 0 for each in found.changes)
    assert {each.verdict.word for each in found.changes} == {Word.EQUIVALENT}


def test_a_changed_config_is_shown(planted: ModuleType, tmp_path: Path) -> None:
    plans = []
    for lr in (1e-4, 2e-4):
        arm = planted.Arm(name="a", config={"recipe": {"lr": lr}})
        root = tmp_path / str(lr)
        study = planted.Study(arms=[arm], seeds=3, baseline="a", name=f"s{lr}")
        plans.append((Store(root), planted.write_study(root, study)))
    (change,) = changes(*plans).changes
    assert change.config == {"recipe.lr": (1e-4, 2e-4)}
    assert changes(*plans).spec == {"study": ("s0.0001", "s0.0002")}


def test_what_can_be_named(planted: ModuleType, tmp_path: Path) -> None:
    store, plan = write(planted, tmp_path, {"a": 0.0, "b": 0.5})
    by_study = select(["planted"], tmp_path)
    by_folder = select([str(tmp_path)], Path("elsewhere"))
    by_study_folder = select([str(tmp_path / "studies" / "planted")], Path("elsewhere"))
    assert by_study == by_folder == by_study_folder == [(store, plan)]


def test_single_runs_make_a_plan_of_their_own(planted: ModuleType, tmp_path: Path) -> None:
    store, plan = write(planted, tmp_path, {"a": 0.0, "b": 0.5, "c": 0.1})
    chosen = [run for run in plan.runs if run.variant in ("b", "c")]
    names = [chosen[0].run_id[:8], *(str(store.run_dir(run.run_id)) for run in chosen[1:])]
    ((_, adhoc),) = select(names, tmp_path)
    assert [variant.name for variant in adhoc.variants] in (["b", "c"], ["c", "b"])
    found = compare(store, adhoc)
    assert found.planned_runs == 6
    assert len(found.contrasts) == 2


@pytest.mark.parametrize("name", ["plantd", "../../etc", "ffffffffff", ""])
def test_names_of_nothing_say_what_is_there(planted: ModuleType, tmp_path: Path, name: str) -> None:
    write(planted, tmp_path, {"a": 0.0})
    with pytest.raises(RecordError, match="known: planted"):
        select([name], tmp_path)


@pytest.mark.parametrize(
    "label", ["../../x", "<script>", "a" * 300, "naïve \U0001f600", "", "CON:\\"]
)
def test_file_names_are_plain_and_differ(label: str) -> None:
    name = file_name(label)
    assert name.replace("-", "").replace("_", "").isascii()
    assert "/" not in name and "." not in name
    assert 0 < len(name) <= 80
    assert name != file_name(label + "!")


def test_plain_labels_are_their_own_file_names() -> None:
    assert file_name("psnr_uint8") == "psnr_uint8"
