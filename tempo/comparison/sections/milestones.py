"""Read what runs noted of their own training: milestones, and where its stages begin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import fmean

from tempo.comparison.evidence import Milestone
from tempo.comparison.loading.load_runs import Run, Sample
from tempo.core.records import PlannedVariant

NOTED = "milestones"
"""The topic of the notes in which runs record points of their own learning curve."""
STAGE = "stage"
"""The topic of the notes in which runs record that a stage of training begins."""
_AT_EPOCH = re.compile(r"psnr_at_epoch_(\d+)")
_AT_END = re.compile(r"psnr_at_end_of_stage_(\d+)")
_PLATEAU = {
    "plateau_epoch": ("plateau from epoch", ""),
    "plateau_psnr": ("PSNR where the plateau begins", "dB"),
}


def milestones(runs: Sequence[Run]) -> tuple[Milestone, ...]:
    """Return means over the runs of a variant that noted milestones; epochs first, then stages."""
    seen: dict[str, list[float]] = {}
    for run in runs:
        notes = [note for note in (run.record.notes if run.record else ()) if note.topic == NOTED]
        # A resumed run may have noted its milestones before: its last note counts.
        for key, value in (notes[-1].values if notes else {}).items():
            if _named(key):
                seen.setdefault(key, []).append(float(value))
    return tuple(
        Milestone(name=name, value=fmean(seen[key]), unit=unit, seeds=len(seen[key]))
        for key in sorted(seen, key=_rank)
        for name, unit in [_named(key) or ("", "")]
    )


def _named(key: str) -> tuple[str, str] | None:
    if epoch := _AT_EPOCH.fullmatch(key):
        return f"PSNR at epoch {epoch[1]}", "dB"
    if stage := _AT_END.fullmatch(key):
        return f"PSNR at the end of stage {stage[1]}", "dB"
    return _PLATEAU.get(key)


def _rank(key: str) -> tuple[int, int]:
    if epoch := _AT_EPOCH.fullmatch(key):
        return 0, int(epoch[1])
    if stage := _AT_END.fullmatch(key):
        return 1, int(stage[1])
    return 2, list(_PLATEAU).index(key)


def borders(sample: Sample, variant: PlannedVariant) -> dict[int, str]:
    """Return the steps after which another stage of training begins, with the stages' names."""
    for run in sample.of(variant.name):
        notes = run.record.notes if run.record else ()
        if found := {note.step: str(note.values["name"]) for note in notes if note.topic == STAGE}:
            return found
    return {}
