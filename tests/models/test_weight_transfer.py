"""Weights copied by name and shape, and parts kept from training."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tempo.core.errors import SpecError
from tempo.models.weight_transfer import copy_weights_of, freeze
from tempo.spec.sections.start import Init


def net(width: int = 3, fill: float = 0.0) -> nn.Module:
    made = nn.ModuleDict(
        {
            "encoder": nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)),
            "encoder2": nn.Linear(2, 2),
            "head": nn.Linear(3, width),
        }
    )
    with torch.no_grad():
        for tensor in made.state_dict().values():
            tensor.fill_(fill)
    return made


def start(**options: object) -> Init:
    return Init.model_validate({"from": "V2", **options})


def test_every_weight_and_buffer_is_copied() -> None:
    made = net()
    done = copy_weights_of(made, net(fill=1.0).state_dict(), start())
    assert all(bool((each == 1).all()) for each in made.state_dict().values())
    assert len(done.copied) == 8 and not done.left and not done.fresh


def test_only_the_named_parts_are_copied_and_a_name_that_begins_alike_is_another_part() -> None:
    made = net()
    done = copy_weights_of(made, net(fill=1.0).state_dict(), start(only=("encoder",)))
    values = made.state_dict()
    assert (
        bool((values["encoder.0.weight"] == 1).all()) and values["encoder.1.running_mean"][0] == 1
    )
    assert not values["encoder2.weight"].any() and not values["head.weight"].any()
    assert set(done.fresh) == {"encoder2.weight", "encoder2.bias", "head.weight", "head.bias"}
    assert set(done.left) == set(done.fresh), "what the source has and was not taken"


def test_what_does_not_fit_is_an_error_that_names_it() -> None:
    with pytest.raises(SpecError) as caught:
        copy_weights_of(net(4), net().state_dict(), start())
    assert "2 parameters cannot be copied from V2" in str(caught.value)
    assert "head.weight ([3, 3] there, [4, 3] here)" in str(caught.value)
    assert "strict: false" in str(caught.value)


def test_what_does_not_fit_starts_fresh_when_not_strict() -> None:
    made = net(4)
    done = copy_weights_of(made, net(fill=1.0).state_dict(), start(strict=False))
    assert set(done.fresh) == {"head.weight", "head.bias"} == set(done.left)
    assert not made.state_dict()["head.weight"].any()


def test_nothing_that_fits_is_an_error_even_when_not_strict() -> None:
    with pytest.raises(SpecError, match="nothing of V2 fits"):
        copy_weights_of(net(), {"other": torch.zeros(1)}, start(strict=False))


def test_a_part_that_does_not_exist_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(SpecError, match=r"recipe.init.only.*'encodr'; did you mean 'encoder"):
        copy_weights_of(net(), net().state_dict(), start(only=("encodr",)))
    with pytest.raises(
        SpecError, match=r"recipe.freeze.*'heads'.*its parts: encoder, encoder2, head"
    ):
        freeze(net(), ["heads"])


def test_frozen_parts_need_no_gradient_and_keep_their_statistics() -> None:
    made = net()
    frozen = freeze(made, ["encoder", "head.bias"])
    trained = {name for name, each in made.named_parameters() if each.requires_grad}
    assert trained == {"encoder2.weight", "encoder2.bias", "head.weight"}
    assert set(frozen) == {name for name, _ in made.named_parameters()} - trained
    made["encoder"](torch.ones(4, 2))
    assert not made.state_dict()["encoder.1.running_mean"].any()
    assert made["head"].training, "a module that is trained in part stays in training"


def test_a_network_of_which_nothing_is_trained_is_an_error() -> None:
    with pytest.raises(SpecError, match="nothing would be trained"):
        freeze(net(), ["encoder", "encoder2", "head"])


def test_shapes_alone_can_be_compared() -> None:
    with torch.device("meta"):
        there, here = net(), net(4)
    done = copy_weights_of(here, there.state_dict(), start(strict=False))
    assert set(done.fresh) == {"head.weight", "head.bias"}
