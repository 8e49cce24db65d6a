"""Networks are timed side by side, and the times of a study enter its cost table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tempo
from tempo.cli.main import main
from tempo.core.errors import RecordError, SpecError
from tempo.records.layout import Store
from tempo.records.method_results.latencies import Latency, LatencySession, load_session
from tempo.report.formats.writers import WRITERS
from tempo.report.tables import costs
from tempo.report.tables.latencies import build, latencies_json
from tests.tiny_study import TINY

QUIET = tempo.SilentObserver()
SPEC = f"""\
study: timed
{TINY}
factors: {{se: {{path: arch.se, levels: {{on: squeeze_excite, off: none}}}}}}
design: [{{kind: factorial, factors: [se]}}]
baseline: se=on
seeds: 1
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("timed.yaml").write_text(SPEC)
    Path("theirs.py").write_text("def first(frames, times, target):\n    return frames[:, 0]\n")
    return Path("timed.yaml")


def test_all_networks_are_timed_in_turn_and_kept_for_the_study(spec: Path) -> None:
    found = tempo.bench(
        [str(spec), "average", "theirs:first"],
        sizes="32x48,64x64",
        precision="fp32,bf16",
        warmup=1,
        passes=3,
        device="cpu",
        threads=1,
        observer=QUIET,
    )
    table = found.table()
    assert len(table) == 4 * 2 * 2
    assert set(table["name"]) == {"se=on", "se=off", "average", "theirs:first"}
    assert (table["low"] <= table["ms"]).all() and (table["ms"] <= table["high"]).all()
    assert table["fps"].to_list() == pytest.approx([1000 / ms for ms in table["ms"]])
    assert table.loc[table["name"] == "se=on", "ratio"].to_list() == [1.0] * 4
    assert table["peak_mib"].isna().all(), "memory is not measured on a CPU"
    networks = table[table["name"].str.startswith("se=")]
    assert networks["ms"].min() > table.loc[table["name"] == "theirs:first", "ms"].max()
    (path,) = found.kept
    assert path == Path("records/studies/timed/latency/default.json")
    plan = tempo.load_study(spec).expanded
    assert load_session(Store(Path("records")), plan) == found.session


@pytest.mark.slow
def test_the_times_of_a_study_enter_its_costs(spec: Path) -> None:
    study = tempo.load_study(spec, mlflow="off")
    study.run(observer=QUIET)
    before = study.compare().data
    assert {row.cost.latency_ms for row in before.rows} == {None}
    tempo.bench("timed", sizes="64x48", warmup=0, passes=2, device="cpu", observer=QUIET)
    timed = study.compare().data
    assert all(row.cost.latency_ms for row in timed.trained)
    assert {row.cost.latency_at for row in timed.trained} == {"48 x 64 in fp32 on cpu"}
    table = costs.build(timed)
    assert "one frame" in [column.label for column in table.columns]
    assert "48 x 64" in table.caption
    assert "latency_ms" in {front.cost for front in timed.pareto}
    # A network that is another one now has no time.
    spec.write_text(SPEC.replace("base_channels: 4", "base_channels: 8"))
    other = tempo.load_study(spec, mlflow="off")
    other.run(observer=QUIET)
    assert {row.cost.latency_ms for row in other.compare().data.rows} == {None}
    # What is damaged is no reason to show nothing.
    path = Path("records/studies/timed/latency/default.json")
    path.write_text("{")
    assert {row.cost.latency_ms for row in study.compare().data.rows} == {None}
    with pytest.raises(RecordError, match=r"default\.json"):
        load_session(Store(Path("records")), study.expanded)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sizes": "720q"}, "a size is 480p, 720p, 1080p, 2k, 4k or HEIGHTxWIDTH"),
        ({"sizes": "4x4"}, "sides from 8 to 16384"),
        ({"sizes": "99999x64"}, "sides from 8 to 16384"),
        ({"precision": "int8"}, "a precision is one of fp32"),
        ({"passes": 0}, "at least one pass counts"),
        ({"warmup": -1}, "none is negative"),
    ],
)
def test_what_cannot_be_timed_is_said(options: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        tempo.bench("average", observer=QUIET, **options)


def test_the_command_prints_one_table_and_says_how(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", str(spec), "--sizes", "32x48", "--passes", "2", "--warmup", "0"]
    assert main([*words, "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "48x32" in said and "2 passes after 0" in said and "cost table" in said
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in told["rows"]] == ["se=on", "se=off"]
    assert main(["bench", "nothing_of_this", "--sizes", "32x48"]) == 2
    assert "nothing_of_this" in capsys.readouterr().err


def test_a_network_without_a_time_has_its_reason_in_the_table() -> None:
    size = (2160, 3840)
    timed = Latency(name="V3", network="a", size=size, precision="fp32", ms=2.0, peak_memory=2**20)
    why = "it does not fit into the memory of the device"
    lost = Latency(name="V2", network="b", size=size, precision="fp32", problem=why)
    session = LatencySession(
        device="cuda", threads=1, warmup=50, passes=100, measured=0.0, rows=(timed, lost)
    )
    shown = WRITERS["md"](build(session))
    assert f"V2 at 3840x2160 in fp32: {why}." in shown and " 500 " in shown
    rows = json.loads(latencies_json(session))["rows"]
    assert [row["ms"] for row in rows] == [2.0, None]
