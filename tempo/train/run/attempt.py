"""Carry out one attempt at a run: prepare or resume it, train, evaluate and record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tempo.core.plugins.description import described
from tempo.core.records import Parent
from tempo.data.cache.splits import SPLITS, Split, SplitName
from tempo.data.open_dataset import open_split
from tempo.metrics.references import REFERENCES
from tempo.models.family import build_model
from tempo.models.network_cost import Cost, count
from tempo.records.events import AttemptStarted, Evaluated, ModelBuilt, Noted
from tempo.records.files import sha256_of
from tempo.records.parent_runs import PARENTS
from tempo.records.run_record import effective
from tempo.spec.networks import Network
from tempo.spec.study import RunConfig
from tempo.train.evaluation.clip_evaluation import Validation, predict_clips
from tempo.train.evaluation.evaluator import Motions
from tempo.train.evaluation.kept_pictures import choose_gallery
from tempo.train.evaluation.run_evaluation import (
    RunEvaluation,
    SelectedWeights,
    SpecTestSplit,
    select_weights,
)
from tempo.train.hardware.compiled_code import compiled_graphs, keep_compiled
from tempo.train.hardware.device import configure, device_name, pick_device, precision
from tempo.train.hardware.fitting_memory import Fitting, FoundBefore
from tempo.train.hardware.fused_kernels import Kernels, choose_kernels
from tempo.train.hardware.process_group import Group
from tempo.train.optim.trainer import Trainer
from tempo.train.run.batch_stream import Horizon, Steps, courses, horizon, open_stages
from tempo.train.run.checkpoints import (
    Checkpoints,
    Resumable,
    newest_sound,
    saved_checkpoints,
    seed_everything,
)
from tempo.train.run.environment_record import check_same_data, host, left_out, order_digest
from tempo.train.run.journal import History, Journal
from tempo.train.run.milestones import milestone_note
from tempo.train.run.parent_weights import ParentWeights, loaded_parents, prepare_network
from tempo.train.run.perceptual_metrics import prepare_metrics
from tempo.train.run.stop_request import StopRequest
from tempo.train.run.teachers import load_teachers
from tempo.train.run.training_loop import Training


@dataclass(frozen=True, slots=True)
class RunContext:
    """The folder, config, processes, journal and stop request of an attempt, and the runs and files
    that the run takes weights from."""

    folder: Path
    cache: Path
    seed: int
    config: RunConfig
    group: Group
    journal: Journal
    stop: StopRequest
    parents: tuple[Parent, ...] = ()

    @property
    def device(self) -> torch.device:
        return pick_device(self.config.runtime, self.group.local_rank)

    def open(self, split: SplitName) -> Split:
        return open_split(self.config.data, split, self.cache)

    def training_splits(self, first: Split) -> list[Split]:
        """Return the training split of each stage; `first` is that of the study's data."""
        return open_stages(self.config, first, self.cache)


def carry_out(context: RunContext) -> None:
    """Train and evaluate what is left of a run.

    Raises:
        StoppedError: when asked to stop; the work so far can be resumed.
        RollBack: when training is to go on from its last checkpoint in a new attempt.
    """
    name = context.config.recipe.precision if context.config.method == "network" else "fp32"
    configure(context.device, context.config.runtime.threads, name)
    if context.config.method == "network":
        _network(context)
    else:
        _reference(context)


def _reference(context: RunContext) -> None:
    with context.stop.at_once():
        test = context.open("test")
    announce(context, 0, 0, {"test": test.digest})
    prepare_metrics(context.config.evaluation, context.journal)
    evaluation = _test(context, test)
    if not is_evaluated(context):
        name = context.config.method
        predict = predict_clips(REFERENCES[name], context.device)
        chosen = SelectedWeights(predict, 0, "none", name)
        context.journal.emit(evaluation.run(chosen, context.stop))
    evaluation.forget()


def _network(context: RunContext) -> None:
    with context.stop.at_once():
        training, evaluation = _prepared(context)
    training.run()
    if not is_evaluated(context):
        chosen = select_weights(training)
        if context.group.leads and (
            note := milestone_note(context.folder, training.trainer.horizon)
        ):
            context.journal.emit(note)
        context.journal.emit(evaluation.run(chosen, context.stop))
    evaluation.forget()


