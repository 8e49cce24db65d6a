"""Compute perceptual metrics through frozen networks: LPIPS and DISTS.

Both take float32 [B, 3, H, W] in [0, 1] and return one value a picture, [B]; pictures are neither
cropped nor resized. They return None where their weights are not given or pictures are too small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tempo.backbones.alex_network import LAYOUT as ALEX_LAYOUT
from tempo.backbones.alex_network import AlexFeatures
from tempo.backbones.frozen_files import read_tensors
from tempo.backbones.pwc_network import LAYOUT as PWC_LAYOUT
from tempo.backbones.pwc_network import PwcNet
from tempo.backbones.vgg_network import LAYOUT as VGG_LAYOUT
from tempo.backbones.vgg_network import VggFeatures
from tempo.core.errors import MissingError, SpecError
from tempo.metrics.fidelity import checked
from tempo.metrics.metric_weights import (
    MetricWeights,
    find_weights,
    not_computed,
    refuse,
    use_frozen,
    why_missing,
)
from tempo.metrics.published_weights import NetworkFile
from tempo.spec.losses import FrozenWeights
from tempo.spec.metrics import PERCEPTUAL

VGG16_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
VGG16_CHANNELS = (64, 128, 256, 512, 512)
"""Of these layers."""


class _Vgg16(nn.Module):
    """Compute the features of VGG-16 that LPIPS and DISTS look at."""

    network = VggFeatures

    def __init__(self, path: Path) -> None:
        super().__init__()
        weights = read_tensors(path, VGG_LAYOUT)
        # In VGG-16 the last convolution is the 28th layer; other networks have other layers there.
        last = weights.get("features.28.weight")
        if last is None or "features.30.weight" in weights or last.shape[0] != VGG16_CHANNELS[-1]:
            raise SpecError(f"{path} is not VGG-16 as torchvision writes it (the file vgg16-*.pth)")
        self.features = self.network(weights, VGG16_LAYERS, str(path))
        self.smallest = self.features.smallest

    def forward(self, pictures: Tensor) -> list[Tensor]:
        found = self.features(pictures)
        return [found[name] for name in VGG16_LAYERS]


class Lpips(nn.Module):
    """Measure learned perceptual image patch similarity, version 0.1 (Zhang et al. 2018).

    The squared distance of the features of each layer, scaled to unit length at each pixel, then
    weighted by channel with the trained head, averaged over the picture, and summed over layers.
    """

    def __init__(self, weights: MetricWeights) -> None:
        super().__init__()
        self.features: AlexFeatures | _Vgg16
        path = weights.backbone.path
        if weights.backbone.name == "alexnet":
            self.features = AlexFeatures(read_tensors(path, ALEX_LAYOUT), str(path))
        else:
            self.features = _Vgg16(path)
        for number, head in enumerate(read_tensors(weights.head, "the head of LPIPS").values()):
            self.register_buffer(f"head_{number}", head.flatten())
        self.smallest = self.features.smallest

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        total = prediction.new_zeros(len(prediction))
        for distances in self.maps(prediction, target):
            total = total + distances.mean(dim=(1, 2))
        return total

    def maps(self, prediction: Tensor, target: Tensor) -> Iterator[Tensor]:
        """Yield the distance at each place [B, h, w] of each layer."""
        both = zip(self.features(prediction), self.features(target), strict=True)
        for number, pair in enumerate(both):
            one, other = (each / (each.norm(dim=1, keepdim=True) + 1e-10) for each in pair)
            yield torch.einsum(
                "bchw,c->bhw", (one - other).square(), self.get_buffer(f"head_{number}")
            )


class _SmoothVgg(VggFeatures):
    """A VGG network whose pictures are halved by the root of a Hanning-weighted mean of squares."""

    def _pool(self, x: Tensor) -> Tensor:
        side = torch.hann_window(5, periodic=False, dtype=x.dtype, device=x.device)[1:-1]
        kernel = torch.outer(side, side)
        kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, 3, 3)
        return (F.conv2d(x.square(), kernel, stride=2, padding=1, groups=x.shape[1]) + 1e-12).sqrt()


class _SmoothVgg16(_Vgg16):
    network = _SmoothVgg


class Dists(nn.Module):
    """Measure deep image structure and texture similarity as a distance (Ding et al. 2020).

    One minus the weighted similarities of the means (texture) and the covariances (structure) of
    every feature map, and of the pictures themselves; the weights are trained.
    """

    alpha: Tensor
    beta: Tensor

    def __init__(self, weights: MetricWeights) -> None:
        super().__init__()
        self.features = _SmoothVgg16(weights.backbone.path)
        self.smallest = self.features.smallest
        head = read_tensors(weights.head, "the weights of DISTS")
        total = head["alpha"].sum() + head["beta"].sum()
        for name in ("alpha", "beta"):
            self.register_buffer(name, (head[name] / total).detach().flatten())

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        stacks = ([each, *self.features(each)] for each in (prediction, target))
        means, structures = zip(*map(_similarities, *stacks), strict=True)
        return 1 - torch.cat(means, 1) @ self.alpha - torch.cat(structures, 1) @ self.beta


def _similarities(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Return the similarities of means and of structure of two stacks of maps, [B, C] each."""
    small = 1e-6
    means = one.mean(dim=(2, 3)), other.mean(dim=(2, 3))
    centred = [each - mean[..., None, None] for each, mean in zip((one, other), means, strict=True)]
    spread = sum(each.square().mean(dim=(2, 3)) for each in centred)
    shared = (centred[0] * centred[1]).mean(dim=(2, 3))
    texture = (2 * means[0] * means[1] + small) / (means[0] ** 2 + means[1] ** 2 + small)
    return texture, (2 * shared + small) / (spread + small)


