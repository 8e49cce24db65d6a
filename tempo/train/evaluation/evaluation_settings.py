"""Define how methods are evaluated, and what a test set offers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from tempo.data.clips import Clip
from tempo.train.evaluation.clip_evaluation import PredictClips, predict_clips
from tempo.train.evaluation.methods import Method
from tempo.train.inference.network_inference import InferenceSettings

ROUNDED = "clamped to [0, 1] and rounded to 8 bit before every metric"


# A published test set, or the test split of a spec. `protocol` is everything that a number on it
# means, as JSON values; `sequences` are clips whose targets follow each other in time.
class TestClips(Protocol):
    """A test set that methods can be evaluated on."""

    @property
    def name(self) -> str: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def protocol(self) -> dict[str, Any]: ...
    def sequences(self) -> list[range]: ...
    def without(self, ids: Collection[str], note: str) -> Self: ...
    def clip_id(self, index: int) -> str: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Clip: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSettings:
    """How methods are evaluated.

    `rounded`: round predictions to 8 bit first; `gallery`: number of predictions kept as pictures;
    `check`: number of clips on which half precision or tiling is compared with float32 on whole
    frames; `motion`: folder of the motion that was estimated of clips."""

    inference: InferenceSettings
    metrics: tuple[str, ...]
    rounded: bool = False
    gallery: int = 24
    check: int = 8
    motion: Path | None = None

    def protocol(self, method: Method) -> dict[str, Any]:
        """Return the fields of the protocol that these settings decide."""
        chosen = self.inference.protocol
        if method.pictures is not None:
            # Nothing is computed here, so there is nothing to choose.
            chosen = self.inference.as_default().protocol
        return chosen | ({"prediction": ROUNDED} if self.rounded or method.rounded else {})


def predictions(method: Method, settings: EvaluationSettings) -> PredictClips:
    """Return the function that predicts clips with `method` under `settings`."""
    device = settings.inference.device
    if method.pictures is not None:
        predict = _stored_pictures(method, device)
    else:
        predict = predict_clips(settings.inference.predictor(method), device)
    if settings.rounded or method.rounded:
        return lambda clips: predict(clips).clamp(0, 1).mul(255).round().div(255)
    return predict


def _stored_pictures(method: Method, device: torch.device) -> PredictClips:
    assert method.pictures is not None
    pictures = method.pictures

    def predict(clips: Sequence[Clip]) -> Tensor:
        return torch.stack([pictures.picture(clip) for clip in clips]).to(device)

    return predict
