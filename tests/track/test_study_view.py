"""The view of a study in MLflow, and the short addresses that lead to it."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tempo.core.errors import MissingError, TempoError
from tempo.track.mlflow.client import connect
from tempo.track.mlflow.mlflow_store import MlflowMirror
from tempo.track.mlflow.short_address import forwarding, host_settings
from tempo.track.mlflow.study_view import (
    SHARED_VIEW,
    VIEW,
    charts,
    leaderboard,
    packed,
    unpacked,
    view_of,
)
from tempo.track.mlflow.ui import Views, free_port, require_free, serve

from .conftest import Study

COSTS = ("cost/macs", "cost/parameters", "system/gpu", "train/loss", "train/loss/charbonnier")


def titles(view: dict[str, object]) -> dict[str, list[str]]:
    """The metrics of each section, in the order of the page."""
    sections = {each["uuid"]: each["name"] for each in view["compareRunSections"]}  # type: ignore
    out: dict[str, list[str]] = {name: [] for name in sections.values()}
    for chart in view["compareRunCharts"]:  # type: ignore[attr-defined]
        out[sections[chart["metricSectionId"]]].append(chart["metricKey"])
    return out


def test_psnr_stands_first_and_costs_are_folded() -> None:
    view = view_of([*COSTS, "val/psnr", "val/lpips", "test/psnr", "test/ssim"])
    assert titles(view) == {
        "psnr and ssim": ["val/psnr", "test/psnr", "val/ssim", "test/ssim"],
        "val": ["val/lpips"],
        "train": ["train/loss"],
        "cost": ["cost/macs", "cost/parameters"],
        "system": ["system/gpu"],
        "train/loss": ["train/loss/charbonnier"],
    }
    shown = [each["name"] for each in view["compareRunSections"] if each["display"]]
    assert shown == ["psnr and ssim", "val"]
    kinds = {each["metricKey"]: each["type"] for each in view["compareRunCharts"]}
    assert (kinds["val/psnr"], kinds["test/psnr"], kinds["cost/macs"]) == ("LINE", "BAR", "BAR")
    assert "metrics.`test/psnr`" in view["selectedColumns"]


def test_further_test_sets_stand_beside_the_own_test_split_with_a_column_each() -> None:
    sets = [f"test/{name}/{metric}" for name in ("ucf101", "davis") for metric in ("psnr", "ssim")]
    view = view_of([*COSTS, "val/ie", "test/ie", *sets])
    names = [each["name"] for each in view["compareRunSections"] if each["display"]]
    assert names == ["psnr and ssim", "val", "test", "test/davis", "test/ucf101"]
    assert view["selectedColumns"][:5] == [
        "metrics.`test/psnr`",
        "metrics.`test/ssim`",
        "metrics.`val/psnr`",
        "metrics.`test/davis/psnr`",
        "metrics.`test/ucf101/psnr`",
    ]


def test_a_packed_view_is_what_was_packed_and_fits_into_a_tag() -> None:
    view = view_of(f"{part}/metric_{n}" for part in ("val", "test", "train") for n in range(40))
    assert unpacked(packed(view)) == json.loads(json.dumps(view))
    assert len(packed(view)) <= 5000


def test_the_mirror_stores_the_view(study: Study) -> None:
    mirror = MlflowMirror(study.store)
    mirror.open(study.plan, {})
    study.write_all()
    assert mirror.finish("complete"), mirror.problem
    tags = connect(study.uri).get_experiment(str(mirror.experiment_id)).tags
    found = titles(unpacked(tags[f"{SHARED_VIEW}{VIEW}"]))
    assert found["psnr and ssim"][:2] == ["val/psnr", "test/psnr"]
    assert "cost/macs" in found["cost"]


@pytest.fixture
def views(study: Study) -> Views:
    """The views of a store with one study, which was mirrored before there were views."""
    connect(study.uri).create_experiment("se_study")
    return Views(connect(study.uri), "se_study")


def test_a_view_is_made_when_it_is_opened(study: Study, views: Views) -> None:
    client = connect(study.uri)
    number = client.get_experiment_by_name("se_study").experiment_id
    assert views.find("/") == views.find("/se_study") == charts(number)
    assert views.find("/se_study/table") == leaderboard(number)
    assert f"{SHARED_VIEW}{VIEW}" in client.get_experiment(number).tags
    for link in (charts("7"), leaderboard("7")):
        assert link.startswith("#/experiments/7/runs?workflowType=machine_learning&")
        assert len(link) < 120


def test_an_unknown_study_is_answered_with_the_known_and_what_sends_it(views: Views) -> None:
    with pytest.raises(TempoError) as error:
        views.find("/se_studie")
    assert str(error.value) == (
        "MLflow has no study 'se_studie' (it has se_study). Did you mean 'se_study'? "
        "`tempo sync se_studie` sends a study that has records."
    )
    with pytest.raises(TempoError, match="se_study has no page 'chart'"):
        views.find("/se_study/chart")


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def short() -> Iterator[str]:
    def find(path: str) -> str:
        if path == "/a b":
            return "#/experiments/1/runs?</script>"
        raise TempoError(f"no {path}")

    with forwarding(find, 5999, free_port()) as address:
        yield address


def test_a_short_address_leads_on_or_says_why_not(short: str) -> None:
    status, page = get(f"{short}a%20b")
    assert status == 200
    assert "http://127.0.0.1:5999/#/experiments/1/runs?&lt;/script&gt;" in page
    assert "</script>" not in page.replace("</script></body>", "")
    assert get(f"{short}other") == (404, "no /other\n")
    assert get(f"{short}favicon.ico") == (404, "")


def test_a_port_that_is_taken_is_said(short: str) -> None:
    port = int(short.rstrip("/").rpartition(":")[2])
    with (
        pytest.raises(TempoError, match=f"port {port} of this machine cannot be used"),
        forwarding(str, 1, port),
    ):
        pass


def test_a_port_of_the_pages_that_is_taken_is_said(short: str) -> None:
    port = int(short.rstrip("/").rpartition(":")[2])
    with pytest.raises(TempoError, match=f"port {port} of this machine, where MLflow's pages"):
        require_free(port)
    require_free(free_port())


def test_only_this_machine_is_answered() -> None:
    allowed = host_settings(7)["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert allowed == ["localhost:7", "127.0.0.1:7", "tempo.localhost:7"]


@pytest.mark.parametrize("port", [80, 65535])
def test_a_port_without_a_next_one_is_refused(port: int, tmp_path: Path) -> None:
    with pytest.raises(TempoError, match=f"--port {port} cannot be used: choose one from 1024"):
        serve(f"sqlite:///{tmp_path}/mlflow.db", port)


def test_pages_that_are_not_installed_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempo.track.mlflow.ui.find_spec", lambda name: None)
    with pytest.raises(MissingError, match="The pages of MLflow are not installed here"):
        serve("sqlite:////nowhere/mlflow.db")
