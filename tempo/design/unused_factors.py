"""Find factors that vary in no variant of a study."""

from __future__ import annotations

from tempo.design.study_context import StudyContext


def check_factors_are_used(study: StudyContext) -> None:
    """Refuse factors without any design, and note each factor that varies in no variant.

    An empty list of designs that is written out is a choice, as in a profile that trains one
    variant of a study; so is a search, which proposes levels itself.
    """
    if study.spec.search is not None:
        return
    in_variants = {name for each in study.spec.variants.values() for name in each.levels}
    in_designs = {
        name
        for each in study.spec.design
        for name in (*getattr(each, "factors", ()), *getattr(each, "baseline", ()))
    }
    unused = [name for name in study.spec.factors if name not in in_variants | in_designs]
    if not unused:
        return
    if "design" not in study.loaded.tree.entries and not in_variants:
        listed = ", ".join(unused)
        ranges = [name for name in unused if study.spec.factors[name].range is not None]
        kind = "kind: sobol, points: 16" if ranges else "kind: factorial"
        study.add_problem(
            f"there are factors ({listed}) but no `design` that says which of their combinations "
            f"to run; add design: [{{{kind}, factors: [{listed}]}}], or another kind of design",
            "factors",
        )
        return
    study.notes += [
        f"factor {name} is varied by no design and set by no variant, so it changes nothing"
        for name in unused
    ]
