"""How a network is trained and judged, and on what it runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tempo.spec.options import ListOf, Options, Section, Slot, kinds, slot_of


class AdamW(Options):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    kind: Literal["adamw"] = "adamw"
    betas: Annotated[tuple[float, float], ListOf] = (0.9, 0.999)
    eps: float = Field(1e-8, gt=0)
    weight_decay: float = Field(1e-4, ge=0, description="not on norms, biases and scales")


OPTIMISERS = kinds("optimiser", AdamW)


class Cosine(Options):
    """Linear warmup, then half a cosine down to `min_lr` at the end of the budget."""

    kind: Literal["cosine"] = "cosine"
    min_lr: float = Field(1e-6, ge=0)


class Constant(Options):
    """Linear warmup, then the peak learning rate to the end."""

    kind: Literal["constant"] = "constant"


SCHEDULES = kinds("learning-rate schedule", Cosine, Constant)


class Charbonnier(Options):
    """mean sqrt(d^2 + eps^2) over pixels and channels (Charbonnier et al. 1994)."""

    kind: Literal["charbonnier"] = "charbonnier"
    eps: float = Field(1e-3, gt=0)


class L1(Options):
    kind: Literal["l1"] = "l1"


LOSSES = kinds("loss", Charbonnier, L1)


class Augment(Section):
    """Random changes of a training clip, the same for all its frames."""

    flips: bool = Field(True, description="horizontal and vertical")
    rot90: bool = False
    time_reversal: bool = Field(True, description="maps t to 1 - t")


class Budget(Section):
    """How long to train. Exactly one field is given.

    An epoch is one pass over the training split; a clip is one training sample seen.
    """

    steps: int | None = Field(None, ge=1)
    epochs: float | None = Field(None, gt=0)
    clips: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _one(self) -> Budget:
        given = [name for name, value in self if value is not None]
        if len(given) != 1:
            said = ", ".join(given) or "none"
            raise ValueError(f"a budget is exactly one of steps, epochs, clips (given: {said})")
        return self


class Recipe(Section):
    """How a network is trained."""

    lr: float = Field(5e-5, gt=0, description="peak learning rate")
    warmup: int = Field(2000, ge=0, description="steps of linear warmup")
    grad_clip: float | None = Field(0.5, gt=0, description="global gradient norm; null is off")
    batch: int = Field(16, ge=1, description="global batch: clips per optimiser step")
    crop: int = Field(256, ge=8, description="side of the square training crop, in pixels")
    budget: Budget
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    optimiser: Annotated[Slot, slot_of(OPTIMISERS)] = AdamW()
    schedule: Annotated[Slot, slot_of(SCHEDULES)] = Cosine()
    loss: Annotated[Slot, slot_of(LOSSES)] = Charbonnier()
    augment: Augment = Augment()


class Evaluation(Section):
    """How a network is judged: the checkpoint is chosen on validation, reported on test."""

    val_every: int = Field(1000, ge=1, description="steps between validations")
    val_clips: int | None = Field(None, ge=1, description="first clips of the split; null is all")
    select: Literal["best", "last"] = "best"
    gallery: int = Field(24, ge=0, description="test clips whose predictions are kept")


class Runtime(Section):
    """On what a run executes. Never part of a run's identity; recorded beside its result."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(1, ge=1, description="CPU threads per run")
    slots: int | None = Field(None, ge=1, description="runs side by side; null is all devices")
    log_every: int = Field(20, ge=1, description="steps between logged training metrics")
    checkpoint_every: int = Field(500, ge=1, description="steps between checkpoints")
