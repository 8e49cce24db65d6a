"""Find the weights that perceptual metrics look through: backbones by file, heads by package.

Tempo downloads nothing and ships none. A backbone is a file of its authors (torchvision's, or for
PWC-Net pytorch-pwc's), named by `use_backbones` or by an environment variable; the small heads lie
in the packages `lpips` and `dists-pytorch`, of the extra `tempo-vfi[perceptual]`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tempo.backbones.frozen_files import check_file, digest_of
from tempo.core.catalog import unknown
from tempo.core.errors import MissingError, UnknownNameError
from tempo.metrics.published_weights import HEADS, PUBLISHERS, NetworkFile
from tempo.spec.losses import FrozenWeights
from tempo.spec.metrics import BACKBONES, PERCEPTUAL

EXTRA = "pip install 'tempo-vfi[perceptual]'"


FLOW_PROTOCOL = {
    "flow_frames": "from the prediction, and from its target, to the frame before and to the frame "
    "after it in the output video and in the true one; the mean of both",
    "flow_resizing": "pictures to multiples of 64, the flow to the pictures, its difference to the "
    "size of each layer; bilinear",
    "flow_colour": "RGB",
    "flow_code": "github.com/danier97/flolpips, with weights that sum to 1 in each picture",
}
"""How FloLPIPS finds its weights: fields of its protocol."""

_given: dict[str, Path] = {}
_refused: dict[str, str] = {}
"""By backbone, why the file that a spec names is not used."""


def use_backbones(files: Mapping[str, str | Path]) -> None:
    """Say where backbones lie, by their names, for this process.

    Raises:
        UnknownNameError: no backbone is called so.
        MissingError: a file is not there.
    """
    for name, file in files.items():
        if name not in BACKBONES:
            raise UnknownNameError(unknown("backbone", name, BACKBONES))
        path = Path(file).expanduser()
        if not path.is_file():
            raise MissingError(
                f"the backbone {name}: there is no file {file} (looked at {path.absolute()}); "
                f"Tempo downloads none: put {PUBLISHERS[name]}'s file there, or write where it is"
            )
    _given.clear()
    _refused.clear()
    _given.update({name: Path(file).expanduser() for name, file in files.items()})


def use_frozen(files: Mapping[Any, FrozenWeights]) -> None:
    """Say where backbones lie as a spec does, for this process.

    A file that is lacking, or has another SHA-256, is left out: the metrics are not computed, and
    `why_missing` says so. Nothing is stopped for it.
    """
    _given.clear()
    _refused.clear()
    for name, file in files.items():
        try:
            _given[name] = check_file(file, f"evaluation.backbones.{name}")
        except MissingError as error:
            _refused[name] = str(error)


def refuse(backbone: str, why: str) -> None:
    """Take a backbone for lacking in this process, because its file cannot be used."""
    _refused[backbone] = why


def variable(backbone: str) -> str:
    """Return the environment variable that names a backbone's file."""
    return f"TEMPO_BACKBONE_{backbone.upper()}"


@dataclass(frozen=True, slots=True)
class MetricWeights:
    """The files that a perceptual metric needs, and what the numbers owe to them.

    `flow` is the network of optical flow, which only FloLPIPS has.
    """

    metric: str
    backbone: NetworkFile
    head: Path
    head_sha256: str
    flow: NetworkFile | None = None

    @property
    def protocol(self) -> dict[str, Any]:
        """Everything that decides the metric beside the pictures, as JSON values."""
        fields = {
            "backbone": self.backbone.described,
            "backbone_sha256": self.backbone.sha256,
            "head_sha256": self.head_sha256,
            "crop": "none",
            "resizing": "none",
        }
        if self.flow is None:
            return fields
        return fields | {
            "flow_network": self.flow.described,
            "flow_sha256": self.flow.sha256,
            **FLOW_PROTOCOL,
        }


def find_weights(metric: str) -> MetricWeights:
    """Return the files of a perceptual metric.

    Raises:
        MissingError: saying which is not there, and what to do.
    """
    names = PERCEPTUAL[metric]
    for name in names:
        if name in _refused:
            raise MissingError(f"{metric} is not computed: {_refused[name]}")
    given = {name: _given.get(name) or os.environ.get(variable(name)) for name in names}
    if lacking := [name for name in names if not given[name]]:
        named = " and ".join(dict.fromkeys(f"{PUBLISHERS[name]}'s file" for name in lacking))
        raise MissingError(
            f"{metric} is not computed: it looks through {' and '.join(lacking)}, whose weights "
            f"are not given; name {named} with "
            f"{' '.join(f'--backbone {name}=FILE' for name in lacking)}, in evaluation.backbones "
            f"of a spec, or in {' and '.join(f'${variable(name)}' for name in lacking)}"
        )
    files = [_network_file(metric, name, Path(str(given[name])).expanduser()) for name in names]
    return MetricWeights(metric, files[0], _head(metric), HEADS[metric].sha256, *files[1:])


def _network_file(metric: str, name: str, path: Path) -> NetworkFile:
    if not path.is_file():
        raise MissingError(
            f"{metric} is not computed: ${variable(name)} names {path}, and no file is there"
        )
    return NetworkFile(name, path, digest_of(path))


def _head(metric: str) -> Path:
    known = HEADS[metric]
    # Found without importing the package, which would need torchvision.
    spec = find_spec(known.module)
    if spec is None or spec.origin is None:
        raise MissingError(
            f"{metric} is not computed: its trained weights are in the package {known.package}, "
            f"which is not installed: {EXTRA}"
        )
    path = Path(spec.origin).parent / known.path
    if not path.is_file() or digest_of(path) != known.sha256:
        raise MissingError(
            f"{metric} is not computed: {path} is not the file that {known.package} was released "
            f"with (SHA-256 {known.sha256[:12]}...): {EXTRA}"
        )
    return path


def why_missing(metric: str) -> str | None:
    """Return why a perceptual metric cannot be computed here; None where it can, and for others."""
    if metric not in PERCEPTUAL:
        return None
    try:
        find_weights(metric)
    except MissingError as error:
        return str(error)
    return None


def not_computed(metrics: Sequence[str]) -> list[str]:
    """Return a sentence for each of the metrics whose weights are not here."""
    return [why for why in map(why_missing, metrics) if why]


def perceptual_protocol(metrics: Sequence[str]) -> dict[str, Any]:
    """Return the field of a protocol that says through which weights the metrics look.

    Empty where none of `metrics` looks through any, or can be computed.
    """
    found = [name for name in metrics if name in PERCEPTUAL and why_missing(name) is None]
    if not found:
        return {}
    return {"perceptual": {name: find_weights(name).protocol for name in found}}
