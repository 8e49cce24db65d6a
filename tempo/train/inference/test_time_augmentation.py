"""Average a method's predictions of flipped and time-reversed inputs (a self-ensemble)."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from tempo.core.catalog import unknown
from tempo.core.errors import UnknownNameError
from tempo.train.evaluation.clip_evaluation import Predictor

Augmentation = Literal["none", "flips", "flips+reverse"]

FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))
"""The axes that are turned round: none, left and right, up and down, both."""

MEANING: dict[str, str] = {
    "none": "none",
    "flips": "mean of 4 predictions: as given, flipped across, down, and both ways",
    "flips+reverse": (
        "mean of 8 predictions: as given, flipped across, down, and both ways, each forward and "
        "backward in time"
    ),
}
"""What a protocol says of each."""


def check_augmentation(name: str) -> Augmentation:
    """Return a test-time augmentation by its name.

    Raises:
        UnknownNameError: when none is called so.
    """
    for known in get_args(Augmentation):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise UnknownNameError(unknown("test-time augmentation", name, get_args(Augmentation)))


def augmented(predict: Predictor, augmentation: Augmentation) -> Predictor:
    """Wrap `predict` so that it returns the mean over the inputs of an augmentation.

    A prediction for a flipped input is flipped back. Reversed in time, the last frame comes first
    and a time t is 1 - t. Predictions are averaged before they are clamped or rounded.
    """
    if augmentation == "none":
        return predict
    backward = (False, True) if augmentation == "flips+reverse" else (False,)

    def predict_all(frames: Tensor, times: Tensor, moment: Tensor) -> Tensor:
        total: Tensor | None = None
        for reverse in backward:
            order = (frames, times, moment)
            if reverse:
                order = (frames.flip(1), 1 - times.flip(1), 1 - moment)
            for axes in FLIPS:
                out = predict(order[0].flip(axes), *order[1:]).flip(axes)
                total = out if total is None else total.add_(out)
        assert total is not None
        return total.div_(len(backward) * len(FLIPS))

    return predict_all
