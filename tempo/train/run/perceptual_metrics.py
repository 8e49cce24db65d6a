"""Prepare the perceptual metrics of a run's test evaluation."""

from __future__ import annotations

from tempo.metrics.perceptual import prepare
from tempo.records.events import Noted
from tempo.spec.recipe import Evaluation
from tempo.train.run.journal import Journal


def prepare_metrics(evaluation: Evaluation, journal: Journal) -> None:
    """Load the networks that perceptual metrics look through, and note those that are not here.

    Before anything is trained, so that nothing goes wrong with them afterwards: a metric without
    its weights is not computed, and the run goes on.
    """
    for sentence in prepare(evaluation.metrics, evaluation.backbones):
        journal.emit(Noted(step=0, topic="metrics", message=sentence, lasting=True))
