"""Evaluated methods by the time of the target and by motion, as a user asks for them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import tempo
from tempo.cli.main import main
from tempo.core.errors import NotApplicableError
from tempo.records.files import sha256_of
from tests.moving_noise import picture

QUIET = {"observer": tempo.SilentObserver(), "device": "cpu", "metrics": "psnr,ie"}


@pytest.fixture(scope="module")
def snu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two windows of 4 frames in SNU-FILM's layout; the second moves twice as fast."""
    root = tmp_path_factory.mktemp("snu")
    lines = []
    for speed in (1, 2):
        folder = root / "test" / f"speed{speed}"
        folder.mkdir(parents=True)
        for number in range(5):
            picture(speed * number, seed=speed).save(folder / f"{number:05d}.png")
        lines.append(" ".join(f"test/speed{speed}/{number:05d}.png" for number in (0, 2, 4)))
    (root / "test-medium.txt").write_text("\n".join(lines))
    return root


@pytest.fixture(scope="module")
def found(snu: Path, tmp_path_factory: pytest.TempPathFactory) -> tempo.Evaluations:
    return tempo.evaluate(
        ["average", "nearest"],
        on=["snu_film_arb_4x", "snu_film_medium"],
        roots={"snu_film_arb": snu, "snu_film": snu},
        records=tmp_path_factory.mktemp("records"),
        **QUIET,
    )


def test_the_time_of_the_target_stands_in_every_row(found: tempo.Evaluations) -> None:
    for record, folder in zip(found.records, found.folders, strict=True):
        table = pd.read_parquet(folder / record.table)
        many = record.test_set == "snu_film_arb_4x"
        assert table["target_time"].tolist() == ([0.25, 0.5, 0.75] * 2 if many else [0.5] * 2)


def test_strata_are_the_means_of_the_tables(found: tempo.Evaluations) -> None:
    told = found.strata("target_time")
    # The set whose targets are all half-way has no strata.
    assert set(told["test_set"]) == {"snu_film_arb_4x"}
    assert told["clips"].tolist() == [2] * 6
    for record, folder in list(zip(found.records, found.folders, strict=True))[:2]:
        table = pd.read_parquet(folder / record.table)
        expected = table.groupby("target_time")["psnr"].mean()
        own = told[told["method"] == record.method].set_index("low")["value"]
        assert own.to_dict() == pytest.approx(expected.to_dict())


def test_the_figure_holds_each_mean(found: tempo.Evaluations, tmp_path: Path) -> None:
    (axes,) = found.figure("target_time").get_axes()
    drawn = {tuple(np.round(point, 9)) for line in axes.get_lines()
             for point in line.get_xydata()}  # fmt: skip
    told = found.strata("target_time")
    expected = zip(told["low"], told["value"], strict=True)
    assert {(round(x, 9), round(y, 9)) for x, y in expected} <= drawn
    found.save_figure(tmp_path / "deep" / "times.svg")
    assert (tmp_path / "deep" / "times.svg").read_text().startswith("<?xml")
    with pytest.raises(tempo.SpecError, match=r"\.png, \.pdf, \.svg"):
        found.save_figure(tmp_path / "times.gif")
    with pytest.raises(tempo.UnknownNameError, match="did you mean 'motion'"):
        found.strata("motions")


def test_a_set_with_one_time_has_no_figure(snu: Path, tmp_path: Path) -> None:
    alone = tempo.evaluate(
        "average", on="snu_film_medium", roots={"snu_film": snu}, records=tmp_path, **QUIET
    )
    assert alone.strata().empty
    with pytest.raises(NotApplicableError, match="no test set differ"):
        alone.figure()


def test_the_command_prints_and_draws_them(
    snu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "average", "nearest", "--on", "snu_film_arb_4x", "--device", "cpu"]
    words += ["--root", f"snu_film_arb={snu}", "--metrics", "psnr", "--records", str(tmp_path)]
    figure = tmp_path / "times.png"
    assert main([*words, "--by", "target_time", "--by", "occlusion", "--figure", str(figure)]) == 0
    out, error = capsys.readouterr()
    assert "PSNR by time of the target, mean over clips" in out
    assert "No means by occlusion" in error
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert main([*words, "--by", "target_time", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["low"] for row in rows[::2]] == ["0.25", "0.5", "0.75"]
    assert {row["method"] for row in rows} == {"average", "nearest"}
    for bad in (["--by", "time"], ["--figure", "x.gif"]):
        assert main([*words, *bad]) == 2
        assert capsys.readouterr().err.startswith("error: ")


def test_a_list_of_clips_is_evaluated(snu: Path, tmp_path: Path) -> None:
    listed = tmp_path / "fast.txt"
    listed.write_text("speed2/00000-00002-00004\n")
    chosen = tempo.evaluate(
        "average",
        on=f"snu_film_medium:{listed}",
        roots={"snu_film": snu},
        records=tmp_path / "records",
        **QUIET,
    )
    (record,) = chosen.records
    assert (record.test_set, record.clips) == ("snu_film_medium.fast", 1)
    with pytest.raises(tempo.SpecError, match="a list of clips goes with one test set"):
        tempo.evaluate("average", on=f"snu_film:{listed}", records=tmp_path, **QUIET)


def test_tables_of_before_have_no_times(found: tempo.Evaluations, tmp_path: Path) -> None:
    records, folders = [], []
    for number, (record, folder) in enumerate(zip(found.records, found.folders, strict=True)):
        at = tmp_path / str(number)
        at.mkdir()
        table = pq.read_table(folder / record.table).drop_columns(["target_time"])
        pq.write_table(table, at / record.table)
        records.append(replace(record, table_sha256=sha256_of(at / record.table)))
        folders.append(at)
    old = tempo.Evaluations(records, "psnr", folders)
    assert old.strata("target_time").empty
    assert len(old.table()) == len(records)
