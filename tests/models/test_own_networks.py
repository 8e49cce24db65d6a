"""Networks that are not TEMPO: their start, their counts, the laws that they are held to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tempo.testing
from tempo.core.errors import PluginError
from tempo.core.plugins import loading
from tempo.models.family import build_model
from tempo.models.laws import LAWS, Outcome, Subject, check_laws, subject_of
from tempo.models.network_cost import count, summarise, text
from tempo.models.own_networks import MidpointNetwork
from tempo.spec.arch import ArchSpec
from tempo.spec.networks import ModuleArch

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_network"


@pytest.fixture
def example() -> Iterator[str]:
    """The target of the worked example."""
    path = list(sys.path)
    loading.load(loading.find("./cain.py", EXAMPLE))
    yield "cain:CainLike"
    loading.forget("cain")
    sys.path[:] = path


def module(name: str = "Small", **options: Any) -> ModuleArch:
    return ModuleArch(target=f"{__name__}:{name}", options=options)


class Blend(nn.Module):
    def __init__(self, width: int = 4, depth: int = 1) -> None:
        super().__init__()
        self.entry = nn.Conv2d(6, width, 3, padding=1)
        self.chain = nn.Sequential(*(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth)))
        self.exit = nn.Conv2d(width, 3, 3, padding=1)
        self.exit.weight.data.fill_(0.01)
        self.scale = nn.Parameter(torch.randn(()))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        x = self.chain(self.entry(torch.cat((first, second), 1)).relu()).relu()
        return (first + second) / 2 + self.scale * self.exit(x)


class Small(MidpointNetwork):
    def __init__(self, width: int = 4, depth: int = 1) -> None:
        super().__init__(Blend(width, depth))


def test_the_seed_decides_the_start_and_global_generators_stay() -> None:
    state = torch.get_rng_state()
    one, two, other = (build_model(module(), seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["net.entry.weight"], other["net.entry.weight"])
    assert not torch.equal(one["net.scale"], other["net.scale"])
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("arch", [module(), ArchSpec()], ids=["own", "tempo"])
def test_generators_of_gpus_stay(
    arch: ModuleArch | ArchSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    torch.manual_seed(7)
    assert seeded == [7]
    build_model(arch, 0)
    assert len([*check_laws(subject_of(arch))]) == len(LAWS)
    assert seeded == [7]


def test_layers_that_variants_share_start_equal_whatever_else_differs() -> None:
    """Without streams by path, the layers behind a longer chain would start differently."""
    short, long = build_model(module(depth=1), 0), build_model(module(depth=3), 0)
    one, other = short.state_dict(), long.state_dict()
    for name in ("net.entry.weight", "net.chain.0.weight", "net.exit.bias"):
        assert torch.equal(one[name], other[name]), name


def test_what_the_constructor_sets_is_kept() -> None:
    net = build_model(module(), 0)
    assert bool((net.net.exit.weight == 0.01).all())  # type: ignore[union-attr, union-attr]


def test_the_midpoint_adapter_orders_pads_and_refuses() -> None:
    class First(nn.Module):
        def forward(self, first: Tensor, second: Tensor) -> Tensor:
            assert first.shape[-2] % 8 == 0 and first.shape[-1] % 8 == 0
            return first

    net = MidpointNetwork(First(), stride=8)
    frames = torch.rand(2, 2, 3, 13, 21)
    times, middle = torch.tensor([[0.0, 1.0], [3.0, 1.0]]), torch.tensor([0.5, 2.0])
    out = net(frames, times, middle)
    assert torch.equal(out[0], frames[0, 0]) and torch.equal(out[1], frames[1, 1])
    with pytest.raises(PluginError, match="knows the middle of two frames only"):
        net(frames, times, middle + 0.2)
    with pytest.raises(PluginError, match="takes two frames, not 3"):
        net(torch.rand(1, 3, 3, 8, 8), torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([1.0]))


def test_it_is_counted_part_by_part(example: str) -> None:
    arch = ModuleArch(target=example, options={"width": 8, "depth": 2})
    cost = count(arch, height=64, width=64)
    net = build_model(arch, 0)
    assert cost.parameters == sum(each.numel() for each in net.parameters())
    assert cost.macs > 0 and cost.activation_bytes > 0
    assert any(line.startswith("net ") for line in text(summarise(arch, height=64, width=64)))


class Uncountable(Small):
    def forward(self, frames: Tensor, times: Tensor, target_time: Tensor) -> Tensor:
        assert float(frames.sum()) >= 0  # needs real numbers
        return super().forward(frames, times, target_time)


def test_a_network_that_needs_real_numbers_is_counted_on_the_processor() -> None:
    assert count(module("Uncountable"), height=16, width=16).macs == (
        count(module(), height=16, width=16).macs
    )


# --- what does not fit -----------------------------------------------------------------------


def no_module(width: int = 1) -> int:
    return width


class Wrong(nn.Module):
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return first


@pytest.mark.parametrize(
    ("arch", "sentence"),
    [
        (module("Smal"), r"unknown name in .*, 'Smal'; did you mean 'Small'\?"),
        (module(widht=3), r"cannot be made with the options widht \(got an unexpected keyword arg"),
        (module("no_module"), r"is a int; a torch\.nn\.Module is needed"),
        (module("Wrong"), r"is called as forward\(frames, times, target_time\), and its forward\("),
        (
            ModuleArch(target="nowhere_at_all:Net"),
            r"the module 'nowhere_at_all' cannot be imported",
        ),
    ],
)
def test_what_is_no_network_is_one_sentence(arch: ModuleArch, sentence: str) -> None:
    with pytest.raises(PluginError, match=sentence) as raised:
        build_model(arch, 0)
    assert "\n" not in str(raised.value)


# --- laws ------------------------------------------------------------------------------------


def broken(name: str, **options: Any) -> dict[str, Outcome]:
    found = check_laws(Subject(lambda seed: build_model(module(name, **options), seed)))
    return {each.law: each for each in found if each.held is False}


@pytest.mark.parametrize("law", LAWS)
def test_the_worked_example_obeys_the_laws(example: str, law: str) -> None:
    (case,) = [each for each in tempo.testing.cases(example, folder=EXAMPLE) if each.law == law]
    case.check()


class Batched(Small):
    def forward(self, frames: Tensor, times: Tensor, target_time: Tensor) -> Tensor:
        out = super().forward(frames, times, target_time)
        return out - out.mean(0, keepdim=True)


class Normalised(Small):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, frames: Tensor, times: Tensor, target_time: Tensor) -> Tensor:
        return self.norm(super().forward(frames, times, target_time))


class Ordered(Small):
    def forward(self, frames: Tensor, times: Tensor, target_time: Tensor) -> Tensor:
        return frames[:, 0] + 0 * super().forward(frames, times, target_time)


class Even(Small):
    def forward(self, frames: Tensor, times: Tensor, target_time: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(super().forward(frames, times, target_time), 2)


class Idle(Small):
    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Linear(2, 2)


class Restless(Small):
    def __init__(self) -> None:
        super().__init__()
        self.drawn = nn.Parameter(
            torch.rand(3, generator=torch.Generator().manual_seed(next(TICK)))
        )


class Forgetful(Small):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = torch.randn(1)

    def forward(self, frames: Tensor, times: Tensor, target_time: Tensor) -> Tensor:
        return super().forward(frames, times, target_time) + self.hidden.to(frames)


TICK = iter(range(10**6))


@pytest.mark.parametrize(
    ("name", "law", "message"),
    [
        ("Batched", "batch_independence", "a sample alone gives another picture"),
        ("Normalised", "batch_independence", "in training, a sample alone gives another picture"),
        ("Ordered", "order_of_views", "frames with their times in another order"),
        ("Small", "reversal", "the clip backwards in time gives another picture"),
        ("Even", "any_size", "frames of 37x50 pixels give a tensor of shape"),
        ("Idle", "gradient_for_every_parameter", "reaches idle.bias, idle.weight"),
        ("Restless", "reproducible_start", "built twice from one seed, drawn starts differently"),
        ("Forgetful", "checkpoint_round_trip", "saved and loaded weights give another picture"),
    ],
)
def test_a_network_that_breaks_a_law_is_caught(name: str, law: str, message: str) -> None:
    assert message in broken(name)[law].message


def test_the_small_network_breaks_no_other_law() -> None:
    """So the laws above are not broken by all."""
    assert set(broken("Small")) == {"reversal"}


class Excused(Small):
    exempt = {"reversal": "it is made for one direction"}  # noqa: RUF012


def test_a_network_may_say_which_law_it_does_not_hold() -> None:
    assert broken("Excused") == {}
    found = check_laws(Subject(lambda seed: build_model(module("Excused"), seed)))
    (excused,) = [each for each in found if each.held is None]
    assert excused.sentence == "is exempt from the law 'reversal': it is made for one direction"


def test_tempo_itself_obeys_them() -> None:
    for preset in ("tempo_v2", "tempo_v3"):
        from tempo.models.laws import subject_of
        from tempo.spec.arch import ArchSpec
        from tempo.spec.presets import PRESETS

        arch = ArchSpec.model_validate(PRESETS.get(preset))
        assert [e.sentence for e in check_laws(subject_of(arch, 3)) if e.held is not True] == []
