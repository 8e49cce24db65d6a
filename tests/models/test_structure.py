"""The seeds' claims as facts of structure: counts that are exact, ratios that hold."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tempo.models import network_cost
from tempo.models.blocks import Chain
from tempo.models.family import TempoNet, build_model
from tempo.models.network_cost import SMALL, Cost, count, summarise, text
from tempo.spec.arch import ArchSpec
from tempo.spec.presets import PRESETS
from tests.models.conformance import SLOT_TABLES, points

PARAMETERS = {
    "tempo_v2": 3_636_069,
    "tempo_v3": 13_910_761,
    "tempo_v3_light": 10_128_897,
    "tempo_v3_deep": 25_256_353,
}


def preset(name: str, **changes: object) -> ArchSpec:
    return ArchSpec.model_validate({**PRESETS.get(name), **changes})


def residual_convolutions(arch: ArchSpec) -> list[nn.Conv2d]:
    with torch.device("meta"):
        encoder = TempoNet(arch).encoder
    chains = [module for module in encoder.modules() if isinstance(module, Chain)]
    return [
        layer
        for chain in chains
        for layer in chain.blocks.modules()
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)
    ]


@pytest.mark.parametrize("name", PRESETS)
def test_parameter_counts_are_pinned(name: str) -> None:
    assert count(preset(name), height=64, width=64).parameters == PARAMETERS[name]


def test_the_sizes_that_the_seeds_claim() -> None:
    v2, v3 = PARAMETERS["tempo_v2"], PARAMETERS["tempo_v3"]
    assert 3e6 < v2 < 4.5e6
    assert 11e6 < v3 < 15e6
    assert 3 < v3 / v2 < 4.5


@pytest.mark.parametrize("n", [4, 6, 8, 12])
def test_residual_convolutions_in_v3_encoder(n: int) -> None:
    expected = 2 * ((n - 2) + n + n + n + n)
    assert len(residual_convolutions(preset("tempo_v3", blocks=n))) == expected
    if n == 6:
        assert expected == 56


def test_dilations_are_repeated_and_never_cut_short() -> None:
    arch = preset("tempo_v3", blocks=[1, 8, 1, 1], dilations=[1, 1, 2, 1, 2, 1], base_channels=8)
    with torch.device("meta"):
        chain = TempoNet(arch).encoder.stages[1].groups[0]
    found = [block.conv1.dilation[0] for block in chain.blocks]
    assert found == [1, 1, 2, 1, 2, 1, 1, 1]


def test_each_slot_lists_the_same_kinds_in_both_tables() -> None:
    for slot, table in SLOT_TABLES.items():
        assert list(table.options) == list(table), slot
        assert table.missing == [], slot


def test_the_table_of_slots_names_every_slot_of_the_spec() -> None:
    arch = preset("tempo_v3")
    with_kind = {name for name in ArchSpec.model_fields if hasattr(getattr(arch, name), "kind")}
    assert with_kind == set(SLOT_TABLES)


@pytest.mark.parametrize("base", [4, 8, 12, 16, 20, 24, 48])
@pytest.mark.parametrize("name", ["tempo_v2", "tempo_v3"])
def test_any_base_has_groups_that_divide_its_widths(name: str, base: int) -> None:
    net = build_model(preset(name, base_channels=base), 0)
    assert net(torch.rand(1, 2, 3, 8, 8), torch.tensor([[0.0, 1.0]]), torch.tensor([0.5])).shape


def test_counts_add_up_over_stages() -> None:
    summary = summarise(preset("tempo_v3"), height=64, width=64)
    costs = [stage.cost for stage in summary.stages]
    added = Cost(
        sum(cost.parameters for cost in costs),
        sum(cost.macs for cost in costs),
        sum(cost.activation_bytes for cost in costs),
    )
    assert added.parameters == summary.total.parameters
    assert added.macs == summary.total.macs
    # What is kept between stages (the padded frames) belongs to none of them.
    assert 0.99 * summary.total.activation_bytes <= added.activation_bytes
    assert added.activation_bytes <= summary.total.activation_bytes


def test_a_convolution_counts_as_the_textbook_says() -> None:
    stem = summarise(preset("tempo_v2"), height=32, width=48).stages[1]
    film = 64 * 64 + 64 * 128
    assert stem.cost.macs == 2 * (32 * 48 * 7 * 7 * 3 * 64 + film)


POINTS = points()


@pytest.mark.parametrize("point", POINTS)
def test_real_numbers_on_small_pictures_count_the_same(
    point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arch, side = POINTS[point], 16
    assert 2 * side**2 <= SMALL
    real = summarise(arch, height=side, width=side)
    monkeypatch.setattr(network_cost, "SMALL", 0)
    assert real == summarise(arch, height=side, width=side)


def test_kept_activations_are_those_of_a_real_forward() -> None:
    arch = preset("tempo_v3", base_channels=8, blocks=4)
    net = build_model(arch, 0)
    own = {p.untyped_storage().data_ptr() for p in net.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and storage.nbytes():
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = net(torch.rand(1, 2, 3, 32, 32), torch.tensor([[0.0, 1.0]]), torch.tensor([0.5]))
    measured = sum(storage.nbytes() for storage in kept.values())
    assert out.requires_grad
    assert count(arch, height=32, width=32).activation_bytes == pytest.approx(measured, rel=0.02)


def test_checkpointing_keeps_less() -> None:
    full = count(preset("tempo_v3"), height=64, width=64)
    less = count(preset("tempo_v3", checkpointing=True), height=64, width=64)
    assert less.activation_bytes < full.activation_bytes / 3
    assert less.parameters == full.parameters
    assert less.macs == full.macs


def test_the_summary_names_blocks_widths_dilations_and_totals() -> None:
    lines = text(summarise(preset("tempo_v3")))
    deepest = next(line for line in lines if line.startswith("encoder 1/8"))
    assert deepest.split()[2:6] == ["192", "6+6", "1,1,2,1,2,1", "yes"]
    assert "13,910,761" in next(line for line in lines if line.startswith("total"))
    assert "2 frames of 256x256" in lines[-1]
