"""From a loaded study to its plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tempo.core.catalog import unknown
from tempo.core.identity import short_hash
from tempo.core.records import Exclusion, Plan, PlannedVariant
from tempo.design.configs import Configs, Resolved
from tempo.design.designs import candidates
from tempo.design.factors import Candidate, Factors
from tempo.design.schedule import Work, runs
from tempo.spec.load import LoadedStudy
from tempo.spec.problems import Problems
from tempo.spec.tree import Entry, Mapped, Scalar


def expand(loaded: LoadedStudy) -> Plan:
    """The variants and runs of a study.

    Raises:
        SpecError: naming the place of every factor, level or variant that breaks a rule.
    """
    problems = Problems()
    factors = Factors(loaded, problems)
    problems.raise_any()
    configs = Configs(loaded.tree, problems)
    chosen = _Chosen()
    for candidate in candidates(factors):
        resolved = configs.resolve(candidate.overlays)
        if resolved is not None:
            chosen.add(candidate, resolved, problems)
    baseline = _baseline(chosen, factors)
    _references(chosen, factors, configs)
    problems.raise_any()
    return _plan(loaded, chosen, baseline)


@dataclass
class _Chosen:
    """Variants kept so far, and what each duplicate's name stands for."""

    variants: dict[str, tuple[Candidate, Resolved]] = field(default_factory=dict)
    references: dict[str, Resolved] = field(default_factory=dict)
    by_key: dict[tuple[str, ...], str] = field(default_factory=dict)
    alias: dict[str, str] = field(default_factory=dict)
    exclusions: list[Exclusion] = field(default_factory=list)

    def add(self, candidate: Candidate, resolved: Resolved, problems: Problems) -> None:
        first = self.by_key.get(resolved.key)
        if first is None and candidate.name in self.variants:
            problems.add(f"two variants are called {candidate.name!r}", candidate.place)
        elif first is None:
            self.by_key[resolved.key] = candidate.name
            self.variants[candidate.name] = candidate, resolved
        else:
            self.alias[candidate.name] = first
            reason = f"the same config as {first!r}"
            levels = dict(candidate.levels)
            self.exclusions.append(Exclusion(levels=levels, reason=reason, variant=candidate.name))


def _baseline(chosen: _Chosen, factors: Factors) -> str | None:
    name = factors.spec.baseline
    if name is None:
        return None
    kept = chosen.alias.get(name, name) if name not in chosen.variants else name
    if kept not in chosen.variants and not len(factors.problems):
        message = unknown("baseline", name, _some([*chosen.variants, *chosen.alias]))
        factors.problems.add(message, factors.place("baseline"))
    return kept


def _some(names: Iterable[str], limit: int = 40) -> list[str]:
    names = list(names)
    return names if len(names) <= limit else [*names[:limit], f"and {len(names) - limit} more"]


def _references(chosen: _Chosen, factors: Factors, configs: Configs) -> None:
    """Adds the methods without weights, judged on the study's own data."""
    place = factors.place("references")
    for name in factors.spec.references:
        if name in chosen.variants:
            factors.problems.add(f"a variant is called {name!r}, like a reference", place)
        method = Mapped({"method": Entry(place, Scalar(name, place, name))}, place)
        resolved = configs.resolve((method,))
        if resolved is not None:
            chosen.references[name] = resolved


def _plan(loaded: LoadedStudy, chosen: _Chosen, baseline: str | None) -> Plan:
    spec = loaded.spec.model_dump(mode="json")
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
    work = [Work(name, each.method, each.chosen) for name, (_, each) in chosen.variants.items()]
    work += [Work(name, each.method, each.chosen) for name, each in chosen.references.items()]
    return Plan(
        study=loaded.spec.study,
        question=loaded.spec.question,
        profile=loaded.profile,
        source=loaded.source,
        spec=spec,
        spec_hash=short_hash(spec),
        baseline=baseline,
        variants=(*variants, *references),
        runs=tuple(runs(work, loaded.spec.seeds)),
        exclusions=tuple(chosen.exclusions),
    )
