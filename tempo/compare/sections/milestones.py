"""Milestones of training as runs note them: PSNR at given epochs, and where a plateau began."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from statistics import fmean

from tempo.compare.evidence import Milestone
from tempo.compare.loading.load_runs import Run

TOPIC = "milestones"

_AT_EPOCH = re.compile(r"psnr_at_epoch_(\d+)")
_PLATEAU = {
    "plateau_epoch": ("plateau from epoch", ""),
    "plateau_psnr": ("PSNR where the plateau begins", "dB"),
}


def milestones(runs: Sequence[Run]) -> tuple[Milestone, ...]:
    """Means over the runs of a variant that noted them; epochs first, in their order."""
    seen: dict[str, list[float]] = {}
    for run in runs:
        for key, value in _newest(run).items():
            if _named(key):
                seen.setdefault(key, []).append(float(value))
    return tuple(
        Milestone(name=name, value=fmean(seen[key]), unit=unit, seeds=len(seen[key]))
        for key in sorted(seen, key=_rank)
        for name, unit in [_named(key) or ("", "")]
    )


def _newest(run: Run) -> Mapping[str, float]:
    """What the last note says: a resumed run may have noted its milestones before."""
    notes = [note for note in (run.record.notes if run.record else ()) if note.topic == TOPIC]
    return notes[-1].values if notes else {}


def _named(key: str) -> tuple[str, str] | None:
    epoch = _AT_EPOCH.fullmatch(key)
    return (f"PSNR at epoch {epoch[1]}", "dB") if epoch else _PLATEAU.get(key)


def _rank(key: str) -> tuple[int, int]:
    epoch = _AT_EPOCH.fullmatch(key)
    return (0, int(epoch[1])) if epoch else (1, list(_PLATEAU).index(key))
