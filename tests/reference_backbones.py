"""AlexNet and VGG-16 as torchvision builds them, with random layers, for packages that use them.

PWC-Net with random layers is in `reference_flow`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace

import torch
from torch import nn

from tests import reference_flow

VGG16 = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def alexnet() -> nn.Sequential:
    """`torchvision.models.alexnet().features`, with random weights of a fixed seed."""
    pool = nn.MaxPool2d
    return _random(
        nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), pool(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), pool(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), pool(3, stride=2),
        )
    )  # fmt: skip


def vgg16() -> nn.Sequential:
    """`torchvision.models.vgg16().features`, with random weights of a fixed seed."""
    layers: list[nn.Module] = []
    channels = 3
    for each in VGG16:
        if each == "M":
            layers.append(nn.MaxPool2d(2, stride=2))
        else:
            layers += [nn.Conv2d(channels, int(each), 3, padding=1), nn.ReLU()]
            channels = int(each)
    return _random(nn.Sequential(*layers))


def _random(network: nn.Sequential) -> nn.Sequential:
    noise = torch.Generator().manual_seed(0)
    for each in network:
        if isinstance(each, nn.Conv2d):
            nn.init.kaiming_normal_(each.weight, nonlinearity="relu", generator=noise)
            nn.init.normal_(each.bias, 0, 0.05, generator=noise)
    return network.eval()


BUILT = {"alexnet": alexnet, "vgg16": vgg16}
"""torchvision's."""


def write(name: str, folder: Path) -> Path:
    """Write a network's state dict as the published files hold it."""
    path = folder / f"{name}.pth"
    if name == "pwcnet":
        torch.save(reference_flow.pwcnet().state_dict(), path)
        return path
    state = BUILT[name]().state_dict()
    torch.save({f"features.{key}": value for key, value in state.items()}, path)
    return path


@contextmanager
def in_place_of_torchvision() -> Iterator[None]:
    """Let packages import a `torchvision` whose networks are those above.

    The real one has compiled operators for one build of torch, which none of this needs.
    """
    fake, models = ModuleType("torchvision"), ModuleType("torchvision.models")
    for name, build in BUILT.items():
        setattr(models, name, lambda pretrained=False, *, b=build: SimpleNamespace(features=b()))
    fake.models, fake.transforms = models, ModuleType("torchvision.transforms")  # type: ignore[attr-defined]
    names = {
        "torchvision": fake,
        "torchvision.models": models,
        "torchvision.transforms": fake.transforms,
    }
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update(names)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
