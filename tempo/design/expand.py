"""Expand a loaded study into its plan: variants, runs and exclusions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tempo.core.catalog import unknown
from tempo.core.counted import listed_up_to
from tempo.core.errors import Place
from tempo.core.identity import folded, short_hash
from tempo.core.records import Exclusion, Plan, PlannedRun, PlannedVariant
from tempo.core.startup import uncollected
from tempo.design.configs import Resolved
from tempo.design.design_kinds import candidates
from tempo.design.factors import Candidate
from tempo.design.measurements import Measured, Unmeasured
from tempo.design.parent_variants import Parents
from tempo.design.priorities import unmatched
from tempo.design.run_cost import (
    affordable_steps,
    budget_in,
    budgets_of,
    run_cost,
    stage_steps,
)
from tempo.design.study_context import StudyContext
from tempo.design.test_sets import planned_test_sets
from tempo.records.prices import Price
from tempo.spec.load import LoadedStudy
from tempo.spec.yaml.problems import Problems
from tempo.spec.yaml.value_tree import change, shown

Variants = Mapping[str, tuple[Candidate, Resolved]]


def expand(loaded: LoadedStudy, measured: Measured | None = None) -> Plan:
    """Return the plan of a study.

    `measured` knows the prices, widths and results that a plan may ask for.

    Raises:
        SpecError: naming the place of every factor, level or variant that breaks a rule, and of
            what asks for a measurement that there is none of.
    """
    with uncollected():
        return _expanded(StudyContext(loaded, measured or Unmeasured()))


def _expanded(study: StudyContext) -> Plan:
    study.problems.raise_any()
    chosen = _Chosen()
    for candidate in candidates(study):
        reason = study.conditions.excluded(candidate.levels)
        if reason is not None:
            chosen.exclude(candidate, reason)
        elif (resolved := study.configs.resolve(candidate.overlays)) is not None:
            chosen.add(candidate, resolved, study.problems)
    _check_budgets(chosen, study)
    study.problems.raise_any()
    baseline = _baseline(chosen, study)
    if study.spec.equal == "gpu_hours":
        control = baseline or next(iter(chosen.variants))
        for name, resolved in equal_hours_configs(chosen.variants, control, study).items():
            chosen.variants[name] = chosen.variants[name][0], resolved
    _references(chosen, study)
    _check_priorities(chosen, study)
    study.problems.raise_any()
    parents = _parents(chosen, study)
    study.problems.raise_any()
    return _plan(study, chosen, baseline, parents)


@dataclass
class _Chosen:
    """The variants kept so far, and the kept variant that each duplicate's name stands for.

    `folded` is the kept names as file systems that ignore upper and lower case take them.
    """

    variants: dict[str, tuple[Candidate, Resolved]] = field(default_factory=dict)
    references: dict[str, Resolved] = field(default_factory=dict)
    by_key: dict[tuple[str, ...], str] = field(default_factory=dict)
    folded: dict[str, str] = field(default_factory=dict)
    alias: dict[str, str] = field(default_factory=dict)
    exclusions: dict[str, Exclusion] = field(default_factory=dict)

    def exclude(self, candidate: Candidate, reason: str) -> None:
        levels = dict(candidate.levels)
        self.exclusions.setdefault(
            candidate.name, Exclusion(levels=levels, reason=reason, variant=candidate.name)
        )

    def add(self, candidate: Candidate, resolved: Resolved, problems: Problems) -> None:
        """Keep a candidate, or record which kept variant has the same config."""
        first = self.by_key.get(resolved.key)
        if first is None and candidate.name in self.variants:
            problems.add(f"two variants are called {candidate.name!r}", candidate.place)
        elif first is None and (alike := self.folded.get(folded(candidate.name))):
            problems.add(
                f"the variants {alike!r} and {candidate.name!r} differ in upper and lower case "
                "alone, so that files named after them would be one on some systems: rename one",
                candidate.place,
            )
        elif first is None:
            self.folded[folded(candidate.name)] = candidate.name
            self.by_key[resolved.key] = candidate.name
            self.variants[candidate.name] = candidate, resolved
        elif first != candidate.name:
            self.alias[candidate.name] = first
            self.exclude(candidate, f"the same config as {first!r}")
        elif not (kept := self.variants[first][0]).levels:
            self.variants[first] = replace(kept, levels=candidate.levels), resolved


def _check_budgets(chosen: _Chosen, study: StudyContext) -> None:
    """Check that every trained variant has the first one's budget, in the unit of `equal`."""
    unit = study.spec.equal
    if unit == "gpu_hours":
        return
    first: tuple[str, float | None] | None = None
    for name, (candidate, resolved) in chosen.variants.items():
        if unit is None or resolved.method != "network":
            continue
        amount = budget_in(resolved.config["recipe"], unit)
        first = first or (name, amount)
        if amount is None or amount != first[1]:
            told = " and ".join(
                f"{value:g} {key}"
                for budget in budgets_of(resolved.config["recipe"])
                for key, value in budget.items()
                if value is not None
            )
            wanted = "" if first[1] is None else f" like {first[0]!r} ({first[1]:g} {unit})"
            message = f"`equal: {unit}` needs a budget in {unit}{wanted}; {name!r} has {told}"
            study.problems.add(message, candidate.place)


