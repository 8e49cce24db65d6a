"""Define the small frozen records that the stages of a study pass to each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Literal

from tempo.core.identity import path_name
from tempo.core.seed_stages import SeedStages

FAILURES = ("oom", "non_finite", "data", "interrupted", "node", "lease", "bug")
"""Classes of failure, as an attempt records them."""


class RunStatus(StrEnum):
    """What is known of a run. `stopped` means resumable: it began, is not running, nor done."""

    PLANNED = "planned"
    RUNNING = "running"
    STOPPED = "stopped"
    COMPLETE = "complete"
    FAILED = "failed"
    PRUNED = "pruned"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricInfo:
    """A named number: its unit, which direction is better, digits to print, its definition, and
    what people call it (`label`; empty: its name in capitals)."""

    name: str
    unit: str
    better: Literal["higher", "lower"]
    digits: int
    definition: str
    label: str = ""

    @property
    def title(self) -> str:
        return self.label or self.name.upper()


def shallow(record: Any) -> dict[str, Any]:
    """Return the fields of a record; `asdict` would also copy all nested values, which is slow."""
    return {each.name: getattr(record, each.name) for each in fields(record)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedVariant:
    """One full assignment of levels.

    `levels` maps factor to level label; `config` is the resolved RunConfig as JSON values;
    `role` is `baseline`, `variant` or `reference`.
    """

    name: str
    role: Literal["baseline", "variant", "reference"]
    levels: Mapping[str, str]
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """Where a run takes trained weights from: another run, or a file with that SHA-256.

    `source` is how the spec names it.
    """

    source: str
    run_id: str | None = None
    sha256: str | None = None

    @property
    def identity(self) -> str:
        """What counts for the id of a run that takes these weights."""
        return self.run_id or self.sha256 or self.source


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """Variant x replicate. `seed` is None for references, which have nothing random.

    `parents` are the runs and files whose weights the run takes.
    """

    run_id: str
    variant: str
    seed: int | None
    parents: tuple[Parent, ...] = ()

    @property
    def title(self) -> str:
        """How people see the run: `<variant> s<seed>`."""
        return self.variant if self.seed is None else f"{self.variant} s{self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTestSet:
    """A further test set that the runs of a study are evaluated on, each once it is complete.

    `title` is what people call the set, `options` its entry in the spec. `runs` are evaluations:
    each is recorded like a run, and the run whose network it judges is its only parent. `methods`
    are methods of others, which stand beside the references on this set.
    """

    name: str
    title: str
    options: Mapping[str, Any]
    runs: tuple[PlannedRun, ...]
    methods: tuple[PlannedVariant, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A combination ruled out, with its reason. `variant` is the name it would have had."""

    levels: Mapping[str, str]
    reason: str
    variant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a spec expands to. Variants are in design order, runs in the order to start them.

    Two variants that differ in nothing that can change a result share their run ids: each has its
    entries in `runs`, and `distinct_runs` names every run to carry out once. With adaptive seeds
    `runs` holds every run that may happen; which of them do, the looks decide. `spec` is the
    resolved StudySpec as JSON values; `spec_hash` is the hash of it. Each of `aliases` is a group
    of effects (`a`, `a:b`) that a fractional design cannot tell apart. `notes` say what was decided
    by measurement, and what is planned only once more is measured. `test_sets` are further sets
    that finished runs are evaluated on, beside the study's own test split.
    """

    study: str
    question: str
    profile: str | None
    source: str
    spec: Mapping[str, Any]
    spec_hash: str
    baseline: str | None
    variants: tuple[PlannedVariant, ...]
    runs: tuple[PlannedRun, ...]
    exclusions: tuple[Exclusion, ...] = ()
    aliases: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    test_sets: tuple[PlannedTestSet, ...] = ()

    def on(self, test_set: str) -> Plan:
        """The plan of the evaluations on a further test set: the same variants, judged there.

        Its runs are recorded like those of any plan, so that they are carried out, followed and
        compared in the same way. KeyError when the plan has no such set.
        """
        found = {each.name: each for each in self.test_sets}[test_set]
        told = {"test_set": dict(found.options)}
        judged = (replace(each, config={**each.config, **told}) for each in self.variants)
        return replace(
            self,
            variants=(*judged, *found.methods),
            runs=found.runs,
            exclusions=(),
            aliases=(),
            notes=(),
            test_sets=(),
        )

    @property
    def profile_name(self) -> str:
        """What files and folders call the profile.

        Raises:
            PathNameError: when the profile's name cannot be part of a path.
        """
        return path_name(self.profile or "default", "profile")

    @property
    def stages(self) -> SeedStages | None:
        """The stages of adaptive seeds; None where every run of the plan is carried out."""
        return SeedStages.of(self.spec.get("seeds"))

    @property
    def distinct_runs(self) -> tuple[PlannedRun, ...]:
        """The runs to carry out: the first entry of each run id."""
        first: dict[str, PlannedRun] = {}
        for run in self.runs:
            first.setdefault(run.run_id, run)
        return tuple(first.values())

    @property
    def evaluations(self) -> tuple[PlannedRun, ...]:
        """The evaluations on all further test sets, each called after its set as well."""
        named: dict[str, PlannedRun] = {}
        for test_set in self.test_sets:
            for run in test_set.runs:
                title = f"{run.variant} on {test_set.title}"
                named.setdefault(run.run_id, replace(run, variant=title))
        return tuple(named.values())

    def variant(self, name: str) -> PlannedVariant:
        """The variant called `name`; KeyError when the plan has none."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise KeyError(name)

    def spec_of(self, run: PlannedRun) -> RunSpec:
        """What a worker needs to carry out `run`."""
        config = self.variant(run.variant).config
        return RunSpec(run_id=run.run_id, seed=run.seed, config=config, parents=run.parents)

    def specs(self) -> Iterator[tuple[PlannedRun, RunSpec]]:
        """Every distinct run with what a worker needs, in time that grows with the runs alone."""
        configs = {variant.name: variant.config for variant in self.variants}
        for run in self.distinct_runs:
            config = configs[run.variant]
            spec = RunSpec(run_id=run.run_id, seed=run.seed, config=config, parents=run.parents)
            yield run, spec

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values. Configs are shared with the plan, not copied."""
        out = shallow(self)
        for name in ("variants", "exclusions"):
            out[name] = [shallow(each) for each in out[name]]
        out["runs"] = [_with_parents(shallow(each)) for each in out["runs"]]
        test_sets = out.pop("test_sets")
        return (
            out | {"test_sets": [_test_set_out(each) for each in test_sets]} if test_sets else out
        )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Plan:
        given = dict(value)
        given["variants"] = tuple(PlannedVariant(**item) for item in value["variants"])
        given["runs"] = tuple(PlannedRun(**_parents_read(item)) for item in value["runs"])
        given["exclusions"] = tuple(Exclusion(**item) for item in value["exclusions"])
        given["aliases"] = tuple(tuple(group) for group in value.get("aliases", ()))
        given["notes"] = tuple(value.get("notes", ()))
        given["test_sets"] = tuple(map(_test_set_read, value.get("test_sets", ())))
        return cls(**given)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """Everything a worker needs to carry out one run: `run.json` in the run's folder.

    `config` is a resolved RunConfig as JSON values (method, arch, data, recipe, evaluation,
    runtime). `parents` are the runs and files whose weights the run takes.
    """

    run_id: str
    seed: int | None
    config: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[Parent, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The spec as JSON values. The config is shared with the spec, not copied."""
        return _with_parents(shallow(self))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RunSpec:
        """The spec that `to_json` wrote."""
        return cls(**_parents_read(value))


def _test_set_out(test_set: PlannedTestSet) -> dict[str, Any]:
    out = shallow(test_set)
    out["runs"] = [_with_parents(shallow(each)) for each in test_set.runs]
    out["methods"] = [shallow(each) for each in test_set.methods]
    return out


def _test_set_read(value: Mapping[str, Any]) -> PlannedTestSet:
    given = dict(value)
    given["runs"] = tuple(PlannedRun(**_parents_read(each)) for each in value["runs"])
    given["methods"] = tuple(PlannedVariant(**each) for each in value["methods"])
    return PlannedTestSet(**given)


def _with_parents(out: dict[str, Any]) -> dict[str, Any]:
    """Write the parents of a run as JSON values; most runs have none, and say nothing of them."""
    parents = out.pop("parents")
    return out | {"parents": [shallow(each) for each in parents]} if parents else out


def _parents_read(value: Mapping[str, Any]) -> dict[str, Any]:
    given = dict(value)
    if "parents" in given:
        given["parents"] = tuple(Parent(**each) for each in given["parents"])
    return given
