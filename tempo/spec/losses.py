"""The losses a recipe can name, with their options. Sources are in the modules of tempo.losses."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tempo.spec.options import ListOf, Options, OptionsCatalog, Section, Slot, kinds, slot_of


class Charbonnier(Options):
    """mean sqrt(d^2 + eps^2) over pixels and channels (Charbonnier et al. 1994)."""

    kind: Literal["charbonnier"] = "charbonnier"
    eps: float = Field(1e-3, gt=0)


class L1(Options):
    kind: Literal["l1"] = "l1"


LOSSES: OptionsCatalog = kinds("loss", Charbonnier, L1)
