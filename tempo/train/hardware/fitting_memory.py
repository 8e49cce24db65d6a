"""Remember what of a batch fits into the memory of a device, for the other runs of a study."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tempo.models.blocks import Chain
from tempo.records.files import write_json
from tempo.spec.data import views_of
from tempo.spec.study import RunConfig
from tempo.train.hardware.device import device_name
from tempo.train.hardware.process_group import Group


@dataclass(frozen=True, slots=True)
class Fitting:
    """What fits: clips a backward pass, and whether activations have to be recomputed for it."""

    micro: int
    checkpointing: bool = False


def recompute(model: nn.Module) -> bool:
    """Let every chain of blocks recompute its activations; returns whether one did not before."""
    chains = [each for each in model.modules() if isinstance(each, Chain)]
    changed = any(not each.checkpointing for each in chains)
    for each in chains:
        each.checkpointing = True
    return changed


def chooses_checkpointing(config: RunConfig) -> bool:
    """Return whether `arch.checkpointing` is `auto`: on where the batch does not fit without."""
    return getattr(config.arch, "checkpointing", False) == "auto"


class FoundBefore:
    """The file that says what fits for runs of one network, recipe and device.

    Runs that differ in their seed or learning rate share it, so a study finds what fits once,
    and all its runs add up their gradients in the same order. Delete the folder to find it anew.
    """

    def __init__(self, config: RunConfig, cache: Path, device: torch.device, group: Group) -> None:
        recipe = config.recipe
        facts: dict[str, Any] = {
            "arch": config.arch.model_dump(mode="json"),
            "views": views_of(config.data),
            "crops": sorted({stage.crop for stage in recipe.stage_recipes}),
            "batch": recipe.batch,
            "loss": [stage.loss.model_dump(mode="json") for stage in recipe.stage_recipes],
            "optimiser": recipe.optimiser.model_dump(mode="json"),
            "precision": recipe.precision,
            "compile": config.runtime.compile,
            "kernels": config.runtime.kernels,
            "processes": group.world,
            "device": device_name(device),
            "memory": _memory_of(device),
            "torch": torch.__version__,
        }
        text = json.dumps(facts, sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.path = cache / "memory" / f"{name}.json"
        self._asked = config.runtime.micro_batch == "auto" and device.type == "cuda"

    def read(self) -> Fitting | None:
        """Return what an earlier run found; None where there is none, or the file is damaged."""
        if not self._asked:
            return None
        with suppress(OSError, ValueError, TypeError, KeyError):
            found = json.loads(self.path.read_text())
            micro, checkpointing = int(found["micro"]), found["checkpointing"] is True
            if micro >= 1:
                return Fitting(micro, checkpointing)
        return None

    def write(self, fitting: Fitting) -> None:
        """Keep what was found. A cache that cannot be written is no reason to stop."""
        if self._asked:
            with suppress(OSError):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                write_json(self.path, asdict(fitting))


def _memory_of(device: torch.device) -> int:
    if device.type != "cuda":
        return 0
    return int(torch.cuda.get_device_properties(device).total_memory)
