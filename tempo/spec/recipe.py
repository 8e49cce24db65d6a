"""Define how a network is trained and evaluated, and on which devices it runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from tempo.core.plugins.parts import names_of
from tempo.spec.data import DATASETS
from tempo.spec.losses import LOSSES, Charbonnier, FrozenWeights
from tempo.spec.metrics import DEFAULT_METRICS, METRIC_INFOS, METRIC_TABLE, check_validated
from tempo.spec.options import (
    MOST_CLIPS,
    MOST_PIXELS,
    MOST_STEPS,
    NOT_RESULT,
    ListOf,
    Options,
    Section,
    Slot,
    check_untils,
    kinds,
    slot_of,
)
from tempo.spec.sections.start import Init, part_names
from tempo.spec.sections.test_sets import OneMethod, OneTestSet


class AdamW(Options):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    kind: Literal["adamw"] = "adamw"
    betas: Annotated[tuple[float, float], ListOf] = Field(
        (0.9, 0.999), description="decay of the mean gradient and of its mean square"
    )
    eps: float = Field(1e-8, gt=0, description="added to the root of the mean square")
    weight_decay: float = Field(1e-4, ge=0, description="not on norms, biases and scales")


class ScheduleFreeAdamW(Options):
    """AdamW that averages its iterates instead of lowering the learning rate (Defazio et al. 2024).

    Needs the package `schedulefree`. Evaluation uses the averaged weights. Meant for
    `schedule: constant`; the warmup stays.
    """

    kind: Literal["schedule_free"] = "schedule_free"
    betas: Annotated[tuple[float, float], ListOf] = Field(
        (0.9, 0.999),
        description="interpolation of iterate and average, and decay of the mean square",
    )
    eps: float = Field(1e-8, gt=0, description="added to the root of the mean square")
    weight_decay: float = Field(1e-4, ge=0, description="not on norms, biases and scales")


OPTIMISERS = kinds("optimiser", AdamW, ScheduleFreeAdamW)


class Cosine(Options):
    """Linear warmup, then half a cosine down to `min_lr` at the end of the budget."""

    kind: Literal["cosine"] = "cosine"
    min_lr: float = Field(1e-6, ge=0, description="learning rate at the end of the budget")


class Constant(Options):
    """Linear warmup, then the peak learning rate to the end."""

    kind: Literal["constant"] = "constant"


class StepDecay(Options):
    """Linear warmup, then times `factor` at each of `at` (fractions of the budget)."""

    kind: Literal["step"] = "step"
    at: Annotated[tuple[float, ...], ListOf] = Field(
        (0.5, 0.75, 0.9), description="fractions of the budget, rising"
    )
    factor: float = Field(0.5, gt=0, lt=1, description="what the learning rate is multiplied by")

    @model_validator(mode="after")
    def _rising(self) -> StepDecay:
        if list(self.at) != sorted(set(self.at)) or not all(0 < part < 1 for part in self.at):
            raise ValueError(f"`at` is rising fractions between 0 and 1, not {list(self.at)}")
        return self


class OneCycle(Options):
    """Half a cosine up from lr / `start` over the warmup steps, and half a cosine down to
    lr / `end` over the rest (Smith and Topin 2019)."""

    kind: Literal["one_cycle"] = "one_cycle"
    start: float = Field(25.0, gt=1, description="the peak over the first learning rate")
    end: float = Field(1e4, gt=1, description="the peak over the last learning rate")


SCHEDULES = kinds("learning-rate schedule", Cosine, Constant, StepDecay, OneCycle)


class Augment(Section):
    """Random changes of a training clip, the same for all its frames."""

    flips: bool = Field(True, description="horizontal and vertical")
    rot90: bool = Field(False, description="turns by a quarter")
    time_reversal: bool = Field(True, description="maps t to 1 - t")
    channel_shuffle: bool = Field(False, description="a random order of the colour channels")


class Budget(Section):
    """How long to train. Exactly one field is given.

    An epoch is one pass over the training split; a clip is one training sample seen.
    """

    steps: int | None = Field(None, ge=1, le=MOST_STEPS, description="optimiser steps")
    epochs: float | None = Field(None, gt=0, le=1e6, description="passes over the training split")
    clips: int | None = Field(None, ge=1, le=10**12, description="training samples seen")

    @model_validator(mode="after")
    def _one(self) -> Budget:
        given = [name for name, value in self if value is not None]
        if len(given) != 1:
            said = ", ".join(given) or "none"
            raise ValueError(f"a budget is exactly one of steps, epochs, clips (given: {said})")
        return self


class CropStage(Section):
    """A smaller training crop until a fraction of the budget is spent."""

    until: float = Field(gt=0, lt=1, description="fraction of the budget at which the stage ends")
    crop: int = Field(ge=8, le=MOST_PIXELS, description="side of the crop in this stage, in pixels")


class Stage(Section):
    """A stage of training that follows the one before it. What is not given is as in the recipe.

    The learning rate goes over the stage's own budget, and so do the weights of losses. A stage on
    the same data goes on with the clips that the stages before it have not seen yet.
    """

    name: str = Field(
        "",
        description="what curves and notes call it; empty is its number",
        json_schema_extra=NOT_RESULT,
    )
    budget: Budget = Field(description="how long the stage trains")
    data: Annotated[Slot, slot_of(DATASETS)] | None = Field(
        None, description="what is trained on; validation and test stay those of the study"
    )
    loss: Annotated[Slot, slot_of(LOSSES)] | None = Field(None, description="what is minimised")
    crop: int | None = Field(
        None, ge=8, le=MOST_PIXELS, description="side of the training crop, in pixels"
    )
    lr: float | None = Field(None, gt=0, le=1000, description="peak learning rate")
    warmup: int = Field(0, ge=0, le=MOST_STEPS, description="steps of linear warmup")
    schedule: Annotated[Slot, slot_of(SCHEDULES)] | None = Field(
        None, description="how the learning rate goes over the stage"
    )
    optimiser: Literal["keep", "fresh"] = Field(
        "keep", description="whether the optimiser's state goes on or starts afresh"
    )


class Guard(Section):
    """What happens when training goes wrong.

    A step whose loss or gradient is not finite is always skipped. After `strikes` such steps in a
    row the policy acts: `rollback` returns to the last checkpoint with the learning rate times
    `lr_factor`, at most `rollbacks` times; `fail` ends the run; `skip` goes on skipping. With
    `divergence: x`, a loss above x times the median of the last `window` losses is a strike too.
    """

    policy: Literal["rollback", "fail", "skip"] = Field(
        "rollback",
        description="what follows from strikes: go back to a checkpoint, end the run, or go on",
    )
    strikes: int = Field(
        3, ge=1, le=MOST_STEPS, description="bad steps in a row before the policy acts"
    )
    lr_factor: float = Field(
        0.5, gt=0, lt=1, description="what a rollback multiplies the learning rate by"
    )
    rollbacks: int = Field(2, ge=0, le=1000, description="most rollbacks of a run")
    divergence: float | None = Field(
        None,
        gt=1,
        description="a loss this many times the median of the last is a strike; null is off",
    )
    window: int = Field(50, ge=5, le=100_000, description="losses that the median is taken over")


class Recipe(Section):
    """How a network is trained."""

    lr: float = Field(5e-5, gt=0, le=1000, description="peak learning rate")
    warmup: int = Field(2000, ge=0, le=MOST_STEPS, description="steps of linear warmup")
    grad_clip: float | None = Field(0.5, gt=0, description="global gradient norm; null is off")
    batch: int = Field(16, ge=1, le=65_536, description="global batch: clips per optimiser step")
    crop: int = Field(
        256, ge=8, le=MOST_PIXELS, description="side of the square training crop, in pixels"
    )
    progressive_crop: Annotated[tuple[CropStage, ...], ListOf] = Field(
        (), description="smaller crops for the first part of the budget, stage by stage"
    )
    budget: Budget
    precision: Literal["fp32", "tf32", "bf16", "fp16", "fp64"] = Field(
        "fp32", description="fp64 is for checks of exactness"
    )
    optimiser: Annotated[Slot, slot_of(OPTIMISERS)] = Field(
        AdamW(), description="what turns gradients into steps"
    )
    schedule: Annotated[Slot, slot_of(SCHEDULES)] = Field(
        Cosine(), description="how the learning rate goes over the budget"
    )
    loss: Annotated[Slot, slot_of(LOSSES)] = Field(Charbonnier(), description="what is minimised")
    augment: Augment = Augment()
    ema: float | None = Field(
        None, gt=0, lt=1, description="decay of averaged weights, then used for every evaluation"
    )
    guard: Guard = Guard()
    init: Init | None = Field(
        None, description="trained weights to start from; null starts from fresh ones"
    )
    freeze: Annotated[tuple[str, ...], ListOf] = Field(
        (), description="parameters or parts that are not trained, by name, as encoder"
    )

    stages: Annotated[tuple[Stage, ...], ListOf] = Field(
        (), description="stages that follow: the recipe itself, with its own budget, is the first"
    )

    @property
    def stage_recipes(self) -> tuple[Recipe, ...]:
        """The recipe of each stage, with what the stage changes; this one's first."""
        first = self.model_copy(update={"stages": ()})
        return (first, *(first.model_copy(update=_changes(each)) for each in self.stages))

    @property
    def stage_names(self) -> tuple[str, ...]:
        """The name of each stage, or its number."""
        given = (each.name for each in self.stages)
        return ("1", *(name or str(number) for number, name in enumerate(given, 2)))

    @field_validator("freeze")
    @classmethod
    def _parts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return part_names(value)

    @model_validator(mode="after")
    def _stages(self) -> Recipe:
        check_untils("progressive_crop", [stage.until for stage in self.progressive_crop])
        return self


