"""Define the losses that a recipe can name, with their options; tempo.losses computes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from tempo.spec.options import (
    NOT_RESULT,
    PATTERN_IN_WORDS,
    ListOf,
    Options,
    OptionsCatalog,
    Section,
    Slot,
    kinds,
    register,
    slot_of,
)


class Charbonnier(Options):
    """mean sqrt(d^2 + eps^2) over pixels and channels (Charbonnier et al. 1994)."""

    kind: Literal["charbonnier"] = "charbonnier"
    eps: float = Field(
        1e-3, gt=0, description="the difference below which the loss turns from linear to quadratic"
    )


class L1(Options):
    """mean |d| over pixels and channels."""

    kind: Literal["l1"] = "l1"


class Laplacian(Options):
    """L1 between Laplacian pyramids, coarse levels weighing more (Niklaus and Liu 2018)."""

    kind: Literal["laplacian"] = "laplacian"
    levels: int = Field(5, ge=1, le=8, description="fewer on small pictures")


class Edge(Options):
    """Charbonnier that weighs pixels on the target's edges more, by its gradient magnitude."""

    kind: Literal["edge"] = "edge"
    strength: float = Field(
        5.0, ge=0, description="how much more an edge weighs; 0 weighs all pixels alike"
    )
    eps: float = Field(
        1e-3, gt=0, description="the difference below which the loss turns from linear to quadratic"
    )


class Gradient(Options):
    """mean absolute difference of horizontal and vertical differences (Mathieu et al. 2016)."""

    kind: Literal["gradient"] = "gradient"


class Census(Options):
    """Soft Hamming distance of census transforms (Meister et al. 2018, UnFlow)."""

    kind: Literal["census"] = "census"
    radius: int = Field(
        3, ge=1, le=5, description="of the patch in which pixels are compared, in pixels"
    )


class Frequency(Options):
    """mean |difference| of the orthonormal 2-D Fourier coefficients (Fuoli et al. 2021)."""

    kind: Literal["frequency"] = "frequency"


class Ssim(Options):
    """1 - SSIM with a Gaussian window (Wang et al. 2004; Zhao et al. 2017)."""

    kind: Literal["ssim"] = "ssim"
    window: int = Field(11, ge=3, le=21, description="odd side of the window, in pixels")
    sigma: float = Field(
        1.5, gt=0, description="standard deviation of the Gaussian window, in pixels"
    )

    @field_validator("window")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(f"a window has an odd side, not {value}")
        return value


class FrozenWeights(Section):
    """A file of trained weights that a loss looks through, and that stay as they are.

    The file counts by its SHA-256, wherever it lies; a file with another one is refused before
    anything is trained. Nothing is downloaded.
    """

    path: str = Field(
        min_length=1,
        json_schema_extra=NOT_RESULT,
        description="the file, relative to the folder in which the command is given",
    )
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$",
        description="the file's SHA-256, as `sha256sum FILE` prints it",
        json_schema_extra={
            PATTERN_IN_WORDS: "be the 64 hexadecimal digits that `sha256sum FILE` prints"
        },
    )


LayerWeights = dict[str, Annotated[float, Field(gt=0)]]
"""By a layer's name, as relu3_2, what its distance is multiplied by."""

LAYERS: LayerWeights = {f"relu{block}_2": 1.0 for block in range(1, 6)}
"""The layers that are compared where a spec names none; VGG-13, 16 and 19 have them."""


class Perceptual(Options):
    """Distance between the features of a VGG network (Johnson et al. 2016).

    `weights` is a state dict of a VGG network as torchvision names its parameters, with or without
    batch normalisation. Layers are called conv1_1, relu1_1, ..., pool1, conv2_1, ...
    """

    kind: Literal["perceptual"] = "perceptual"
    weights: FrozenWeights = Field(description="the VGG network: a file and its SHA-256")
    layers: LayerWeights = Field(
        LAYERS, min_length=1, description="the layers that are compared, with their weights"
    )
    distance: Literal["l1", "l2"] = Field(
        "l1", description="mean absolute or mean squared difference of the features"
    )


