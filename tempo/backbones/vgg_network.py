"""Read a VGG network from a state dict as torchvision writes it, and compute its features."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tempo.backbones.frozen_files import check_file, read_tensors
from tempo.core.catalog import unknown
from tempo.core.errors import SpecError
from tempo.spec.losses import FrozenWeights

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the pictures that torchvision's networks were trained on, by channel, for values 0 to 1."""

LAYOUT = "a VGG network as torchvision writes it"
_PLACE = re.compile(r"features\.(\d+)\.(\w+)")


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its name, what it computes, and its place in torchvision's `features`."""

    name: str
    kind: Literal["conv", "norm", "relu", "pool"]
    place: int


class VggFeatures(nn.Module):
    """Compute what a VGG network makes of pictures [B, 3, H, W] in 0..1 at the named layers.

    Its weights are buffers, so that nothing trains them, and its statistics stay as they are.
    Values are normalised as torchvision's networks expect, and not clamped.

    Raises:
        SpecError: when a layer that is asked for does not exist.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, weights: Mapping[str, Tensor], asked: Iterable[str], source: str) -> None:
        super().__init__()
        layers = list(_layers(weights, source))
        known = [each.name for each in layers if each.kind != "norm"]
        self.asked = tuple(asked)
        for name in self.asked:
            if name not in known:
                raise SpecError(f"recipe.loss.layers: {unknown(f'layer of {source}', name, known)}")
        deepest = max(known.index(name) for name in self.asked)
        last = next(n for n, each in enumerate(layers) if each.name == known[deepest])
        self._layers = tuple(layers[: last + 1])
        for name, values in ("mean", MEAN), ("deviation", DEVIATION):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1))
        places = {each.place for each in self._layers}
        for place, name in _entries(weights):
            if place in places:
                value = weights[f"features.{place}.{name}"]
                if value.is_floating_point():
                    self.register_buffer(f"{name}_{place}", value.detach().clone().float())

    @property
    def smallest(self) -> int:
        """The shortest side of a picture, in pixels, of which the deepest layer sees something."""
        return int(2 ** sum(each.kind == "pool" for each in self._layers))

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Return the features [B, C, h, w] of each layer that was asked for."""
        if min(pictures.shape[-2:]) < self.smallest:
            raise SpecError(too_small(min(pictures.shape[-2:]), self))
        x = (pictures - self.mean) / self.deviation
        found: dict[str, Tensor] = {}
        for layer in self._layers:
            x = self._compute(layer, x)
            if layer.name in self.asked:
                found[layer.name] = x
        return found

    def _compute(self, layer: Layer, x: Tensor) -> Tensor:
        if layer.kind == "relu":
            return F.relu(x)
        if layer.kind == "pool":
            return self._pool(x)
        weight, bias = self._own("weight", layer), self._own("bias", layer)
        if layer.kind == "conv":
            return F.conv2d(x, weight, bias, padding=1)
        statistics = self._own("running_mean", layer), self._own("running_var", layer)
        return F.batch_norm(x, *statistics, weight, bias)

    def _pool(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 2)

    def _own(self, name: str, layer: Layer) -> Tensor:
        return self.get_buffer(f"{name}_{layer.place}")


def too_small(side: int, features: VggFeatures) -> str:
    """Return the sentence that pictures of `side` pixels are too small for the deepest layer."""
    return (
        f"pictures of {side} pixels are too small for a loss on layer "
        f"{features._layers[-1].name!r}, which needs {features.smallest}: choose a larger "
        "recipe.crop, or less deep layers"
    )


def _entries(weights: Mapping[str, Tensor]) -> list[tuple[int, str]]:
    """Return place and name of each tensor below `features`."""
    found = map(_PLACE.fullmatch, weights)
    return [(int(each[1]), each[2]) for each in found if each]


def _layers(weights: Mapping[str, Tensor], source: str) -> Iterator[Layer]:
    """Yield the layers that the places of the tensors stand for, up to the last convolution's.

    torchvision numbers all layers, those without weights too: where a number is missing between
    two convolutions, the picture is halved.

    Raises:
        SpecError: when the tensors are not those of a VGG network.
    """
    entries = set(_entries(weights))
    kernels = {place: weights[f"features.{place}.weight"] for place, name in entries
               if name == "weight" and weights[f"features.{place}.weight"].dim() == 4}  # fmt: skip
    norms = {place for place, name in entries if name == "running_mean"}
    channels, expected, block, number = 3, 0, 1, 1
    if not kernels:
        raise SpecError(_other(source, "it has no convolution features.N.weight"))
    for place in sorted(kernels):
        if place == expected + 1 and expected:
            yield Layer(f"pool{block}", "pool", expected)
            block, number = block + 1, 1
        elif place != expected:
            raise SpecError(_other(source, f"features.{place} is not where a convolution stands"))
        shape, suffix = tuple(kernels[place].shape), f"{block}_{number}"
        if shape[1:] != (channels, 3, 3) or (place, "bias") not in entries:
            raise SpecError(
                _other(
                    source,
                    f"features.{place}.weight is {list(shape)} and not [any, {channels}, 3, 3] "
                    "with a bias",
                )
            )
        yield Layer(f"conv{suffix}", "conv", place)
        if place + 1 in norms:
            yield Layer(f"norm{suffix}", "norm", place + 1)
        relu = place + 1 + (place + 1 in norms)
        yield Layer(f"relu{suffix}", "relu", relu)
        channels, expected, number = shape[0], relu + 1, number + 1


def _other(source: str, why: str) -> str:
    return f"{source} is not {LAYOUT}: {why}"


def load_vgg(given: FrozenWeights, layers: Iterable[str]) -> VggFeatures:
    """Load the network in a file whose SHA-256 is as given, up to the deepest of `layers`.

    Raises:
        MissingError: when the file is not there, or is another one.
        SpecError: when it holds something else, or a layer does not exist.
    """
    path = check_file(given)
    return VggFeatures(read_tensors(path, LAYOUT), layers, str(path))