@cache
def load_dists(weights: MetricWeights, device: torch.device) -> Dists:
    """Load DISTS onto a device, once in a process."""
    return Dists(weights).to(device).eval()


@cache
def load_lpips(weights: MetricWeights, device: torch.device) -> Lpips:
    """Load LPIPS onto a device, once in a process."""
    return Lpips(weights).to(device).eval()


@cache
def load_flow(file: NetworkFile, device: torch.device) -> PwcNet:
    """Load the network of optical flow onto a device, once in a process."""
    return PwcNet(read_tensors(file.path, PWC_LAYOUT), str(file.path)).to(device).eval()


def _load(weights: MetricWeights, device: torch.device) -> Lpips | Dists:
    load = load_dists if weights.metric == "dists" else load_lpips
    return load(weights, device)


def perceptual(metric: str) -> Callable[[Tensor, Tensor], Tensor | None]:
    """Return the function of a perceptual metric by its name."""

    def measure(prediction: Tensor, target: Tensor) -> Tensor | None:
        try:
            weights = find_weights(metric)
        except MissingError:
            return None  # An evaluation says why, once.
        prediction, target = checked(prediction, target)
        network = _load(weights, prediction.device)
        if min(target.shape[-2:]) < network.smallest:
            return None
        # One picture at a time: the first layers of VGG-16 take 21 times a picture's memory.
        pairs = zip(prediction.float(), target.float(), strict=True)
        return torch.cat([network(one[None], other[None]) for one, other in pairs])

    return measure


def prepare(metrics: Sequence[str], backbones: Mapping[Any, FrozenWeights]) -> list[str]:
    """Load what the perceptual metrics among `metrics` need, from the files that a spec names.

    Returns a sentence for each that is not computed because its weights are not here, are others
    than the spec says, or hold another network.
    """
    use_frozen(backbones)
    device = torch.device("cpu")
    for name in metrics:
        if name in PERCEPTUAL and why_missing(name) is None:
            weights = find_weights(name)
            with _refusing(weights.backbone):
                _load(weights, device)
            if weights.flow is not None:
                with _refusing(weights.flow):
                    load_flow(weights.flow, device)
    return not_computed(metrics)


@contextmanager
def _refusing(file: NetworkFile) -> Iterator[None]:
    try:
        yield
    except SpecError as error:
        refuse(file.name, str(error))