class Style(Options):
    """Squared distance between the Gram matrices of VGG features (Gatys et al. 2016; normalised as
    by Johnson et al. 2016, so that values are small and their weight in a sum is large)."""

    kind: Literal["style"] = "style"
    weights: FrozenWeights = Field(description="the VGG network: a file and its SHA-256")
    layers: LayerWeights = Field(
        LAYERS, min_length=1, description="the layers that are compared, with their weights"
    )


LOSSES: OptionsCatalog = kinds(
    "loss",
    Charbonnier,
    L1,
    Laplacian,
    Edge,
    Gradient,
    Census,
    Frequency,
    Ssim,
    Perceptual,
    Style,
)


class Distillation(Options):
    """Distance from what a trained network, the teacher, predicts of the same frames.

    The teacher stays as it is. It is named as in `recipe.init`: replicate k learns from replicate k
    of a variant. The target's own losses stand beside this one in a `sum`.
    """

    kind: Literal["distillation"] = "distillation"
    teacher: str = Field(
        min_length=1,
        description="the trained network: a variant of this study (each seed learns from its own), "
        "a run's id, or a file written by Tempo",
    )
    loss: Annotated[Slot, slot_of(LOSSES)] = Field(
        L1(), description="the distance between the prediction and the teacher's"
    )

    @field_validator("loss")
    @classmethod
    def _single(cls, value: Options) -> Options:
        if isinstance(value, Sum | Distillation):
            raise ValueError(  # noqa: TRY004 (pydantic gives a ValueError its place)
                f"the distance from a teacher's prediction is a single loss, not {value.kind}"
            )
        return value


register(LOSSES, Distillation)


class Term(Section):
    """One loss of a sum. Its weight is 0 before `start` (a fraction of the budget), then goes from
    `weight` in a line to `final` at the end of the budget."""

    loss: Annotated[Slot, slot_of(LOSSES)] = Field(
        description="the loss: a name or a mapping with its options"
    )
    weight: float = Field(1.0, ge=0, description="what the loss is multiplied by")
    final: float | None = Field(None, ge=0, description="null keeps the weight")
    start: float = Field(
        0.0, ge=0, lt=1, description="fraction of the budget before which the weight is 0"
    )

    @field_validator("loss")
    @classmethod
    def _single(cls, value: Options) -> Options:
        if isinstance(value, Sum):
            raise ValueError(  # noqa: TRY004 (pydantic gives a ValueError its place)
                "a sum of losses has single losses as its terms, not sums"
            )
        return value


class Sum(Options):
    """A weighted sum of losses."""

    kind: Literal["sum"] = "sum"
    terms: Annotated[tuple[Term, ...], ListOf] = Field(
        min_length=1, description="the losses with their weights"
    )

    @field_validator("terms")
    @classmethod
    def _distinct(cls, value: tuple[Term, ...]) -> tuple[Term, ...]:
        names = [term.loss.kind for term in value]
        if len(set(names)) != len(names):
            raise ValueError(f"each loss appears once in a sum (given: {', '.join(names)})")
        return value


register(LOSSES, Sum)


def single_losses(loss: Options) -> tuple[Options, ...]:
    """Return every loss that is computed: the terms of a sum, the distance from a teacher."""
    if isinstance(loss, Sum):
        return tuple(each for term in loss.terms for each in single_losses(term.loss))
    if isinstance(loss, Distillation):
        return (loss, *single_losses(loss.loss))
    return (loss,)


def frozen_files(loss: Options) -> tuple[FrozenWeights, ...]:
    """Return the files of frozen weights that a loss looks through."""
    given = (getattr(each, "weights", None) for each in single_losses(loss))
    return tuple(each for each in given if isinstance(each, FrozenWeights))