def equal_hours_configs(
    variants: Variants, control: str, study: StudyContext
) -> dict[str, Resolved]:
    """Return the trained variants' configs with as many steps as cost what `control` costs.

    `control` keeps its own budget. Schedules follow the budget, so each anneals to its end.
    """
    trained = {name: each for name, each in variants.items() if each[1].method == "network"}
    place = study.factors.place("equal")
    prices = _prices(trained, place, study)
    if prices is None or control not in trained:
        return {}
    hours = run_cost(trained[control][1].config, prices[control]).device_hours
    out: dict[str, Resolved] = {}
    told = []
    for name, (candidate, resolved) in trained.items():
        steps = affordable_steps(resolved.config, prices[name], hours)
        if name == control:
            steps = run_cost(resolved.config, prices[name]).steps
        elif steps is None:
            message = f"{hours:.3g} device-hours, as {control!r} has, pay for no step of {name!r}"
            study.problems.add(message, place)
            continue
        else:
            price = prices[name]
            later = sum(stage_steps(resolved.config, price.train_clips, price.stage_clips)[1:])
            if later >= steps:
                message = f"{name!r} has {later} steps in its later stages, of {steps} that"
                study.problems.add(f"{message} {hours:.3g} device-hours pay for", place)
                continue
            found = study.configs.resolve(
                (*candidate.overlays, change("recipe.budget", {"steps": steps - later}, place))
            )
            out |= {name: found} if found else {}
        told.append(f"{name} {steps:,} steps")
    study.notes.append(
        f"equal device-hours: {hours:.3g} on {prices[control].device}, as {control!r} takes by its "
        f"own budget: {', '.join(told)}"
    )
    return out


def _prices(variants: Variants, place: Place, study: StudyContext) -> dict[str, Price] | None:
    prices = {name: study.measured.price(one.config) for name, (_, one) in variants.items()}
    found = {name: price for name, price in prices.items() if price is not None}
    missing = [name for name in variants if name not in found]
    if missing:
        if not study.measured.pricing:
            message = f"`equal: gpu_hours` needs the price of {_listed(missing)}"
            study.problems.add(f"{message}: plan with --price, which measures it", place)
        return None
    devices = {price.device for price in found.values()}
    if len(devices) > 1:
        message = f"prices are of several devices ({', '.join(sorted(devices))})"
        study.problems.add(f"{message}; `equal: gpu_hours` needs them of one: --reprice", place)
        return None
    return found


