"""Initial weights paired slot by slot; weights on disk that say what differs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tempo.core.errors import RecordError
from tempo.models.family import build_model
from tempo.models.weight_files import load_weights, save_weights
from tempo.spec.arch import ArchSpec
from tempo.spec.presets import PRESETS
from tests.models.conformance import small


def v2(**changes: object) -> ArchSpec:
    return ArchSpec.model_validate({**PRESETS.get("tempo_v2"), "base_channels": 8, **changes})


@pytest.mark.parametrize(
    "change",
    [
        {"se": "none"},
        {"norm": "none"},
        {"dilations": [2]},
        {"blocks": [2, 2, 2, [2, 2]]},
        {"fusion": "window_attention"},
        {"block": "post_act"},
        {"activation": "leaky_relu"},
        {"conditioning": "film"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_two_variants_share_starts_equal(change: dict[str, object]) -> None:
    one, two = build_model(small(), 7).state_dict(), build_model(small(**change), 7).state_dict()
    shared = [name for name in one if name in two and one[name].shape == two[name].shape]
    assert {"encoder.stages.1.groups.0.blocks.0.conv1.weight", "head.first.weight"} <= set(shared)
    assert [name for name in shared if not torch.equal(one[name], two[name])] == []


def test_v2_and_v3_start_from_shared_convolutions() -> None:
    one, two = build_model(v2(), 7).state_dict(), build_model(small(), 7).state_dict()
    for name in (
        "encoder.stages.0.entry.conv.weight",
        "encoder.stages.2.entry.conv.weight",
        "encoder.stages.1.groups.0.blocks.0.conv1.weight",
        "decoder.stages.0.up.conv.weight",
        "decoder.stages.0.chain.blocks.0.conv2.weight",
    ):
        if name in one:
            assert torch.equal(one[name], two[name]), name
    assert "encoder.stages.1.groups.0.blocks.0.conv1.weight" in one


def test_modules_and_seeds_have_their_own_numbers() -> None:
    one, two = build_model(small(), 0).state_dict(), build_model(small(), 1).state_dict()
    block = "encoder.stages.1.groups.0.blocks.{}.conv1.weight"
    assert not torch.equal(one[block.format(0)], one[block.format(1)])
    assert not torch.equal(one[block.format(0)], two[block.format(0)])


def test_weights_survive_a_round_trip(tmp_path: Path) -> None:
    path, net, other = tmp_path / "w.pt", build_model(small(), 0), build_model(small(), 1)
    save_weights(path, net)
    load_weights(path, other)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))


def test_another_architecture_is_named_field_by_field(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    save_weights(path, build_model(small(), 0))
    with pytest.raises(RecordError) as caught:
        load_weights(
            path,
            build_model(small(se="none", residual_group={"kind": "learnable", "init": 0.2}), 0),
        )
    message = str(caught.value)
    assert "arch.se.kind: squeeze_excite in the file, none here" in message
    assert "arch.se.reduction: 8 in the file, (absent) here" in message
    assert "arch.residual_group.init: 0.1 in the file, 0.2 here" in message
    assert "arch.norm" not in message


def test_checkpointing_is_not_another_architecture(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    save_weights(path, build_model(small(), 0))
    load_weights(path, build_model(small(checkpointing=True), 0))


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit",))


def test_a_file_with_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    torch.save({"format": 1, "arch": {}, "state": Evil()}, path)
    with pytest.raises(RecordError, match="cannot be read as weights"):
        load_weights(path, build_model(small(), 0))


@pytest.mark.parametrize("content", [b"", b"not a file of weights"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.pt"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"broken\.pt"):
        load_weights(path, build_model(small(), 0))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"gone\.pt"):
        load_weights(tmp_path / "gone.pt", build_model(small(), 0))
