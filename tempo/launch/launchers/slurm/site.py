"""Define a Slurm cluster's defaults, and read them from `~/.config/tempo/slurm.yaml`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from tempo.launch.launchers.cluster.site_profile import ClusterSite, load_profile, profile_path
from tempo.launch.launchers.slurm.script import check_extra


class Site(ClusterSite):
    """Defaults of a Slurm cluster."""

    partition: str | None = None
    account: str | None = None
    constraint: str | None = None
    time: str | None = Field(
        None,
        pattern=r"^(\d+-)?\d{1,3}(:\d{2}){1,2}$|^\d+$",
        description="limit of one job: minutes, HH:MM:SS or D-HH:MM:SS",
    )
    extra: dict[str, str] = Field(default_factory=dict)
    gpu_type: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_.-]+$", description="a100, where nodes have several kinds"
    )
    notice: int = Field(120, ge=10, description="seconds from the warning to the end of a job")

    @field_validator("extra")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        check_extra(value)
        return value


def load_site(path: Path | None = None) -> Site:
    """Read the site profile; return the defaults when there is none.

    Raises:
        SpecError: naming the place of everything that breaks a rule.
    """
    return load_profile(Site, path or profile_path("slurm"))