def _listed(names: list[str]) -> str:
    return listed_up_to(5, list(map(repr, names)))


def _baseline(chosen: _Chosen, study: StudyContext) -> str | None:
    name = study.spec.baseline
    if name is None:
        return None
    kept = name if name in chosen.variants else chosen.alias.get(name, name)
    if kept not in chosen.variants:
        known = _shortened([*chosen.variants, *chosen.alias])
        message = unknown("baseline", name, known)
        if name in chosen.exclusions:
            message = f"baseline {shown(name)} is excluded: {chosen.exclusions[name].reason}"
        study.add_problem(message, "baseline")
    return kept


def _shortened(names: Sequence[str], limit: int = 40) -> Sequence[str]:
    return names if len(names) <= limit else [*names[:limit], f"and {len(names) - limit} more"]


def _references(chosen: _Chosen, study: StudyContext) -> None:
    """Add the methods without weights, evaluated on the study's own data."""
    place = study.factors.place("references")
    for name in study.spec.references:
        if name in chosen.variants:
            study.problems.add(f"a variant is called {name!r}, like a reference", place)
        resolved = study.configs.resolve((change("method", name, place),))
        if resolved is not None:
            chosen.references[name] = resolved


def _parents(chosen: _Chosen, study: StudyContext) -> Parents:
    """Find out what the variants start from."""
    configs = {name: resolved for name, (_, resolved) in chosen.variants.items()}
    places = {name: candidate.place for name, (candidate, _) in chosen.variants.items()}
    return Parents(study, configs | chosen.references, chosen.alias, places)


def _check_priorities(chosen: _Chosen, study: StudyContext) -> None:
    """Check that every name and pattern of `priority` is that of a planned variant."""
    names = [*chosen.variants, *chosen.alias, *chosen.references]
    for pattern, problem in unmatched(study.spec.priority, names):
        study.problems.add(problem, study.factors.place("priority", pattern))


def _plan(study: StudyContext, chosen: _Chosen, baseline: str | None, parents: Parents) -> Plan:
    spec = study.spec.model_dump(mode="json")
    variants = [
        PlannedVariant(
            name=name,
            role="baseline" if name == baseline else "variant",
            levels=dict(candidate.levels),
            config=resolved.config,
        )
        for name, (candidate, resolved) in chosen.variants.items()
    ]
    references = [
        PlannedVariant(name=name, role="reference", levels={}, config=resolved.config)
        for name, resolved in chosen.references.items()
    ]
    configs = {name: resolved for name, (_, resolved) in chosen.variants.items()}
    configs |= chosen.references
    runs = tuple(_runs(configs, study.spec.seeds, parents))
    test_sets = tuple(planned_test_sets(study, list(chosen.variants), runs))
    study.problems.raise_any()
    return Plan(
        study=study.spec.study,
        question=study.spec.question,
        profile=study.loaded.profile,
        source=study.loaded.source,
        spec=spec,
        spec_hash=short_hash(spec),
        baseline=baseline,
        variants=(*variants, *references),
        runs=runs,
        exclusions=tuple(chosen.exclusions.values()),
        aliases=tuple(study.aliases),
        notes=tuple(study.notes),
        test_sets=test_sets,
    )


def _runs(
    configs: Mapping[str, Resolved], seeds: Sequence[int], parents: Parents
) -> Iterator[PlannedRun]:
    """Yield the runs in the order to start them: references, then replicate by replicate.

    So an early stop leaves whole blocks. Within a replicate, a variant follows those that it starts
    from. Variants that agree in all that can change a result get equal run ids.
    """
    for name, one in configs.items():
        if one.method != "network":
            yield PlannedRun(run_id=parents.run_id(name, None), variant=name, seed=None)
    for seed in seeds:
        for name in parents.order:
            yield PlannedRun(
                run_id=parents.run_id(name, seed),
                variant=name,
                seed=seed,
                parents=parents.parents(name, seed),
            )
