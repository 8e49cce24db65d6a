"""Define a search's space: assignments of the study's factors, and their configs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tempo.core.catalog import unknown
from tempo.core.config_diff import ABSENT, at_path, diff
from tempo.core.errors import Place, SpecError
from tempo.design.configs import Resolved
from tempo.design.factors import Candidate, Levels
from tempo.design.measurements import Unmeasured
from tempo.design.study_context import StudyContext
from tempo.spec.designs import Range, When
from tempo.spec.load import LoadedStudy
from tempo.spec.search_section import SearchSpec
from tempo.spec.study import RunConfig, result_fields
from tempo.spec.yaml.value_tree import Mapped

Params = Mapping[str, str | float]
"""A level's label, or a value of a range, for each factor that applies."""

PRESET = "arch.preset"
"""A path that a resolved config no longer shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A factor as a search sees it: `levels`, or a `range`."""

    name: str
    paths: tuple[str, ...]
    levels: tuple[str, ...]
    range: Range | None
    when: When

    def applies(self, params: Params) -> bool:
        """Return whether the factor applies beside what was chosen so far."""
        return all(params.get(name) in labels for name, labels in self.when.items())

    def contains(self, value: Any) -> bool:
        """Return whether a value lies in the range."""
        if self.range is None or isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not self.range.low <= value <= self.range.high:
            return False
        steps = (value - self.range.low) / self.range.step if self.range.step else 0.0
        return abs(steps - round(steps)) < 1e-9 and (not self.range.whole or value == int(value))

    def rounded(self, value: float) -> float:
        """Return a drawn value to four significant digits, inside the range."""
        if self.range is None or self.range.whole or self.range.step is not None:
            return value
        return min(max(float(f"{value:.4g}"), self.range.low), self.range.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A valid config, and the labels of its levels as people read them."""

    params: Params
    labels: Mapping[str, str]
    resolved: Resolved
    overlays: tuple[Mapped, ...]
    outside: tuple[str, ...] = ()


class RejectedError(Exception):
    """An assignment that is no variant of the study; the message says why."""


class Space:
    """The factors that a study's search varies, in an order in which conditions come first."""

    def __init__(self, loaded: LoadedStudy) -> None:
        self.loaded = loaded
        assert loaded.spec.search is not None
        self.search: SearchSpec = loaded.spec.search
        study = _study(loaded)
        self.place_of = study.factors.place
        self.place = self.place_of("search")
        names = self._names(study)
        study.problems.raise_any()
        self.parameters = tuple(_parameter(study, name) for name in names)
        self._labelled: dict[tuple[str, str], tuple[Any, ...] | None] = {}

    def _names(self, study: StudyContext) -> list[str]:
        """Return the factors to vary, each after those its condition names."""
        spec = study.spec
        chosen = self.search.space or tuple(spec.factors)
        if not chosen:
            study.add_problem("a search needs `factors` to vary", "search")
        if spec.design:
            study.add_problem("a study has a `design` or a `search`, not both", "design")
        for index, name in enumerate(chosen):
            place = study.factors.place("search", "space", index)
            if name not in spec.factors:
                study.problems.add(unknown("factor", name, spec.factors), place)
                return []
            study.check_beside(name, chosen, place)
        return _ordered({name: set(spec.factors[name].when) for name in chosen}, study)

    def assigned(self, value_of: Callable[[Parameter], str | float]) -> dict[str, str | float]:
        """Return `value_of` each factor that applies beside those before it."""
        params: dict[str, str | float] = {}
        for parameter in self.parameters:
            if parameter.applies(params):
                params[parameter.name] = value_of(parameter)
        return params

    @property
    def base(self) -> Point:
        """Return the study as it is."""
        return self._point(_study(self.loaded), (), {}, ())

    def point(self, params: Params) -> Point:
        """Return the config of an assignment.

        Raises:
            RejectedError: it is excluded, a level does not apply, or the config breaks a rule.
        """
        study = _study(self.loaded)
        levels = tuple(
            self._level(study, parameter, params[parameter.name])
            for parameter in self.parameters
            if parameter.name in params
        )
        applied = study.conditions.applied(levels)
        if applied is None:
            raise RejectedError("a level does not apply beside the others")
        reason = study.conditions.excluded(applied)
        if reason is not None:
            raise RejectedError(f"excluded: {reason}")
        kept = {name: params[name] for name, _ in applied}
        return self._point(study, applied, kept, study.factors.overlays(applied))

    def _level(
        self, study: StudyContext, parameter: Parameter, value: str | float
    ) -> tuple[str, str]:
        if parameter.range is None:
            return parameter.name, str(value)
        number = parameter.rounded(float(value))
        whole = parameter.range.whole
        return study.factors.at(parameter.name, int(number) if whole else number, self.place)

    def _point(
        self, study: StudyContext, levels: Levels, params: Params, overlays: tuple[Mapped, ...]
    ) -> Point:
        resolved = study.configs.resolve(overlays)
        try:
            study.problems.raise_any()
        except SpecError as error:
            raise RejectedError("; ".join(each.message for each in error.problems)) from error
        assert resolved is not None
        return Point(params=dict(params), labels=dict(levels), resolved=resolved, overlays=overlays)

    def variant(self, name: str, place: Place) -> Point:
        """Return a named variant, with its params and the fields in which it is outside the space.

        Raises:
            SpecError: there is none of that name, or its config breaks a rule.
        """
        study = _study(self.loaded)
        candidate: Candidate | None = study.factors.variant(name, place)
        study.problems.raise_any()
        assert candidate is not None
        resolved = study.configs.resolve(candidate.overlays)
        study.problems.raise_any()
        assert resolved is not None
        params, outside = self.project(resolved.config)
        return Point(
            params={} if outside else params,
            labels={} if outside else _labels(params),
            resolved=resolved,
            overlays=candidate.overlays,
            outside=outside,
        )

    def project(self, config: Mapping[str, Any]) -> tuple[Params, tuple[str, ...]]:
        """Return the params under which the space gives `config`, and the fields that still differ.

        Without such fields the config is a point of the space.
        """
        params: dict[str, str | float] = {}
        for parameter in self.parameters:
            if parameter.applies(params):
                value = self._matching(parameter, config)
                if value is None:
                    return params, parameter.paths
                params[parameter.name] = value
        try:
            point = self.point(params)
        except RejectedError:
            return params, tuple(path for each in self.parameters for path in each.paths)
        chosen = result_fields(RunConfig.model_validate(config))
        return params, tuple(sorted(diff(point.resolved.chosen, chosen, ABSENT)))

    def _matching(self, parameter: Parameter, config: Mapping[str, Any]) -> str | float | None:
        if parameter.range is not None:
            value = at_path(config, parameter.paths[0])
            return value if parameter.contains(value) else None
        given = tuple(at_path(config, path) for path in parameter.paths if path != PRESET)
        for label in parameter.levels:
            if self._shown(parameter, label) == given:
                return label
        return None

    def _shown(self, parameter: Parameter, label: str) -> tuple[Any, ...] | None:
        """Return a level's values at the factor's paths; None for a rejected level."""
        key = parameter.name, label
        if key not in self._labelled:
            try:
                config = self.with_level(parameter, label).resolved.config
            except RejectedError:
                self._labelled[key] = None
            else:
                kept = [path for path in parameter.paths if path != PRESET]
                self._labelled[key] = tuple(at_path(config, path) for path in kept)
        return self._labelled[key]

    def with_level(self, parameter: Parameter, label: str) -> Point:
        """Return the study under one level, and what its condition needs.

        Raises:
            RejectedError: this is no variant of the study.
        """
        return self.point({**self._enabling(parameter), parameter.name: label})

    def _enabling(self, parameter: Parameter) -> dict[str, str | float]:
        """Return levels of other factors under which this one applies."""
        out: dict[str, str | float] = {}
        for name, labels in parameter.when.items():
            out[name] = labels[0]
            other = next((each for each in self.parameters if each.name == name), None)
            out |= self._enabling(other) if other else {}
        return out

    @cached_property
    def own(self) -> Params:
        """Return the params of the study as it is, as far as its values are levels of the space."""
        return self.project(self.base.resolved.config)[0]


def _study(loaded: LoadedStudy) -> StudyContext:
    """Return a fresh context for each point, so that points do not share their problems."""
    return StudyContext(loaded, Unmeasured())


def _labels(params: Params) -> dict[str, str]:
    return {k: v if isinstance(v, str) else f"{v:g}" for k, v in params.items()}


def _parameter(study: StudyContext, name: str) -> Parameter:
    factor = study.spec.factors[name]
    return Parameter(
        name=name,
        paths=tuple(sorted(study.factors.paths(name))),
        levels=() if factor.range is not None else factor.labels,
        range=factor.range,
        when=factor.when,
    )


def _ordered(needs: Mapping[str, set[str]], study: StudyContext) -> list[str]:
    """Return the names, each after those it needs; kept in their own order otherwise."""
    done: list[str] = []
    left = list(needs)
    while left:
        ready = next((name for name in left if needs[name] <= set(done)), None)
        if ready is None:
            study.add_problem(f"the conditions of {', '.join(left)} run in a circle", "search")
            return []
        done.append(ready)
        left.remove(ready)
    return done
