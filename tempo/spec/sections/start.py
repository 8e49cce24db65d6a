"""Define where a training starts (`init`: other weights), and what it leaves alone (`freeze`).

A source of weights is named by a text: a variant of the study, a run's id, or a file. So is the
teacher of a distillation. What the text means is found out when the study is planned, and counts
for the identity of a run in place of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, create_model, field_validator

from tempo.spec.options import NOT_RESULT, ListOf, Section

if TYPE_CHECKING:
    FromField = Section
else:
    # `from` is a word of Python's own, which no class body can use as a name.
    FromField = create_model(
        "FromField",
        __base__=Section,
        **{
            "from": (
                str,
                Field(
                    min_length=1,
                    description="where the weights come from: a variant of this study (each seed "
                    "from its own), a run's id, or a file",
                ),
            )
        },
    )


class Init(FromField):
    """The weights that a training starts from, instead of fresh ones.

    Replicate k starts from replicate k of a variant. Parameters are paired by name; what `only`
    leaves out, and what the source does not have in the same shape, starts fresh.
    """

    only: Annotated[tuple[str, ...], ListOf] = Field(
        (), description="names of the parameters or parts to copy, as encoder; none is all"
    )
    strict: bool = Field(
        True,
        json_schema_extra=NOT_RESULT,
        description="whether a parameter that cannot be copied is an error; else it starts fresh",
    )

    @property
    def source(self) -> str:
        """Where the weights come from, as the spec names it."""
        return str(getattr(self, "from"))

    @field_validator("only")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return part_names(value)


def part_names(value: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of parameters or parts, as they were given.

    Raises:
        ValueError: for a name that is empty, or that is given twice.
    """
    for name in value:
        if not all(name.split(".")):
            raise ValueError(f"a part is a name such as encoder or encoder.stages.0, not {name!r}")
        if value.count(name) > 1:
            raise ValueError(f"each part is named once, and {name!r} is named twice")
    return value


def covers(name: str, parameter: str) -> bool:
    """Return whether `name` is a parameter's own name or that of a part which holds it."""
    return parameter == name or parameter.startswith(f"{name}.")


def map_sources(recipe: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """Return a recipe as JSON values with every source of weights replaced by what `change` says.

    Works on whole recipes and on those without the fields at their default.
    """
    out = dict(recipe)
    if init := out.get("init"):
        out["init"] = {**init, "from": change(init["from"])}
    if loss := out.get("loss"):
        out["loss"] = _map_teachers(loss, change)
    if stages := out.get("stages"):
        out["stages"] = [map_sources(each, change) for each in stages]
    return out


def _map_teachers(loss: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    out = dict(loss)
    if loss["kind"] == "distillation":
        out["teacher"] = change(loss["teacher"])
    if loss["kind"] == "sum":
        out["terms"] = [
            {**term, "loss": _map_teachers(term["loss"], change)} for term in loss["terms"]
        ]
    return out


def sources_of(recipe: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the sources of weights that a recipe as JSON values names, each once."""
    found: dict[str, None] = {}

    def note(source: str) -> str:
        found[source] = None
        return source

    map_sources(recipe, note)
    return tuple(found)
