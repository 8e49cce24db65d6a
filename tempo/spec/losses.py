"""Define the losses that a recipe can name, with their options; tempo.losses computes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from tempo.spec.options import ListOf, Options, OptionsCatalog, Section, Slot, kinds, slot_of


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


LOSSES: OptionsCatalog = kinds(
    "loss", Charbonnier, L1, Laplacian, Edge, Gradient, Census, Frequency, Ssim
)


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


LOSSES.add("sum", Sum)