def _changes(stage: Stage) -> dict[str, Any]:
    """Return what a stage changes in the recipe; its crop is one, without smaller ones before."""
    names = ("loss", "crop", "lr", "schedule")
    given = {name: getattr(stage, name) for name in names if getattr(stage, name) is not None}
    own = {"budget": stage.budget, "warmup": stage.warmup, "progressive_crop": ()}
    return given | own


class Backbone(FrozenWeights):
    """A file with the published weights of the network that a perceptual metric looks through.

    The file counts by its SHA-256, which is part of the protocol. Nothing is downloaded.
    """


class Evaluation(Section):
    """How a network is judged: the checkpoint is chosen on validation, reported on test.

    `average` and `ensemble` take the last `over` validated checkpoints: the mean of their weights,
    or the mean of their predictions.
    """

    val_every: int = Field(1000, ge=1, le=MOST_STEPS, description="steps between validations")
    val_clips: int | None = Field(
        None, ge=1, le=MOST_CLIPS, description="first clips of the split; null is all"
    )
    select: Literal["best", "last", "average", "ensemble"] = Field(
        "best",
        description="which checkpoints are reported: the best on validation, the last, or several",
    )
    select_by: str = Field(
        "psnr", description="the validation metric by which the best checkpoint is chosen"
    )
    over: int = Field(5, ge=2, le=50, description="checkpoints that average and ensemble use")
    gallery: int = Field(24, ge=0, le=10_000, description="test clips whose predictions are kept")
    metrics: Annotated[tuple[str, ...], ListOf] = Field(
        DEFAULT_METRICS,
        json_schema_extra=NOT_RESULT,
        description="what the test evaluation measures; psnr always is",
    )
    backbones: dict[Literal["alexnet", "vgg16", "pwcnet"], Backbone] = Field(
        {},
        json_schema_extra=NOT_RESULT,
        description="the networks that perceptual metrics look through, as torchvision and "
        "pytorch-pwc write them: a file and its SHA-256 each",
    )
    test_sets: Annotated[tuple[OneTestSet, ...], ListOf] = Field(
        (),
        json_schema_extra=NOT_RESULT,
        description="further test sets, on which every finished run is evaluated",
    )
    methods: Annotated[tuple[OneMethod, ...], ListOf] = Field(
        (),
        json_schema_extra=NOT_RESULT,
        description="methods that are not trained here, evaluated on the further test sets",
    )

    @field_validator("select_by")
    @classmethod
    def _validated(cls, value: str) -> str:
        check_validated(value)
        return value

    @field_validator("metrics")
    @classmethod
    def _known(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """Return the metrics in table order, with psnr and the one that chooses checkpoints."""
        for name in value:
            METRIC_INFOS.get(name)
        always = {"psnr", info.data.get("select_by", "psnr")}
        return tuple(name for name in METRIC_INFOS if name in {*always, *value})

    @property
    def validated(self) -> tuple[str, ...]:
        """The metrics that a validation measures: the usual ones and those of plug-ins."""
        wanted = {self.select_by, *self.metrics}
        own = [name for name in names_of(METRIC_TABLE) if name in wanted]
        return (*DEFAULT_METRICS, *own)


class Runtime(Section):
    """On what a run executes. Never part of a run's identity; recorded beside its result."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto takes a GPU where there is one"
    )
    threads: int = Field(1, ge=1, le=1024, description="CPU threads per run")
    slots: int | None = Field(
        None, ge=1, le=4096, description="runs side by side; null is all devices"
    )
    log_every: int = Field(
        20, ge=1, le=MOST_STEPS, description="steps between logged training metrics"
    )
    checkpoint_every: int = Field(500, ge=1, le=MOST_STEPS, description="steps between checkpoints")
    micro_batch: Literal["auto"] | Annotated[int, Field(ge=1, le=65_536)] = Field(
        "auto", description="clips per backward pass and process; auto halves on lack of memory"
    )
    workers: int = Field(
        0, ge=0, le=256, description="processes that prepare batches; 0 is in the run"
    )
    compile: Literal["off", "default", "regions", "max-autotune"] = Field(
        "off",
        description="compile the network with torch.compile, in this mode; regions compiles equal "
        "blocks once, for runs of one process",
    )
    kernels: Literal["auto", "fused", "plain"] = Field(
        "auto",
        description="fused GPU kernels: auto takes those that agree with the plain form on this "
        "run's shapes, fused demands all of them, plain takes none; a CPU has none",
    )
    profile_steps: Annotated[tuple[int, int], ListOf] | None = Field(
        None, description="first and last step of a recorded profiler trace"
    )
