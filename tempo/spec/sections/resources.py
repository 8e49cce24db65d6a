"""Define what each run of a study may use, and what the study may cost in all."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tempo.spec.options import PATTERN_IN_WORDS, Section


class Resources(Section):
    """What one run gets. Nothing here changes a result, nor a run's identity.

    The fields from `nodes` on are read by the launchers of clusters; `extra` holds further options
    of the cluster's submit command, name to value.
    """

    gpus_per_run: int = Field(1, ge=1, description="GPUs of one run, on each of its nodes")
    runs_per_gpu: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        1, description="small runs that share a GPU; auto goes by the memory in their prices"
    )
    nodes: int = Field(1, ge=1, description="machines of one run")
    cpus: int | None = Field(None, ge=1, description="CPUs per node; null follows runtime.threads")
    mem: str | None = Field(
        None,
        pattern=r"^[1-9][0-9]*[KMGT]?$",
        description="per node, as 32G",
        json_schema_extra={PATTERN_IN_WORDS: "be a size such as 32G (K, M, G or T)"},
    )
    time: str | None = Field(
        None,
        pattern=r"^(\d+-)?\d{1,3}(:\d{2}){1,2}$|^\d+$",
        description="limit of one job: minutes, HH:MM:SS or D-HH:MM:SS",
        json_schema_extra={PATTERN_IN_WORDS: "be minutes, HH:MM:SS or D-HH:MM:SS"},
    )
    partition: str | None = Field(None, description="the cluster's partition (queue)")
    account: str | None = Field(None, description="what the hours are charged to")
    constraint: str | None = Field(None, description="feature that nodes must have")
    extra: dict[str, str] = Field(
        default_factory=dict, description="further options of the submit command, name to value"
    )


class Limits(Section):
    """What a study may cost in all: checked against the price before anything is submitted, and
    against what was spent while it runs."""

    gpu_hours: Annotated[float, Field(gt=0)] | None = Field(
        None, description="device-hours that all runs may take together; null is no limit"
    )
    jobs: int | None = Field(None, ge=1, description="most jobs queued or running at a time")
