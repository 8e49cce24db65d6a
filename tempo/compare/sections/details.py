"""What a report shows beyond the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tempo.compare.comparison import Row
from tempo.compare.evidence import (
    BudgetView,
    ClipTable,
    Curve,
    Disagreement,
    GalleryClip,
    Learning,
    Pareto,
    Stratum,
)
from tempo.compare.sections.attribution import attribution
from tempo.compare.sections.budgets import budget_views
from tempo.compare.sections.curves import health_curves, learning_curves
from tempo.compare.sections.factor_effects import effects
from tempo.compare.sections.gallery import disagreements, gallery
from tempo.compare.sections.learning import learning
from tempo.compare.sections.pareto import fronts
from tempo.compare.sections.strata import clip_table, strata
from tempo.compare.statistics.fitted_study import Measured
from tempo.compare.statistics.quantities import Alias, Attribution, Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """The parts that a table leaves out; empty when it was all that was asked for."""

    main_effects: tuple[Effect, ...] = ()
    interactions: tuple[Effect, ...] = ()
    aliases: tuple[Alias, ...] = ()
    attribution: Attribution | None = None
    curves: tuple[Curve, ...] = ()
    health: tuple[Curve, ...] = ()
    learning: tuple[Learning, ...] = ()
    budgets: tuple[BudgetView, ...] = ()
    pareto: tuple[Pareto, ...] = ()
    strata: tuple[Stratum, ...] = ()
    clip_table: ClipTable | None = None
    gallery: tuple[GalleryClip, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()


def full(measured: Measured, table: Sequence[Row]) -> Details:
    """Every part that the records allow."""
    metrics = [info.name for info in measured.infos]
    main, interactions, aliases = effects(measured)
    return Details(
        main_effects=main,
        interactions=interactions,
        aliases=aliases,
        attribution=attribution(measured),
        curves=learning_curves(measured.sample, metrics),
        health=health_curves(measured.sample),
        learning=learning(measured),
        budgets=budget_views(measured, table),
        pareto=fronts(measured, table),
        strata=strata(measured),
        clip_table=clip_table(measured.clips, metrics),
        gallery=gallery(measured),
        disagreements=disagreements(measured),
    )
