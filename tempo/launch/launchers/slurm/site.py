"""Read a cluster's defaults from the user's site profile, `~/.config/tempo/slurm.yaml`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from tempo.core.errors import Place, SpecError
from tempo.launch.launchers.slurm.script import check_extra
from tempo.spec.options import ListOf, Section
from tempo.spec.yaml.error_text import validate
from tempo.spec.yaml.problems import Problems
from tempo.spec.yaml.strict_yaml import read_tree
from tempo.spec.yaml.value_tree import Mapped, Scalar


class Site(Section):
    """Defaults for what a study's `resources` leave open, and settings of this cluster.

    `setup` are lines of shell run before each run, such as `module load cuda`. `scratch` is a
    node's own disk, on which the data cache is copied once per node; variables are expanded there.
    """

    partition: str | None = None
    account: str | None = None
    constraint: str | None = None
    cpus: int | None = Field(None, ge=1, description="CPUs per node")
    mem: str | None = Field(None, pattern=r"^[1-9][0-9]*[KMGT]?$", description="per node, as 32G")
    time: str | None = Field(
        None,
        pattern=r"^(\d+-)?\d{1,3}(:\d{2}){1,2}$|^\d+$",
        description="limit of one job: minutes, HH:MM:SS or D-HH:MM:SS",
    )
    extra: dict[str, str] = Field(default_factory=dict)
    gpu_type: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_.-]+$", description="a100, where nodes have several kinds"
    )
    device: str | None = Field(None, description="the GPU's name, by which a price is chosen")
    setup: Annotated[tuple[str, ...], ListOf] = ()
    scratch: str | None = None
    notice: int = Field(120, ge=10, description="seconds from the warning to the end of a job")
    poll: float = Field(10.0, gt=0, description="seconds between two looks at the queue")
    patience: float = Field(30.0, gt=0, description="seconds to wait for an answer of Slurm's")

    @field_validator("extra")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        check_extra(value)
        return value


def site_path() -> Path:
    """Return the path of the site profile, below `$XDG_CONFIG_HOME` or `~/.config`."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "tempo/slurm.yaml"


def load_site(path: Path | None = None) -> Site:
    """Read the site profile; return the defaults when there is none.

    Raises:
        SpecError: naming the place of everything that breaks a rule.
    """
    path = path or site_path()
    if not path.is_file():
        return Site()
    tree = read_tree(path.read_text(encoding="utf-8-sig"), str(path))
    if tree is None or (isinstance(tree, Scalar) and tree.value is None):
        return Site()
    if not isinstance(tree, Mapped):
        raise SpecError("a site profile is a mapping of keys to values", Place(str(path), 1, 1))
    problems = Problems()
    site = validate(Site, tree, problems)
    problems.raise_any()
    assert site is not None
    return site
