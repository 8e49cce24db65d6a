"""Find the milestones of a training in its validations: quality by epoch, and the plateau."""

from __future__ import annotations

from collections.abc import Sequence

from tempo.records.events import Validated

MILESTONE_EPOCHS = (20, 50, 100)
FLAT = 0.05
"""dB: a curve is flat from where it never again gains more than this."""


def milestones(validations: Sequence[Validated]) -> dict[str, float]:
    """Return the PSNR at the first validation from epochs 20, 50 and 100 on, as far as training
    went, and the epoch and PSNR of a plateau that at least two more validations followed."""
    found: dict[str, float] = {}
    for epoch in MILESTONE_EPOCHS:
        reached = next((each for each in validations if each.epoch >= epoch), None)
        if reached is not None:
            found[f"psnr_at_epoch_{epoch}"] = reached.values["psnr"]
    for place, each in enumerate(validations[:-2]):
        later = max(other.values["psnr"] for other in validations[place + 1 :])
        if later - each.values["psnr"] <= FLAT:
            return found | {"plateau_epoch": each.epoch, "plateau_psnr": each.values["psnr"]}
    return found
