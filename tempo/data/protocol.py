"""What a number on a data set means, as data. Numbers of different protocols are never ranked."""

from __future__ import annotations

from typing import Any

from tempo.spec.options import Options


def protocol(
    options: Options, split: str, digest: str, size: tuple[int, int] | None
) -> dict[str, Any]:
    """The protocol of an evaluation, as JSON values; hash it with `tempo.core.identity.short_hash`.

    Args:
        options: of the data set.
        split: which of its splits.
        digest: of that split (`Split.digest`).
        size: (height, width) of its pictures, or None when they differ.
    """
    return {
        "data_set": options.kind,
        "split": split,
        "split_digest": digest,
        "size": list(size) if size else "as stored",
        "colour_space": "RGB as stored, gamma-encoded",
        "data_range": 1.0,
        "prediction": "clamped to [0, 1]; rounded to 8 bit only where a metric says so",
        "padding": "replicate to what the network needs, removed before the metrics",
        "tiling": "none",
        "test_time_augmentation": "none",
        "aggregation": "mean over clips of the value of each clip",
    }