def _prepared(context: RunContext) -> tuple[Training, RunEvaluation]:
    """Prepare the training up to its first step, resumed from the newest sound checkpoint."""
    splits = {name: context.open(name) for name in SPLITS}
    trained_on = context.training_splits(splits["train"])
    plan = horizon(context.config.recipe, *map(len, trained_on))
    evaluation = _test(context, splits["test"])
    found: Resumable = context.group.share(_resumable(context))
    step = found.saved.step if found.saved else 0
    digests: dict[str, str] = {name: split.digest for name, split in splits.items()}
    for name, split in zip(context.config.recipe.stage_names[1:], trained_on[1:], strict=True):
        digests[f"train in stage {name}"] = split.digest
    check_same_data(context.journal.past, digests, step)
    first = splits["train"]
    order = order_digest(first.within(courses(trained_on, plan)[first.digest]), context.seed)
    parents = loaded_parents(context.parents, context.folder.parent)
    kernels = choose_kernels(context.config, context.device, context.group)
    more = kernels.recorded()
    known = _known_to_fit(context)
    if known.micro is not None:
        more["micro_batch"] = known.micro
    announce(context, step, plan.steps, digests, data_order=order, parents=parents, more=more)
    _note_kernels(context, kernels, step)
    prepare_metrics(context.config.evaluation, context.journal)
    for note in left_out(splits, step):
        context.journal.emit(note)
    for problem in found.damaged:
        message = f"{problem}; resumed from step {step} instead"
        context.journal.emit(Noted(step=step, topic="checkpoint", message=message, lasting=True))
    training = _training(context, splits["val"], trained_on, plan, parents, step, known)
    if found.state is not None:
        training.resume(found.state)
    _warm_up(context, training)
    return training, evaluation


def _note_kernels(context: RunContext, kernels: Kernels, step: int) -> None:
    """Record the fused kernels that were left out."""
    for name, why in kernels.left_out.items():
        message = f"the fused kernel {name} is left out, and its plain form used: {why}"
        values = {"kernel": name}
        note = Noted(step=step, topic="kernels", message=message, values=values, lasting=True)
        context.journal.emit(note)


def _found_before(context: RunContext) -> FoundBefore:
    return FoundBefore(context.config, context.cache, context.device, context.group)


def _known_to_fit(context: RunContext) -> History:
    """Return what earlier attempts found to fit into memory, or other runs of the kind."""
    own = context.journal.history
    found: Fitting | None = context.group.share(_found_before(context).read())
    if found is None:
        return own
    micro = found.micro if own.micro is None else min(own.micro, found.micro)
    return replace(own, micro=micro, recomputed=own.recomputed or found.checkpointing)


def _resumable(context: RunContext) -> Resumable:
    if not context.group.leads:
        return Resumable(None, None)
    return newest_sound(
        Checkpoints(context.folder, context.journal.attempt),
        saved_checkpoints(context.journal.past),
    )


