"""Read a cluster's defaults from the user's site profile, `~/.config/tempo/LAUNCHER.yaml`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field

from tempo.spec.options import ListOf, Section
from tempo.spec.user.settings_file import load_settings


class ClusterSite(Section):
    """Defaults for what a study's `resources` leave open, and settings that clusters share.

    `setup` are lines of shell run before each run, such as `module load cuda`. `scratch` is a
    node's own disk, on which the data cache is copied once per node; variables are expanded there.
    """

    cpus: int | None = Field(None, ge=1, description="CPUs per node")
    mem: str | None = Field(None, pattern=r"^[1-9][0-9]*[KMGT]?$", description="per node, as 32G")
    device: str | None = Field(None, description="the GPU's name, by which a price is chosen")
    setup: Annotated[tuple[str, ...], ListOf] = ()
    scratch: str | None = None
    poll: float = Field(10.0, gt=0, description="seconds between two looks at the queue")
    patience: float = Field(30.0, gt=0, description="seconds to wait for an answer of the cluster")


Site = TypeVar("Site", bound=ClusterSite)


def profile_variable(launcher: str) -> str:
    """Return the environment variable that may name a launcher's site profile."""
    return f"TEMPO_{launcher.upper()}_PROFILE"


def profile_path(launcher: str) -> Path:
    """Return the path of a launcher's site profile: what TEMPO_RAY_PROFILE (or _SLURM_) names, or
    else below `$XDG_CONFIG_HOME` or `~/.config`."""
    if named := os.environ.get(profile_variable(launcher)):
        return Path(named)
    root = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    return root / "tempo" / f"{launcher}.yaml"


def load_profile(kind: type[Site], path: Path) -> Site:
    """Read a site profile; return the defaults when there is none.

    Raises:
        SpecError: naming the place of everything that breaks a rule.
    """
    if not path.is_file():
        return kind()
    return load_settings(kind, path, "a site profile", "cpus: 8")
