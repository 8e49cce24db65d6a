"""Define StudySpec (a whole study), RunConfig (one run of it) and the run's identity."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator

from tempo.core.identity import short_hash
from tempo.core.jobs import HIGHEST_PRIORITY
from tempo.core.plugins.loading import load_of
from tempo.core.seed_stages import SeedStages
from tempo.spec.arch import ArchSpec
from tempo.spec.data import DATASETS, shortest_side, trained_on
from tempo.spec.designs import Design, Exclude, Factor, Variant
from tempo.spec.methods import Method, Reference
from tempo.spec.networks import NETWORK
from tempo.spec.options import (
    NOT_RESULT,
    PATTERN_IN_WORDS,
    ListOf,
    Options,
    Section,
    Slot,
    slot_of,
)
from tempo.spec.plugins.plugin_list import Plugins
from tempo.spec.recipe import Evaluation, Recipe, Runtime
from tempo.spec.search_section import SearchSpec
from tempo.spec.sections.keep import Keep
from tempo.spec.sections.resources import Limits, Resources
from tempo.spec.sections.start import map_sources
from tempo.spec.seeds import SeedForms, stages_of
from tempo.spec.verdict import VerdictSection

REFERENCES: tuple[Reference, ...] = ("average", "nearest")
"""Methods without weights that every table shows, judged by the same evaluator."""


Priority = Annotated[int, Field(ge=-HIGHEST_PRIORITY, le=HIGHEST_PRIORITY)]


class RunConfig(Section):
    """One fully resolved run, but for its seed.

    A recorded config imports the plug-ins that it names before it is validated.
    """

    plugins: Plugins = Field(
        (),
        json_schema_extra=NOT_RESULT,
        description="modules and files of your own that add parts: blocks, losses, metrics, "
        "networks and others",
    )
    method: Method = Field(
        "network", description="what predicts: the network, or a method without weights"
    )
    arch: Annotated[ArchSpec | Slot, *NETWORK] = Field(
        ArchSpec(), description="the network: a point of the TEMPO family, or one of your own"
    )
    data: Annotated[Slot, slot_of(DATASETS)] = Field(description="what is trained and judged on")
    recipe: Recipe
    evaluation: Evaluation = Evaluation()
    runtime: Runtime = Runtime()

    @model_validator(mode="before")
    @classmethod
    def _import_plugins(cls, value: Any) -> Any:
        load_of(value)
        return value

    @field_validator("recipe")
    @classmethod
    def _crop_fits(cls, value: Recipe, info: ValidationInfo) -> Recipe:
        """Check that training crops can be cut from pictures whose size the spec gives.

        A study as it is written may leave that to its variants.
        """
        data = info.data.get("data")
        if cls is StudySpec or data is None or info.data.get("method") != "network":
            return value
        of_stages = (data, *(stage.data or data for stage in value.stages))
        for learned, stage in zip(of_stages, value.stage_recipes, strict=True):
            side = shortest_side(learned)
            crop = max([stage.crop, *(each.crop for each in stage.progressive_crop)])
            if side is not None and crop > side:
                raise ValueError(
                    f"recipe.crop is {crop}, but training pictures are only {side} pixels on their "
                    f"shorter side (data.size): choose a crop of at most {side}, or a larger size"
                )
        return value

    @property
    def stage_data(self) -> tuple[Options, ...]:
        """The data set of each stage of training; all are judged on what the study's is judged on,
        so that none may train on it."""
        later = (stage.data for stage in self.recipe.stages)
        return (
            self.data,
            *(self.data if each is None else trained_on(each, self.data) for each in later),
        )

    @property
    def datasets(self) -> tuple[Options, ...]:
        """Every data set that the run reads, each once; that of the study is the first."""
        return tuple({each.model_dump_json(): each for each in self.stage_data}.values())


class StudySpec(RunConfig):
    """A whole study, as a human wrote it, after `base` and `profiles` were applied."""

    study: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$",
        description="name of its records and its report; never inherited",
        json_schema_extra={
            PATTERN_IN_WORDS: "be at most 80 letters, digits, `_`, `.` and `-`, without spaces, "
            "and begin with a letter or a digit"
        },
    )
    question: str = Field(
        "", description="what the study asks, first line of its report; never inherited"
    )
    factors: dict[str, Factor] = Field(
        default_factory=dict, description="what is varied: name to factor"
    )
    variants: dict[Annotated[str, Field(min_length=1, max_length=300)], Variant] = Field(
        default_factory=dict, description="named variants: name to levels and fields"
    )
    design: Annotated[tuple[Design, ...], ListOf] = Field(
        (), description="which variants are run; none is the named variants, else the study itself"
    )
    exclude: Annotated[tuple[Exclude, ...], ListOf] = Field(
        (), description="combinations that are left out"
    )
    equal: Literal["steps", "epochs", "clips", "gpu_hours"] | None = Field(
        None, description="the budget that all trained variants share"
    )
    baseline: str | None = Field(None, description="name of the control variant")
    references: Annotated[tuple[Reference, ...], ListOf] = Field(
        REFERENCES, description="methods without weights that stand in every table"
    )
    seeds: Annotated[tuple[int, ...], *SeedForms] = Field(
        (0,), description="replicates of every variant: a count, a list, or as many as it takes"
    )
    priority: dict[Annotated[str, Field(min_length=1, max_length=300)], Priority] = Field(
        default_factory=dict,
        description="which runs take the next slot: a variant's name, or a pattern such as "
        "`se=off *`, to a number; the highest first, 0 without one; never part of a run's identity",
    )
    resources: Resources = Resources()
    budget: Limits = Limits()
    keep: Keep = Keep()
    search: SearchSpec | None = Field(
        None, description="a hyperparameter search over the factors, instead of a design"
    )
    verdict: VerdictSection = VerdictSection()
    laws: Literal["warning", "error", "off"] = Field(
        "warning",
        description="what follows when a part or network of a plug-in breaks a law of networks",
    )

    @property
    def stages(self) -> SeedStages | None:
        """The stages of adaptive seeds; None for a count or a list."""
        return stages_of(self.seeds)

    @field_validator("search")
    @classmethod
    def _races_itself(cls, value: SearchSpec | None, info: ValidationInfo) -> SearchSpec | None:
        if value is not None and stages_of(info.data.get("seeds", ())) is not None:
            raise ValueError(
                "a search has a fixed number of seeds, because it ends hopeless trials itself "
                "(`race`), so `seeds` is a count or a list such as `seeds: 3`; `confirm` says how "
                "many fresh seeds the best trials get"
            )
        return value

    @field_validator("search")
    @classmethod
    def _has_one_priority(cls, value: SearchSpec | None, info: ValidationInfo) -> SearchSpec | None:
        if value is not None and info.data.get("priority"):
            raise ValueError(
                "the trials of a search have no names before they begin, so that `priority` names "
                "none of them; give the whole search a priority by `tempo run --priority N`"
            )
        return value

    @field_validator("verdict")
    @classmethod
    def _measured(cls, value: VerdictSection, info: ValidationInfo) -> VerdictSection:
        """Check that the test evaluation measures what decides."""
        evaluation = info.data.get("evaluation")
        measured = evaluation.metrics if evaluation is not None else value.names
        for name in value.names:
            if name not in measured:
                raise ValueError(
                    f"the rule decides by {name}, which evaluation.metrics does not measure; "
                    f"add it there, or choose one of {', '.join(measured)}"
                )
        return value


IDENTITY_VERSION = 1
"""Raised when a default changes: fields at their default are left out of the identity, so that a
new field with a default that keeps the old behaviour leaves the identity of old runs alone."""


RESULT_SECTIONS: dict[bool, tuple[str, ...]] = {
    True: ("method", "arch", "data", "recipe", "evaluation"),
    False: ("method", "data", "evaluation"),
}
"""Sections that count for the identity, by whether the method is the network. A reference method
has neither weights nor a seed."""


_REQUIRED = object()

NO_PARENTS: Mapping[str, str] = {}
"""Of a run that takes no weights from anywhere."""


@cache
def _counted(section: type[BaseModel]) -> tuple[tuple[str, Any], ...]:
    """Return the fields of a section that can change a result, with their defaults.

    `kind` has none here: the name of a kind always counts.
    """
    out: list[tuple[str, Any]] = []
    for name, info in section.model_fields.items():
        extra = info.json_schema_extra
        if isinstance(extra, dict) and extra.get("changes_result") is False:
            continue
        always = name == "kind" or info.is_required()
        # The very object that validation hands out, not a copy, so that it is known by identity.
        default = info.default_factory() if info.default_factory else info.default  # type: ignore[call-arg]
        out.append((name, _REQUIRED if always else default))
    return tuple(out)


def result_fields(section: BaseModel, dumped: Any = None) -> dict[str, Any]:
    """Return the chosen result-relevant fields as JSON values, without those at their default.

    `dumped` is the section's JSON where the caller has it already.
    """
    chosen: dict[str, Any] = _result(section, dumped or section.model_dump(mode="json"))
    return chosen


def _result(value: Any, dumped: Any) -> Any:
    """Return the part of `dumped` that counts; sections inside lists are reduced as well."""
    if isinstance(value, BaseModel):
        out = {}
        for name, default in _counted(type(value)):
            own = getattr(value, name)
            # A default that nobody wrote is often the very object: comparing it would take longer.
            if own is not default and (default is _REQUIRED or own != default):
                out[name] = _result(own, dumped[name])
        return out
    if isinstance(value, tuple) and any(isinstance(each, BaseModel) for each in value):
        return [_result(each, text) for each, text in zip(value, dumped, strict=True)]
    return dumped


def run_id(
    chosen: Mapping[str, Any],
    method: str,
    seed: int | None,
    parents: Mapping[str, str] = NO_PARENTS,
) -> str:
    """Return the short hash of a config's result fields and a seed.

    `parents` gives what counts for each source of weights: a run's id, or a file's SHA-256.
    """
    network = method == "network"
    kept = {name: chosen[name] for name in RESULT_SECTIONS[network] if name in chosen}
    if parents:
        kept["recipe"] = map_sources(kept["recipe"], lambda source: parents[source])
    counted = seed if network else None
    return short_hash({"version": IDENTITY_VERSION, "config": kept, "seed": counted})


def identity(config: RunConfig, seed: int | None) -> str:
    """Return the run id: a short hash of exactly what can change the result."""
    return run_id(result_fields(config), config.method, seed)
