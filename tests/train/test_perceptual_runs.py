"""Perceptual metrics of a run: measured where the weights are, and noted where they are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tempo.metrics.metric_weights import use_backbones
from tempo.records.event_log import read_events
from tempo.records.events import Evaluated, Noted
from tempo.records.files import sha256_of
from tempo.train.run import run_folder as worker
from tests import reference_backbones

from .conftest import Make, config


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("ALEXNET", "PWCNET"):
        monkeypatch.delenv(f"TEMPO_BACKBONE_{name}", raising=False)
    yield
    use_backbones({})


def asked(path: Path, sha256: str | None = None) -> dict[str, Any]:
    given = {"path": str(path), "sha256": sha256 or sha256_of(path)}
    return {"metrics": ["psnr", "lpips_alex"], "backbones": {"alexnet": given}}


def carried_out(folder: Path, cache: Path) -> tuple[Evaluated, list[str]]:
    assert worker.run(folder, cache) == 0
    events = [each.event for each in read_events(folder)]
    [test] = [each for each in events if isinstance(each, Evaluated)]
    notes = [each for each in events if isinstance(each, Noted) and each.topic == "metrics"]
    return test, [each.message for each in notes]


def test_a_run_measures_what_its_spec_names_the_weights_of(
    make: Make, cache: Path, tmp_path: Path
) -> None:
    path = reference_backbones.write("alexnet", tmp_path)
    test, notes = carried_out(make(evaluation=asked(path)), cache)
    assert not notes
    assert test.values["lpips_alex"] > 0
    assert test.protocol["perceptual"]["lpips_alex"]["backbone_sha256"] == sha256_of(path)


@pytest.mark.slow
def test_a_run_measures_flolpips_with_both_networks(
    make: Make, cache: Path, tmp_path: Path
) -> None:
    given = {
        name: {"path": str(path), "sha256": sha256_of(path)}
        for name in ("alexnet", "pwcnet")
        for path in [reference_backbones.write(name, tmp_path)]
    }
    evaluation = {"metrics": ["psnr", "flolpips"], "backbones": given}
    test, notes = carried_out(make(evaluation=evaluation), cache)
    assert not notes
    assert test.values["flolpips"] > 0
    assert test.protocol["perceptual"]["flolpips"]["flow_sha256"] == given["pwcnet"]["sha256"]


@pytest.mark.parametrize("what", ["lacking", "other hash", "other network", "damaged"])
def test_a_run_goes_on_without_weights_that_cannot_be_used(
    make: Make, cache: Path, tmp_path: Path, what: str
) -> None:
    path, sha256, said = tmp_path / "alexnet.pth", None, "is not AlexNet as torchvision writes it"
    if what == "lacking":
        sha256, said = "0" * 64, "evaluation.backbones.alexnet: the file of weights"
    elif what == "other hash":
        reference_backbones.write("alexnet", tmp_path)
        sha256, said = "0" * 64, "is another file than the spec asks for"
    elif what == "other network":
        reference_backbones.write("vgg16", tmp_path).rename(path)
    else:
        path.write_bytes(b"no weights")
    test, [note] = carried_out(make(evaluation=asked(path, sha256)), cache)
    assert "lpips_alex is not computed" in note and said in note
    assert "lpips_alex" not in test.values and "psnr" in test.values
    assert "lpips_alex" in test.infos and "perceptual" not in test.protocol


def test_the_weights_of_metrics_are_no_part_of_a_runs_identity() -> None:
    from tempo.spec.study import identity

    plain = config()
    given = config({"evaluation": asked(Path("a.pth"), "0" * 64)})
    assert identity(plain, 0) == identity(given, 0)


def test_no_checkpoint_is_chosen_by_a_metric_that_validations_do_not_measure() -> None:
    with pytest.raises(ValueError, match="lpips_alex is measured when a network is tested"):
        config({"evaluation": {"select_by": "lpips_alex"}})
