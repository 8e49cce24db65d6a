"""`tempo compare` on further test sets: matrix, one set, and the table of a paper."""

import csv
import io
import json
from pathlib import Path

import pytest

import tempo
from tempo.cli.main import main
from tempo.core.errors import TempoError, UnknownNameError
from tempo.core.records import Plan
from tempo.records.layout import Store
from tests import record_generator as make
from tests.set_records import TestSet, write_sets


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two variants with five further sets, two of them with a method of others."""
    root = tmp_path_factory.mktemp("sets") / "records"
    arms = [make.Arm(name="V2"), make.Arm(name="V3", gain=0.5)]
    noise = make.Noise(seed=0.02, shared=0.02, clip=0.05, residual=0.05)
    study = make.Study(arms=arms, seeds=3, noise=noise, baseline="V2", name="planted")
    rife = make.Arm(name="RIFE", gain=0.2, role="reference")
    names = ("vimeo90k", "ucf101", "snu_film:hard", "snu_film:extreme", "xiph:4k-crop")
    sets = [TestSet(name=name, methods=[rife] if name[0] in "vu" else []) for name in names]
    write_sets(Store(root), study, make.write_study(root, study), sets)
    return root


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


def ask(records: Path, *arguments: str) -> int:
    return main(["compare", "planted", "--records", str(records), *arguments])


def test_the_matrix_of_verdicts_fits_80_columns(
    records: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(records, "--no-report") == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    for name in ("vimeo90k", "ucf101", "snu_film:hard", "snu_film:extreme", "xiph:4k-crop"):
        assert name in text
    assert text.count("▴ +0.") == 6 + 2
    assert "Test sets: one error rate of 5 % over all 5 contrasts in PSNR" in " ".join(text.split())


def test_one_set_is_compared_whole_in_a_folder_of_its_own(
    records: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert ask(records, "--on", "snu_film:hard") == 0
    assert "planted on snu_film:hard" in capsys.readouterr().out
    (page,) = tmp_path.glob("reports/*/index.html")
    assert page.parent.name.startswith("planted_on_snu_film-hard")
    text = page.read_text()
    assert "compare planted --on snu_film:hard" in text
    assert "on the snu_film:hard clips" in text


def test_the_paper_table_is_printed_in_each_form(
    records: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(records, "--paper-table") == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
    assert ask(records, "--paper-table", "--latex") == 0
    assert r"\multicolumn{2}{c}{ucf101}" in capsys.readouterr().out
    assert ask(records, "--paper-table", "--md") == 0
    assert "| V3 | **" in capsys.readouterr().out
    assert ask(records, "--paper-table", "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["variant"], row["ucf101_psnr_mark"]) for row in rows] == [
        ("V2", "worse"), ("V3", "best"), ("RIFE", "worse")
    ]  # fmt: skip
    assert ask(records, "--paper-table", "--json") == 0
    assert json.loads(capsys.readouterr().out)[1]["test_psnr_mark"] == "best"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--on", "ucf102"), "did you mean 'ucf101'"),
        (("--on", "ucf101", "--at", "300"), "judged at the end of training"),
        (("--paper-table", "--at", "best-val"), "has no table for a paper"),
        (("--on", "ucf101", "--against", "planted"), "--on is of one study"),
        (("--paper-table", "--against", "planted"), "--paper-table is of one study"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(
    records: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert ask(records, "--no-report", *arguments) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_the_api_says_the_same(records: Path) -> None:
    comparison = tempo.compare("planted", records=records)
    assert comparison.test_sets[:2] == ("vimeo90k", "ucf101")
    frame = comparison.test_set_contrasts()
    assert set(frame["kind"]) == {"test sets"}
    assert len(frame) == 2 * (5 + 2)
    mine = frame.query("test_set == 'ucf101' and variant == 'V3' and metric == 'psnr'").iloc[0]
    there = comparison.on("ucf101")
    own = there.contrasts().query("variant == 'V3' and metric == 'psnr'").iloc[0]
    assert own["p_adjusted"] == mine["p_adjusted"]
    assert there.verdict("V3").kind == "test sets"
    assert tempo.compare("planted", records=records, on="ucf101").data.contrasts == (
        there.data.contrasts
    )
    paper = comparison.paper_table().set_index("variant")
    assert paper.loc["V3", "ucf101_psnr_mark"] == "best"
    assert [each.passed for each in there.gate("psnr >= baseline + 0.1")] == [True]


def test_the_api_refuses_what_is_not_there(records: Path) -> None:
    with pytest.raises(TempoError, match="unknown test set"):
        tempo.compare("planted", records=records, on="nowhere")
    with pytest.raises(UnknownNameError, match="a test set is one of a single study"):
        tempo.compare(["planted", str(records)], records=records, on="ucf101")


def test_showing_a_set_is_no_look_at_the_rule(records: Path) -> None:
    store = Store(records)
    plan: Plan = store.load_plan("planted")
    before = tempo.compare("planted", records=records).looks()
    tempo.compare("planted", records=records, on="ucf101")
    after = tempo.compare("planted", records=records).looks()
    assert before.equals(after)
    assert len(plan.test_sets) == 5
