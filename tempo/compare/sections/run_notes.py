"""What went wrong in runs that finished all the same, as they noted it."""

from __future__ import annotations

from collections.abc import Sequence

from tempo.compare.comparison import Difference
from tempo.compare.loading.load_runs import Run

TROUBLES = {
    "oom": "memory ran out, so the micro-batch was halved (the global batch stayed as it was)",
    "rollback": "training went back to a checkpoint and went on with a lower learning rate",
    "skipped": "steps were left out because of their loss or gradient",
    "checkpoint": "a damaged checkpoint was passed over and an older one used",
    "data": "clips could not be read and were left out",
    "data_wait": "training waited for its data",
}
"""Topics of notes that bear on fairness, and what they mean."""


def noted(runs: Sequence[Run]) -> list[Difference]:
    """One difference for each kind of trouble that some run met."""
    found = []
    for topic, what in TROUBLES.items():
        seen = {run.planned.title: text for run in runs if (text := _told(run, topic))}
        if seen:
            runs_of = "one run" if len(seen) == 1 else f"{len(seen)} runs"
            said = f"{what[0].upper()}{what[1:]}, in {runs_of}."
            found.append(Difference(field=topic, severity="note", values=seen, sentence=said))
    return found


def _told(run: Run, topic: str) -> str:
    """How often a run noted a topic, and the newest note."""
    notes = [note for note in (run.record.notes if run.record else ()) if note.topic == topic]
    if not notes:
        return ""
    times = f"{len(notes)} times, the last at" if len(notes) > 1 else "at"
    return f"{times} step {notes[-1].step}: {notes[-1].message}"
