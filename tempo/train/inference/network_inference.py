"""Run a network outside training: choose its device, its precision and tiling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tempo.core.errors import SpecError
from tempo.spec.recipe import Runtime
from tempo.train.evaluation.clip_evaluation import Predictor
from tempo.train.evaluation.methods import Method
from tempo.train.hardware.device import available_cores, configure, pick_device
from tempo.train.inference.tiling import Tiling, tiled
from tempo.train.optim.precision import Precision
from tempo.train.optim.precision import precision as make_precision

ARITHMETIC = {
    "fp32": "float32",
    "bf16": "autocast to bfloat16 inside the network",
    "fp16": "autocast to float16 inside the network",
}


@dataclass(frozen=True, slots=True)
class InferenceSettings:
    """The device, precision and tiling that a network is run with."""

    precision: Precision
    tiling: Tiling | None

    @property
    def device(self) -> torch.device:
        return self.precision.device

    @property
    def protocol(self) -> dict[str, Any]:
        """Return the fields of a protocol that these settings decide, as JSON values."""
        return {
            "arithmetic": ARITHMETIC[self.precision.name],
            "tiling": str(self.tiling) if self.tiling else "none",
        }

    @property
    def plain(self) -> bool:
        """Return whether these are the default settings: float32 on whole frames."""
        return self.precision.name == "fp32" and self.tiling is None

    def as_default(self) -> InferenceSettings:
        """Return the default settings on the same device."""
        return InferenceSettings(make_precision("fp32", self.device), None)

    def predictor(self, method: Method) -> Predictor:
        """Load the method on the device and apply these settings."""
        return self.apply(method.load(self.device))

    def apply(self, loaded: Predictor) -> Predictor:
        """Wrap a loaded predictor with the precision and tiling; its pictures are float32."""

        def predict(frames: Tensor, times: Tensor, moment: Tensor) -> Tensor:
            with self.precision.autocast():
                return loaded(frames, times, moment).float()

        return tiled(predict, self.tiling) if self.tiling else predict


def make_inference(
    *,
    device: str = "auto",
    precision: str = "fp32",
    tile: int | None = None,
    overlap: int | None = None,
    threads: int | None = None,
) -> InferenceSettings:
    """Configure the device and return the settings of inference on it.

    Raises:
        MissingError: when the device is not there or cannot honour the precision.
        SpecError: for tiles that do not fit the network's grid.
    """
    if overlap is not None and tile is None:
        raise SpecError("--overlap says how far tiles overlap, so it needs --tile")
    tiling = None if tile is None else Tiling(tile, overlap or max(8, tile // 4 // 8 * 8))
    chosen = pick_device(Runtime.model_validate({"device": device}))
    configure(chosen, threads or available_cores(), precision)
    return InferenceSettings(make_precision(precision, chosen), tiling)
