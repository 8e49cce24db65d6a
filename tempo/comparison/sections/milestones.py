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


def milestones(runs: Sequence[Run]) -> tuple[Milestone, ...]:
    """Return means over the runs of a variant that noted milestones; epochs first, then stages.

    The plateau that runs note is left out: a comparison has a definition of its own.
    """
    seen: dict[str, list[float]] = {}
    for run in runs:
        notes = [note for note in (run.record.notes if run.record else ()) if note.topic == NOTED]
        # A resumed run may have noted its milestones before: its last note counts.
        for key, value in (notes[-1].values if notes else {}).items():
            if _place(key):
                seen.setdefault(key, []).append(float(value))
    return tuple(
        Milestone(
            name=_name(key),
            value=fmean(seen[key]),
            unit="dB",
            seeds=len(seen[key]),
            place=_place(key),
        )
        for key in sorted(seen, key=_place)
    )


def _place(key: str) -> tuple[int, ...]:
    """Return where a milestone stands among the others; nothing for one that is not shown."""
    if epoch := _AT_EPOCH.fullmatch(key):
        return 0, int(epoch[1])
    if stage := _AT_END.fullmatch(key):
        return 1, int(stage[1])
    return ()


def _name(key: str) -> str:
    kind, number = _place(key)
    return f"PSNR at {'the end of stage' if kind else 'epoch'} {number}"


def borders(sample: Sample, variant: PlannedVariant) -> dict[int, str]:
    """Return the steps after which another stage of training begins, with the stages' names."""
    for run in sample.of(variant.name):
        notes = run.record.notes if run.record else ()
        if found := {note.step: str(note.values["name"]) for note in notes if note.topic == STAGE}:
            return found
    return {}
