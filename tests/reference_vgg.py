"""VGG networks as torchvision builds them, written from its source, with narrow random layers."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from torch import Tensor, nn

from tempo.records.files import sha256_of

BLOCKS: dict[str, list[int]] = {
    "vgg11": [1, 1, 2, 2, 2],
    "vgg13": [2, 2, 2, 2, 2],
    "vgg16": [2, 2, 3, 3, 3],
    "vgg19": [2, 2, 4, 4, 4],
}
"""Convolutions before each halving in configurations A, B, D and E of torchvision.models.vgg."""

CONFIGURATIONS: dict[str, list[int | str]] = {
    name: [
        each
        for count, width in zip(counts, (64, 128, 256, 512, 512), strict=True)
        for each in (*[width] * count, "M")
    ]
    for name, counts in BLOCKS.items()
}


class ReferenceVgg(nn.Module):
    """`torchvision.models.VGG` with `narrow` times fewer channels and a small classifier."""

    def __init__(self, name: str, *, batch_norm: bool = False, narrow: int = 16) -> None:
        super().__init__()
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        channels = 3
        for each in CONFIGURATIONS[name]:
            if each == "M":
                layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
                continue
            width = int(each) // narrow
            layers.append(nn.Conv2d(channels, width, kernel_size=3, padding=1))
            nn.init.kaiming_normal_(layers[-1].weight, mode="fan_out", nonlinearity="relu")
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
                nn.init.normal_(layers[-1].running_mean, 0.1, 0.2)
                nn.init.uniform_(layers[-1].running_var, 0.5, 2.0)
            layers.append(nn.ReLU(inplace=True))
            channels = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Linear(channels, 7), nn.ReLU(True), nn.Linear(7, 5))

    def layers(self, pictures: Tensor) -> dict[str, Tensor]:
        """The output of every layer but the norms, by the name that Tempo gives it."""
        mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        x = (pictures - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)
        found, block, number = {}, 1, 1
        for layer in self.features:
            x = layer(x.clone())
            if isinstance(layer, nn.Conv2d):
                found[f"conv{block}_{number}"] = x
            elif isinstance(layer, nn.ReLU):
                found[f"relu{block}_{number}"] = x
                number += 1
            elif isinstance(layer, nn.MaxPool2d):
                found[f"pool{block}"] = x
                block, number = block + 1, 1
        return found


def saved(path: Path, network: nn.Module) -> dict[str, str]:
    """Save a network's state dict as torchvision does; return what a spec's `weights` says."""
    torch.save(network.state_dict(), path)
    return {"path": str(path), "sha256": sha256_of(path)}


@cache
def small_vgg() -> dict[str, Any]:
    """The `weights` of a narrow VGG-16 in a file that lasts as long as the tests."""
    return saved(Path(mkdtemp()) / "vgg16.pth", ReferenceVgg("vgg16").eval())
