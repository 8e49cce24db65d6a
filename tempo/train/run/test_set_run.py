"""Carry out one attempt at an evaluation on a further test set, which is recorded like a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tempo.core.errors import RecordError
from tempo.core.identity import short_hash
from tempo.core.records import Parent
from tempo.records.events import Noted
from tempo.records.layout import load_run
from tempo.records.parent_runs import PARENTS, recorded_weights, unready_parent
from tempo.records.run_record import read_result
from tempo.spec.sections.test_run import TestRunConfig
from tempo.train.evaluation.clip_evaluation import PredictClips
from tempo.train.evaluation.evaluator import Motions
from tempo.train.evaluation.external_methods import of_callable, of_folder
from tempo.train.evaluation.kept_pictures import evenly_spaced
from tempo.train.evaluation.method_evaluation import EvaluationSettings, predictions
from tempo.train.evaluation.methods import Method, of_run, reference
from tempo.train.evaluation.run_evaluation import RunEvaluation, SelectedWeights
from tempo.train.evaluation.test_clips import open_test_clips
from tempo.train.hardware.device import configure, precision
from tempo.train.inference.network_inference import InferenceSettings
from tempo.train.run.attempt import RunContext, announce, is_evaluated
from tempo.train.run.perceptual_metrics import prepare_metrics


def evaluate_on_test_set(context: RunContext, config: TestRunConfig) -> None:
    """Evaluate what is left of a run, a reference or a method of others on a test set.

    Raises:
        StoppedError: when asked to stop; the clips judged so far are kept.
        MissingError: when the set is not here, or a clip or a picture of the method is lacking.
        RecordError: when the run that is judged has no result, or its checkpoint is gone.
    """
    configure(context.device, config.runtime.threads, "fp32")
    with context.stop.at_once():
        method, taken = _method(context, config)
        test = open_test_clips(config.test_set, context.cache)
    digest = str(test.protocol["split_digest"])
    announce(context, 0, 0, {"test": digest}, more={PARENTS: taken} if taken else {})
    if is_evaluated(context):
        return
    metrics = config.evaluation.metrics
    prepare_metrics(config.evaluation, context.journal)
    evaluation = RunEvaluation(
        test=test,
        metrics=metrics,
        gallery=evenly_spaced(range(len(test)), config.evaluation.gallery),
        motions=Motions(context.cache / "motion", digest),
        device=context.device,
        group=context.group,
        folder=context.folder,
        attempt=context.journal.attempt,
    )
    for text in (*test.notes, *_rounding(method)):
        context.journal.emit(Noted(step=0, topic="test set", message=text, lasting=True))
    inference = InferenceSettings(precision("fp32", context.device), None)
    predict = predictions(method, EvaluationSettings(inference=inference, metrics=metrics))
    context.journal.emit(evaluation.run(_weights(context, method, predict), context.stop))
    evaluation.forget()


def _method(context: RunContext, config: TestRunConfig) -> tuple[Method, Mapping[str, str]]:
    """Return what is judged, and by run id the weights that it takes from a run."""
    root = context.folder.parents[1]
    if config.other is not None and config.other.folder:
        return of_folder(Path(config.other.folder), root), {}
    if config.other is not None and config.other.call:
        return of_callable(config.other.call, root), {}
    if config.method != "network":
        return reference(config.method, root), {}
    parent = _judged(context)
    folder = context.folder.parent / str(parent.run_id)
    return of_run(folder, parent.source), {str(parent.run_id): recorded_weights(folder) or ""}


def _judged(context: RunContext) -> Parent:
    """Return the run that is judged.

    Raises:
        RecordError: when the record of this evaluation names none, or it has no result.
    """
    spec = load_run(context.folder)
    if not spec.parents:
        raise RecordError(f"{context.folder}: the record names no run whose network is judged")
    if why := unready_parent(context.folder.parent, spec.parents):
        raise RecordError(f"{context.folder}: {why}")
    return spec.parents[0]


def _weights(context: RunContext, method: Method, predict: PredictClips) -> SelectedWeights:
    """Return how the weights were chosen, as the judged run's own evaluation names them."""
    if method.run_id is None:
        return SelectedWeights(predict, 0, "none", short_hash(dict(method.identity)))
    own = read_result(context.folder.parent / method.run_id).test
    assert own is not None, "a run that is judged has a result"
    return SelectedWeights(predict, own.step, own.checkpoint, own.weights)


def _rounding(method: Method) -> Iterator[str]:
    if method.rounded:
        yield (
            f"the pictures of {method.name} hold 8 bits, so every metric is measured on rounded "
            "predictions"
        )
