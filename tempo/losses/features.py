"""Compute losses on features of a frozen VGG network: perceptual distance and style."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tempo.backbones.vgg_network import load_vgg
from tempo.spec import losses as options


class Perceptual(nn.Module):
    """The sum over layers of weight times mean |d| or mean d^2 of their features.

    As in Johnson et al. 2016, with the distance that the spec chooses.
    """

    def __init__(self, options: options.Perceptual) -> None:
        super().__init__()
        self.layers, self.distance = dict(options.layers), options.distance
        self.features = load_vgg(options.weights, options.layers)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        mine = self.features(prediction)
        with torch.no_grad():
            theirs = self.features(target)
        total = prediction.new_zeros(len(prediction))
        for name, weight in self.layers.items():
            difference = mine[name] - theirs[name]
            size = difference.abs() if self.distance == "l1" else difference.square()
            total = total + weight * size.flatten(1).mean(1)
        return total


class Style(nn.Module):
    """The sum over layers of weight times the squared Frobenius distance of Gram matrices.

    A Gram matrix is F F^T / (C h w) of the features F, [C, h w] (Johnson et al. 2016).
    """

    def __init__(self, options: options.Style) -> None:
        super().__init__()
        self.layers = dict(options.layers)
        self.features = load_vgg(options.weights, options.layers)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        mine = self.features(prediction)
        with torch.no_grad():
            theirs = self.features(target)
        total = prediction.new_zeros(len(prediction))
        for name, weight in self.layers.items():
            difference = gram(mine[name]) - gram(theirs[name])
            total = total + weight * difference.square().flatten(1).sum(1)
        return total


def gram(features: Tensor) -> Tensor:
    """Return the Gram matrices [B, C, C] of features [B, C, h, w], over C h w."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])
