"""Define a Ray cluster's defaults, and read them from `~/.config/tempo/ray.yaml`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from tempo.launch.launchers.cluster.site_profile import ClusterSite, load_profile, profile_path
from tempo.spec.options import ListOf

OWN_OPTIONS = {"CPU": "resources.cpus", "GPU": "resources.gpus_per_run", "memory": "resources.mem"}
"""Resources of Ray that a study asks for by fields of its own."""

VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*\*?$")


class RaySite(ClusterSite):
    """Defaults of a Ray cluster.

    `directory` and `python` are the working directory and the interpreter as nodes see them, where
    they differ from those of the machine that submits. `environment` names variables that jobs
    inherit, `NCCL_*` all that begin so; their values stand in no file of Tempo's.
    """

    address: str | None = Field(None, description="of the cluster, as http://HEAD:8265")
    directory: str | None = Field(None, pattern=r"^/", description="working directory on nodes")
    python: str | None = Field(None, description="the Python with Tempo on nodes")
    environment: Annotated[tuple[str, ...], ListOf] = ()
    resources: dict[str, float] = Field(
        default_factory=dict, description="custom resources of one run, name to amount"
    )
    labels: dict[str, str] = Field(
        default_factory=dict, description="labels that nodes must have, name to value"
    )
    gpu_memory: str | None = Field(
        None,
        pattern=r"^[1-9][0-9]*[KMGT]?$",
        description="of one GPU, as 80G, by which `runs_per_gpu: auto` is decided",
    )
    notice: int = Field(60, ge=1, description="seconds that a job has for its checkpoint")
    poll: float = Field(5.0, gt=0, description="seconds between two looks at the jobs")
    tend: bool = Field(True, description="whether a job on the head tends what was submitted")

    @field_validator("environment")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not VARIABLE.match(name):
                raise ValueError(
                    f"{name!r} names no environment variable: give NAME, or NAME* for all that "
                    "begin so, and never a value"
                )
        return value

    @field_validator("resources")
    @classmethod
    def _amounts(cls, value: dict[str, float]) -> dict[str, float]:
        check_amounts(value)
        return value


def check_amounts(amounts: Mapping[str, float]) -> None:
    """Raise a ValueError for a custom resource that Ray has no room for, or that Tempo sets."""
    for name, amount in amounts.items():
        if name in OWN_OPTIONS:
            raise ValueError(f"{name!r} is set by Tempo, from {OWN_OPTIONS[name]}")
        if not (math.isfinite(amount) and amount > 0):
            raise ValueError(f"the amount of {name!r} is a number above 0, not {amount:g}")
        if amount > 1 and not amount.is_integer():
            raise ValueError(f"the amount of {name!r} is whole above 1, not {amount:g}")


def amounts_of(extra: Mapping[str, str]) -> dict[str, float]:
    """Return a study's `resources.extra` as amounts of custom resources.

    Raises:
        ValueError: naming what is no amount.
    """
    amounts = {}
    for name, text in extra.items():
        try:
            amounts[name] = float(text)
        except ValueError:
            raise ValueError(
                f"{name!r} is {text!r}; with --launcher ray it holds custom resources of nodes and "
                "their amounts, as in `highmem: '1'` (options of sbatch are for --launcher slurm)"
            ) from None
    check_amounts(amounts)
    return amounts


def load_ray_site(path: Path | None = None) -> RaySite:
    """Read the site profile; return the defaults when there is none.

    Raises:
        SpecError: naming the place of everything that breaks a rule.
    """
    return load_profile(RaySite, path or profile_path("ray"))
