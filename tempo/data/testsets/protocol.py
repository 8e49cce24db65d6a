"""Describe the evaluation protocol of a data set as JSON values, so that numbers compare.

Numbers of different protocols are never ranked.
"""

from __future__ import annotations

from typing import Any

from tempo.spec.options import Options

SHARED: dict[str, Any] = {
    "colour_space": "RGB as stored, gamma-encoded",
    "data_range": 1.0,
    "prediction": "clamped to [0, 1]; rounded to 8 bit only where a metric says so",
    "padding": "replicate to what the network needs, removed before the metrics",
    "tiling": "none",
    "test_time_augmentation": "none",
    "aggregation": "mean over clips of the value of each clip",
}
"""What all of Tempo's evaluations have in common, unless the evaluator overrides a field."""


def protocol(
    options: Options, split: str, digest: str, size: tuple[int, int] | None
) -> dict[str, Any]:
    """Return the protocol of an evaluation, to be hashed by `tempo.core.identity.short_hash`.

    Args:
        options: of the data set.
        split: which of its splits.
        digest: of that split (`Split.digest`).
        size: (height, width) of its pictures, or None when they differ.
    """
    return _split(options.kind, split, digest, size) | SHARED


def published(
    name: str,
    digest: str,
    size: tuple[int, int] | None,
    *,
    inputs: str,
    transform: str,
    rounding: str,
) -> dict[str, Any]:
    """Return the protocol of a published test set, with the settings of its authors.

    Args:
        name: of the test set.
        digest: of the clips that were found.
        size: (height, width) of the pictures as evaluated, or None when they differ.
        inputs: which frames are shown and which are asked for.
        transform: what is done to stored pictures before anything else.
        rounding: whether published numbers round predictions to 8 bit first.
    """
    laid_down = {"inputs": inputs, "transform": transform, "rounding": rounding}
    return _split(name, "test", digest, size) | laid_down | SHARED


def _split(name: str, split: str, digest: str, size: tuple[int, int] | None) -> dict[str, Any]:
    return {
        "data_set": name,
        "split": split,
        "split_digest": digest,
        "size": list(size) if size else "as stored",
    }
