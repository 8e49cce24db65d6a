"""Save and load weight files: a state dict and its ArchSpec, without running pickled code."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tempo.core.config_diff import flatten
from tempo.core.errors import RecordError
from tempo.models.family import TempoNet
from tempo.spec.arch import ArchSpec
from tempo.spec.options import NOT_RESULT

FORMAT = 1


def save_weights(path: Path, net: TempoNet) -> None:
    """Write the weights of `net` and its ArchSpec to `path`."""
    content = {
        "format": FORMAT,
        "arch": net.arch.model_dump(mode="json"),
        "state": net.state_dict(),
    }
    torch.save(content, path)


def load_weights(path: Path, net: TempoNet) -> None:
    """Fill `net` with the weights at `path`, which must be of the same architecture.

    Raises:
        RecordError: when the file is no weights file, or is of another architecture; the message
            names each ArchSpec field that differs.
    """
    saved = _read(path)
    fill(net, saved["state"], saved["arch"], str(path))


def fill(net: TempoNet, state: Mapping[str, Tensor], arch: Mapping[str, Any], source: str) -> None:
    """Fill `net` with `state`, which was saved with the dumped ArchSpec `arch`.

    Raises:
        RecordError: naming each ArchSpec field that differs, or, for equal specs, the tensors.
    """
    differing = differences(arch, net.arch)
    if differing:
        raise RecordError(
            f"{source}: weights are of another architecture:\n  " + "\n  ".join(differing)
        )
    try:
        net.load_state_dict(dict(state))
    except RuntimeError as error:
        raise RecordError(
            f"{source}: the ArchSpec agrees but the tensors do not: {error}"
        ) from error


def differences(saved: Mapping[str, Any], arch: ArchSpec) -> list[str]:
    """Return one line for each differing ArchSpec field that can change a result."""
    recomputed = {
        name
        for name, field in ArchSpec.model_fields.items()
        if field.json_schema_extra == NOT_RESULT
    }
    there, here = (
        {name: value for name, value in flatten(fields).items() if name not in recomputed}
        for fields in (saved, arch.model_dump(mode="json"))
    )
    absent = "(absent)"
    return [
        f"arch.{name}: {there.get(name, absent)} in the file, {here.get(name, absent)} here"
        for name in dict.fromkeys((*there, *here))
        if there.get(name, absent) != here.get(name, absent)
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise RecordError(f"{path}: cannot be read as weights: {error}") from error
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        raise RecordError(f"{path}: not a weights file of format {FORMAT}")
    return saved