def announce(
    context: RunContext,
    step: int,
    total: int,
    digests: Mapping[str, str],
    *,
    data_order: str | None = None,
    parents: Mapping[str, ParentWeights] | None = None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Record that the attempt starts, with the machine, the data and the code it runs with."""
    runtime, recipe = context.config.runtime, context.config.recipe
    environment: dict[str, Any] = {
        **host(),
        "device": device_name(context.device),
        "threads": runtime.threads,
        "world_size": context.group.world,
        "micro_batch": context.journal.history.micro or runtime.micro_batch,
        "compile": runtime.compile,
        "channels_last": True,
        "workers": runtime.workers,
        "batch": recipe.batch,
        "precision": recipe.precision,
        "lr_scale": _lr_scale(context),
        "data": dict(digests),
        "data_order": data_order,
    }
    if context.config.plugins:
        entries = [each.model_dump() for each in context.config.plugins]
        environment["plugins"] = described(entries)
    taken = [each for each in (parents or {}).values() if each.parent.run_id]
    if taken:
        environment[PARENTS] = {str(each.parent.run_id): each.sha256 for each in taken}
    started = AttemptStarted(
        resumed_step=step,
        total_steps=total,
        environment=environment | dict(more or {}),
        afresh=context.journal.afresh,
    )
    context.journal.emit(started)


def _lr_scale(context: RunContext) -> float:
    """Return the factor that roll-backs put on the learning rate. The record says how many there
    were: the checkpoint that training resumes from is older."""
    return float(context.config.recipe.guard.lr_factor**context.journal.history.rollbacks)


def _training(
    context: RunContext,
    val: Split,
    trained_on: Sequence[Split],
    plan: Horizon,
    parents: Mapping[str, ParentWeights],
    step: int,
    known: History,
) -> Training:
    config, seed, group = context.config, context.seed, context.group
    seed_everything(seed)
    model = build_model(config.arch, seed)
    noted = {each.event.message for each in context.journal.past if isinstance(each.event, Noted)}
    teachers, taught = load_teachers(config.recipe, parents, context.folder.parent)
    for note in (*prepare_network(model, config.recipe, parents, step), *taught):
        if note.message not in noted:
            context.journal.emit(note)
    if group.leads and not any(isinstance(each.event, ModelBuilt) for each in context.journal.past):
        context.journal.emit(_cost(config, trained_on[0]))
    trainer = Trainer(
        model,
        config,
        plan,
        precision(config.recipe.precision, context.device),
        group,
        micro=known.micro,
        recomputed=known.recomputed,
        lr_scale=_lr_scale(context),
        teachers=teachers,
    )
    first = min(config.evaluation.val_every, plan.steps)
    limit, attempt = config.evaluation.val_clips, context.journal.attempt
    return Training(
        trainer=trainer,
        config=config,
        steps=Steps(*trained_on, recipe=config.recipe, horizon=plan, seed=seed, group=group),
        validation=Validation(
            val,
            limit,
            context.device,
            group,
            context.folder,
            attempt,
            first,
            config.evaluation.validated,
        ),
        folder=context.folder,
        journal=context.journal,
        stop=context.stop,
    )


def _warm_up(context: RunContext, training: Training) -> None:
    """Find the micro-batch and compile before steps are timed, where that can matter."""
    backward = training.trainer.backward

    def tell(tried: int, halved: int) -> None:
        message = f"a micro-batch of {tried} did not fit into memory; went on with {halved}"
        values = {"from": tried, "to": halved}
        note = Noted(
            step=training.progress.step, topic="oom", message=message, values=values, lasting=True
        )
        context.journal.emit_from_any_rank(note)

    def tell_recomputed() -> None:
        message = "the batch did not fit into memory; activations are recomputed from here on"
        note = Noted(
            step=training.progress.step, topic="checkpointing", message=message, lasting=True
        )
        context.journal.emit_from_any_rank(note)

    backward.tell, backward.tell_recomputed = tell, tell_recomputed
    compiles = context.config.runtime.compile != "off"
    if training.progress.step < len(training.steps) and (compiles or context.device.type == "cuda"):
        if compiles:
            keep_compiled(context.cache, context.device)
        before = compiled_graphs() if compiles else None
        seconds = backward.warm_up(training.steps[training.progress.step])
        if context.group.leads:
            _found_before(context).write(training.trainer.fitting)
        if before is not None:
            graphs = compiled_graphs().since(before)
            message = f"compiling the training step took {seconds:.1f} s ({graphs})"
            values = {"seconds": seconds, "cold": float(graphs.cold)}
            step = training.progress.step
            context.journal.emit(Noted(step=step, topic="compile", message=message, values=values))


def _cost(config: RunConfig, split: Split) -> ModelBuilt:
    """Count parameters and MACs for one clip, the first one where sizes differ."""
    frames, height, width, _ = split[0].frames.shape
    cost = _count(config.arch, frames, height, width)
    return ModelBuilt(parameters=cost.parameters, macs=cost.macs, mac_size=(height, width))


_counted: dict[tuple[object, ...], Cost] = {}
"""What was counted before in this process, by the network and the size."""


def _count(arch: Network, frames: int, height: int, width: int) -> Cost:
    key = type(arch), arch.model_dump_json(), frames, height, width
    if key not in _counted:
        _counted[key] = count(arch, frames=frames, height=height, width=width)
    return _counted[key]


def _test(context: RunContext, split: Split) -> RunEvaluation:
    """Prepare the test evaluation; its gallery is chosen before training begins."""
    config = context.config
    return RunEvaluation(
        test=SpecTestSplit(split.name, split, config.data),
        metrics=config.evaluation.metrics,
        gallery=choose_gallery(split, config.evaluation.gallery),
        motions=Motions(context.cache / "motion", split.judged_digest),
        device=context.device,
        group=context.group,
        folder=context.folder,
        attempt=context.journal.attempt,
    )


def is_evaluated(context: RunContext) -> bool:
    """Return whether an earlier attempt recorded the evaluation, and its table is whole."""

    def look() -> bool:
        done = [each.event for each in effective(context.journal.past)]
        tables = [each for each in done if isinstance(each, Evaluated)]
        paths = [(context.folder / each.table, each.table_sha256) for each in tables]
        return any(path.is_file() and sha256_of(path) == digest for path, digest in paths)

    return bool(context.group.share(look() if context.group.leads else None))
