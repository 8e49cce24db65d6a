"""Say which clips and which checkpoint the numbers of a comparison are of."""

from __future__ import annotations

from tempo.comparison.loading.load_runs import Sample
from tempo.core.records import MetricInfo
from tempo.spec.verdict import listed


def where_read(sample: Sample, clips: str) -> str:
    """Return of which clips and which checkpoint the numbers are, as a sentence.

    `clips`: what the clips of final evaluations are called.
    """
    at = sample.query.at
    if at.kind == "final":
        chosen = {run.test.checkpoint for run in sample.runs if run.test} - {"none"}
        if chosen == {"last"}:
            return f"{clips}, of the last step of each run"
        if chosen <= {"best"}:
            return f"{clips}, of the checkpoint that each run chose on validation{_by(sample)}"
        return f"{clips}, of the checkpoints that each run's `evaluation.select` names"
    if at.kind == "best-val":
        return (
            "the validation split at each run's best step, which was chosen on these same clips: "
            "an optimistic number"
        )
    steps = [a.total_steps for run in sample.runs if run.record for a in run.record.attempts]
    if steps and at.step is not None and at.step < max(steps):
        return (
            f"the validation split at step {at.step} of {max(steps)}, read mid-schedule: the "
            "learning rate was still high, so these are not final results"
        )
    return f"the validation split at step {at.step}"


def _by(sample: Sample) -> str:
    """Return by which metrics checkpoints were chosen, where some were by another one than psnr."""
    chosen = [each.config.get("evaluation", {}).get("select_by", "psnr") for each in sample.trained]
    if set(chosen) <= {"psnr"}:
        return ""
    infos = {name: info for run in sample.runs if run.test for name, info in run.test.infos.items()}
    titles = [MetricInfo(**infos[name]).title if name in infos else name for name in chosen]
    return f" by {listed(list(dict.fromkeys(titles)))}"
