"""The parts of the mirror that can be judged without a store."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tempo.ledger.port import this_process
from tempo.records.events import AttemptStarted, Event, Finished, Logged, Trained
from tempo.records.files import write_json
from tempo.track.mirror_state import InvocationState, MirrorState
from tempo.track.mlflow.client import batches
from tempo.track.mlflow.metric_points import Point, cost_points, points_of, spent
from tempo.track.mlflow.run_content import ERROR_GAIN, Picture, error_map
from tempo.track.store_names import difference, params, run_tags, safe_key

from .conftest import config, make_plan


def at(time: float, event: Event, attempt: int = 1) -> Logged:
    return Logged(time=time, attempt=attempt, event=event)


def begin(resumed: int = 0, **environment: object) -> AttemptStarted:
    return AttemptStarted(resumed_step=resumed, total_steps=9, environment=environment)


def end(status: str, train_seconds: float) -> Finished:
    return Finished(status=status, step=9, seconds=0.0, train_seconds=train_seconds, peak_memory=0)


def test_batches_lose_nothing() -> None:
    assert list(batches(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batches([], 3)) == []


def test_points_keep_the_time_of_their_event() -> None:
    event = Trained(step=8, clips=1, epoch=0.5, values={"loss": 0.25, "system/gpu_0[%]": 50.0})
    assert points_of(at(12.3456, event)) == [
        Point("train/loss", 0.25, 12346, 8),
        Point("system/gpu_0___", 50.0, 12346, 8),
    ]


def test_time_spent_counts_attempts_that_were_killed_by_their_span() -> None:
    events = [
        at(10, begin()),
        at(17, begin(), 1),
        at(30, begin(), 2),
        at(36, end("complete", 5.0), 2),
    ]
    assert spent(events) == 7 + 5


def test_gpu_hours_count_every_device_and_only_gpus() -> None:
    for environment, hours in (
        ({"device": "NVIDIA H100", "world_size": 2}, 2.0),
        ({"device": "cpu", "world_size": 2}, None),
    ):
        events = [at(0, begin(**environment)), at(9, end("complete", 3600.0))]
        found = {each.key: each.value for each in cost_points(events[-1], events)}
        assert found.get("cost/gpu_hours") == hours
    assert cost_points(at(9, end("stopped", 1.0)), events) == []


def test_gpu_hours_count_each_attempt_by_the_gpus_that_it_had() -> None:
    """A run that was stopped on two GPUs and resumed on four."""
    events = [
        at(0, begin(device="NVIDIA H100", world_size=2)),
        at(9, end("stopped", 3600.0)),
        at(10, begin(4, device="NVIDIA H100", world_size=4), 2),
        at(19, end("complete", 1800.0), 2),
    ]
    found = {each.key: each.value for each in cost_points(events[-1], events)}
    assert found["cost/gpu_hours"] == 1 * 2 + 0.5 * 4


def test_the_error_map_is_the_mean_absolute_difference_brightened() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 256, (2, 8, 6, 3), dtype=np.uint8)
    found = np.asarray(error_map(Image.fromarray(one), Image.fromarray(other)), dtype=float)
    mean = np.abs(one.astype(float) - other).mean(-1)
    expected = np.minimum(255, ERROR_GAIN * mean)
    assert np.abs(found[..., 0] - expected).max() <= ERROR_GAIN
    assert (found == found[..., :1]).all()


def test_a_picture_is_named_as_mlflow_reads_it_and_always_alike() -> None:
    picture = Picture(key="val0/prediction", step=5, timestamp=7, path=Path("x"))
    key, word, step, other, stamp, _ = picture.stem.split("+")
    assert (key, word, step, other, stamp) == ("val0~prediction", "step", "5", "timestamp", "7")
    assert picture.stem == Picture(key="val0/prediction", step=5, timestamp=7, path=Path("y")).stem
    assert safe_key("a+b%c#d") == "a_b_c_d"


def test_what_differs_from_the_baseline() -> None:
    assert difference(config(se=False), config()) == {
        "arch.se.kind": "squeeze_excite -> none",
        "arch.se.reduction": "8 -> -",
    }
    assert difference(config(), config()) == {}


def test_params_are_what_some_variant_sets() -> None:
    plan = make_plan()
    on, off, average = (params(plan, variant) for variant in plan.variants)
    assert (on["arch.se.kind"], off["arch.se.kind"]) == ("squeeze_excite", "none")
    assert average["method"] == "average"
    assert on["method"] == "network"
    assert not {"arch.base_channels", "runtime.threads"} & on.keys()
    assert "arch.se.kind" not in average


def test_a_run_that_stands_for_two_variants_names_both() -> None:
    from dataclasses import replace

    plan = make_plan(1)
    twin = replace(plan.runs[0], variant="se=off")
    tags = run_tags(replace(plan, runs=(*plan.runs, twin)), plan.runs[0])
    assert (tags["variant"], tags["also"]) == ("se=on", "se=off")


Make = Callable[..., InvocationState]


@pytest.fixture
def invocation(tmp_path: Path) -> Make:
    """An invocation as it is read from a state file with these fields."""

    def read(**fields: object) -> InvocationState:
        state = MirrorState(tmp_path)
        write_json(tmp_path / "invocations/1.json", {"id": "1", "started": 1.0, **fields})
        return state.invocations()[0]

    return read


def test_whether_the_process_of_an_invocation_is_gone(invocation: Make) -> None:
    this = this_process()
    assert not invocation(process=asdict(this)).abandoned
    assert invocation(process=asdict(replace(this, started=this.started - 100))).abandoned
    assert invocation().abandoned and invocation(process={}).abandoned
    elsewhere = replace(this, host="elsewhere", pid=0, space="elsewhere")
    assert not invocation(process=asdict(elsewhere)).abandoned


def test_the_process_of_an_invocation_as_earlier_versions_wrote_it(invocation: Make) -> None:
    old = {"host": this_process().host, "pid": this_process().pid, "born": 5.0}
    assert invocation(process=old).abandoned
    assert not invocation(process=old | {"host": "elsewhere"}).abandoned


@pytest.mark.parametrize("name", ["train/loss", "a b", "x.y-z_1"])
def test_keys_that_are_allowed_stay(name: str) -> None:
    assert safe_key(name) == name
