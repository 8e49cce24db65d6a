"""List the files of trained weights that perceptual metrics need, as they were published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PUBLISHED = {
    "alexnet": ("7be5be79", "4df8aa71"),
    "vgg16": ("397923af",),
    "pwcnet": ("ad2dc62b63b9d10ad42a6969179b3f996d4115e2ec6421bf532f99cf278ffcd2",),
}
"""How the SHA-256 of the published files begin: as the names of torchvision's files say, and of
pytorch-pwc's network-default.pytorch as others state who measured FloLPIPS with it."""

PUBLISHERS = {"alexnet": "torchvision", "vgg16": "torchvision", "pwcnet": "pytorch-pwc"}

UNKNOWN = {
    "torchvision": "not one that torchvision publishes",
    "pytorch-pwc": "not the network-default.pytorch of pytorch-pwc that is known",
}
"""By publisher, what is said of other files."""


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """The file of a network of others, by its name."""

    name: str
    path: Path
    sha256: str

    @property
    def described(self) -> str:
        """The network's name, and whether the file is one that its authors publish."""
        known = self.sha256.startswith(PUBLISHED[self.name])
        publisher = PUBLISHERS[self.name]
        origin = f"{publisher}'s" if known else UNKNOWN[publisher]
        return f"{self.name} ({origin})"


@dataclass(frozen=True, slots=True)
class Head:
    """A file of trained weights that a package ships, with the SHA-256 it was released with."""

    package: str
    module: str
    path: str
    sha256: str


HEADS = {
    "lpips_alex": Head(
        "lpips",
        "lpips",
        "weights/v0.1/alex.pth",
        "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    ),
    "lpips_vgg": Head(
        "lpips",
        "lpips",
        "weights/v0.1/vgg.pth",
        "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    ),
    "dists": Head(
        "dists-pytorch",
        "DISTS_pytorch",
        "weights.pt",
        "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
    ),
}
"""By metric: LPIPS version 0.1 and DISTS as their authors released them."""

HEADS["flolpips"] = HEADS["lpips_alex"]
