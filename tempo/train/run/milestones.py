"""Find the milestones of a training: quality by epoch and stage, a plateau, borders of stages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tempo.records.events import Noted, Validated
from tempo.records.run_record import read_run
from tempo.spec.recipe import Recipe
from tempo.train.run.batch_stream import Horizon

MILESTONE_EPOCHS = (20, 50, 100)
FLAT = 0.05
"""dB: a curve is flat from where it never again gains more than this."""


def stage_note(recipe: Recipe, horizon: Horizon, step: int) -> Noted:
    """Return the note that a stage begins after `step` steps, with what changes in it."""
    number = horizon.stage(step)
    stage, span, name = recipe.stages[number - 1], horizon.stages[number], recipe.stage_names
    given = {
        "data": stage.data.kind if stage.data else None,
        "loss": stage.loss.kind if stage.loss else None,
        "crop": stage.crop,
        "lr": stage.lr,
        "schedule": stage.schedule.kind if stage.schedule else None,
    }
    changed = {key: value for key, value in given.items() if value is not None}
    told = "".join(f", {key} {value}" for key, value in changed.items())
    message = (
        f"stage {name[number]} begins: {span.steps} steps{told}, {stage.optimiser} optimiser state"
    )
    values = {"stage": number + 1, "name": name[number], "steps": span.steps, **changed}
    return Noted(step=step, topic="stage", message=message, values=values)


def milestone_note(folder: Path, horizon: Horizon) -> Noted | None:
    """Return the note with the milestones of the run in `folder`; None where it passed none."""
    validations = read_run(folder).validations
    found = milestones(validations, horizon.borders)
    if not found:
        return None
    message = ", ".join(f"{name} {value:.4g}" for name, value in found.items())
    return Noted(step=validations[-1].step, topic="milestones", message=message, values=found)


def milestones(validations: Sequence[Validated], borders: Sequence[int] = ()) -> dict[str, float]:
    """Return the PSNR at the first validation from epochs 20, 50 and 100 on, as far as training
    went, that at the end of each stage, which `borders` end, and the epoch and PSNR of a plateau
    that at least two more validations followed."""
    found: dict[str, float] = {}
    for number, border in enumerate(borders, 1):
        at = next((each for each in validations if each.step == border), None)
        if at is not None:
            found[f"psnr_at_end_of_stage_{number}"] = at.values["psnr"]
    for epoch in MILESTONE_EPOCHS:
        reached = next((each for each in validations if each.epoch >= epoch), None)
        if reached is not None:
            found[f"psnr_at_epoch_{epoch}"] = reached.values["psnr"]
    for place, each in enumerate(validations[:-2]):
        later = max(other.values["psnr"] for other in validations[place + 1 :])
        if later - each.values["psnr"] <= FLAT:
            return found | {"plateau_epoch": each.epoch, "plateau_psnr": each.values["psnr"]}
    return found
