"""Write what to know before any verdict: that nothing was learned, that checkpoints were chosen by
chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

from tempo.comparison.fitted_study import FittedStudy

Array = npt.NDArray[np.float64]

PSNR = "psnr"
AVERAGING = "average"
"""The reference that a network must beat to have learned anything."""

LEAST_GAIN = 0.02
"""dB of PSNR over averaging, below which a network has learned nothing."""

CHOICE_LEVEL = 0.05
"""The error rate of the warning that validation chose checkpoints by chance."""

LEAST_LOSS = 0.05
"""dB of PSNR on test below which such a choice is not worth a word."""

FEWEST_FREE = 3
"""Degrees of freedom from which on the warning is possible."""

MOST_NAMED = 6


def learned_nothing(study: FittedStudy) -> list[str]:
    """Return the sentence that no trained variant, or which of them, beats averaging.

    Empty where averaging was not judged, or all variants beat it by `LEAST_GAIN`.
    """
    gains = _gains(study)
    flat = {name: gain for name, gain in gains.items() if gain < LEAST_GAIN}
    if not flat:
        return []
    said = "; ".join(f"{name} {gain:+.3f} dB" for name, gain in list(flat.items())[:MOST_NAMED])
    more = f"; and {len(flat) - MOST_NAMED} more" if len(flat) > MOST_NAMED else ""
    if len(flat) == len(gains):
        return [
            f"Learned nothing over averaging: no trained variant beats the mean of the two frames "
            f"by {LEAST_GAIN:g} dB of PSNR ({said}{more}), so verdicts between them say nothing "
            "about the networks."
        ]
    return [
        f"Learned nothing over averaging, by {LEAST_GAIN:g} dB of PSNR at least: {said}{more}; "
        "what is said of the others stands."
    ]


def _gains(study: FittedStudy) -> dict[str, float]:
    """Return the PSNR of each trained variant over averaging, where both were judged alike."""
    sample = study.sample
    average = study.mean(AVERAGING, PSNR) if sample.of(AVERAGING) else None
    if average is None:
        return {}
    protocol = study.hashes.get(AVERAGING)
    found = {
        each.name: study.mean(each.name, PSNR)
        for each in sample.trained
        if study.hashes.get(each.name) == protocol
    }
    return {name: mean - average for name, mean in found.items() if mean is not None}


def chance_of_checkpoints(study: FittedStudy) -> list[str]:
    """Return the sentence that validation chose checkpoints that test ranks lower, or nothing.

    Within each variant, runs whose chosen step came early are compared with those whose came late:
    a regression of test PSNR on the place of that step, with a mean of its own for each variant.
    Where later steps score more on test (one-sided, `CHOICE_LEVEL`), validation preferred the
    contrary of what test says, and its choice adds noise between seeds.
    """
    groups = [np.array(_places(study, each.name)) for each in study.sample.trained]
    groups = [group for group in groups if len(group) > 1]
    loss = loss_by_choice(groups)
    if loss is None:
        return []
    early = sum(int((group[:, 0] < 1).sum()) for group in groups)
    runs = sum(map(len, groups))
    return [
        "The choice of a checkpoint is noise here: validation chose an earlier step than the last "
        f"in {early} of {runs} runs, and among runs of one variant a step chosen half a training "
        f"earlier scores {loss:.2f} dB less on test; `evaluation: {{select: last}}` reports the "
        "last step of every run."
    ]


def loss_by_choice(groups: Sequence[Array]) -> float | None:
    """Return the dB on test that a step chosen half a training earlier costs, or None where that is
    no more than chance.

    `groups`: of each variant the rows (chosen step over all steps, PSNR on test).
    """
    if not groups:
        return None
    places, values = np.concatenate([group - group.mean(axis=0) for group in groups]).T
    free, spread = len(places) - len(groups) - 1, float(places @ places)
    if free < FEWEST_FREE or spread < 1e-9:
        return None
    slope = float(places @ values) / spread
    rest = values - slope * places
    error = float(np.sqrt(rest @ rest / free / spread))
    chance = special.stdtr(free, -slope / error) if error > 0 else float(slope <= 0)
    return slope / 2 if chance <= CHOICE_LEVEL and slope / 2 >= LEAST_LOSS else None


def _places(study: FittedStudy, variant: str) -> list[tuple[float, float]]:
    """Return the chosen step as a share of the training, with the PSNR on test, of each run that
    reports the step that did best on validation."""
    found = []
    for run in study.sample.done(variant):
        value = study.value(run, PSNR)
        steps = run.record.attempts[-1].total_steps if run.record and run.record.attempts else 0
        if run.test and run.test.checkpoint == "best" and value is not None and steps:
            found.append((run.test.step / steps, value))
    return found
