"""From a study's `resources` to what each of its jobs asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tempo.core.errors import SpecError
from tempo.core.jobs import Resources
from tempo.core.torchrun_command import Processes
from tempo.launch.launchers.cluster.site_profile import ClusterSite
from tempo.launch.launchers.ray.job_client import chosen_address
from tempo.launch.launchers.ray.request import RayPolicy
from tempo.launch.launchers.ray.site import RaySite, amounts_of
from tempo.launch.launchers.slurm.script import Placement, SlurmPolicy
from tempo.launch.launchers.slurm.site import Site
from tempo.spec.recipe import Runtime
from tempo.spec.sections.resources import Limits
from tempo.spec.sections.resources import Resources as Wanted

_MEBIBYTES = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a study asks for: `wanted` by its spec, over a `site`'s defaults.

    `ddp` is the number of processes on each node that the command line asks for, 1 for the spec's
    own: a process for each of `gpus_per_run` GPUs, or one on a CPU.
    """

    wanted: Wanted
    limits: Limits
    runtime: Runtime
    site: ClusterSite
    ddp: int = 1

    @classmethod
    def of(cls, spec: Mapping[str, Any], ddp: int = 1, site: ClusterSite | None = None) -> Needs:
        return cls(
            wanted=Wanted.model_validate(dict(spec.get("resources", {}))),
            limits=Limits.model_validate(dict(spec.get("budget", {}))),
            runtime=Runtime.model_validate(dict(spec.get("runtime", {}))),
            site=site or ClusterSite(),
            ddp=ddp,
        )

    def of_method(self, config: Mapping[str, Any]) -> Needs:
        """What a run of this config needs: a reference method trains nothing, so that a second GPU
        or node would idle."""
        if config["method"] == "network":
            return self
        alone = self.wanted.model_copy(update={"nodes": 1, "gpus_per_run": 1})
        return replace(self, wanted=alone, ddp=1)

    @property
    def on_gpus(self) -> bool:
        """Whether runs are given GPUs; `auto` takes one where there is one."""
        return self.runtime.device != "cpu"

    @property
    def processes(self) -> Processes:
        """How each run is spread, but for where its machines meet."""
        own = self.wanted.gpus_per_run if self.on_gpus else 1
        return Processes(per_node=max(self.ddp, own), nodes=self.wanted.nodes)

    @property
    def gpus(self) -> int:
        """GPUs of one run on all its nodes."""
        return self.processes.world if self.on_gpus else 0

    def resources(self) -> Resources:
        """What one job needs, the site's defaults filled in."""
        here = self.processes.per_node
        memory, time = self.wanted.mem or self.site.mem, self.wanted.time or self._slurm.time
        threads = here * (self.runtime.threads + self.runtime.workers)
        return Resources(
            nodes=self.wanted.nodes,
            processes=here,
            gpus_per_node=here if self.on_gpus else 0,
            cpus=self.wanted.cpus or self.site.cpus or threads,
            mem_mb=mebibytes(memory) if memory else None,
            time_s=seconds(time) if time else None,
        )

    @property
    def _slurm(self) -> Site:
        return self.site if isinstance(self.site, Site) else Site()

    def throttle(self, slots: int | None) -> int | None:
        """The most jobs in flight: `slots` bounds them as the spec may."""
        return min((each for each in (self.limits.jobs, slots) if each is not None), default=None)

    def slurm_policy(self, study: str, slots: int | None = None) -> SlurmPolicy:
        """How the study uses a Slurm cluster."""
        site = self._slurm
        return SlurmPolicy(
            study=study,
            placement=Placement(
                partition=self.wanted.partition or site.partition,
                account=self.wanted.account or site.account,
                constraint=self.wanted.constraint or site.constraint,
                gpu_type=site.gpu_type,
                extra={**site.extra, **self.wanted.extra},
            ),
            setup=site.setup,
            throttle=self.throttle(slots),
            notice=site.notice,
            poll=site.poll,
        )

    def ray_policy(
        self, study: str, *, address: str | None = None, runs_per_gpu: int = 1
    ) -> RayPolicy:
        """How the study uses a Ray cluster.

        Raises:
            SpecError: when `resources.extra` holds what is no custom resource.
        """
        site = self.site if isinstance(self.site, RaySite) else RaySite()
        try:
            custom = {**site.resources, **amounts_of(self.wanted.extra)}
        except ValueError as error:
            raise SpecError(f"resources.extra: {error}") from None
        return RayPolicy(
            study=study,
            address=chosen_address(address, site.address),
            directory=site.directory,
            python=site.python,
            setup=site.setup,
            environment=site.environment,
            resources=custom,
            labels=site.labels,
            runs_per_gpu=runs_per_gpu,
            notice=site.notice,
            poll=site.poll,
        )

    def unheeded_by_ray(self) -> str | None:
        """Say which of the study's `resources` Ray has nothing for; None where there is none."""
        names = ("partition", "account", "constraint", "time")
        found = [f"resources.{name}" for name in names if getattr(self.wanted, name) is not None]
        if not found:
            return None
        return (
            f"{', '.join(found)}: Ray has no such thing, so --launcher ray passes over it "
            "(nodes are chosen by `labels` and `resources` in ~/.config/tempo/ray.yaml)"
        )


def mebibytes(text: str) -> int:
    """`32G` in MiB, rounded up; a bare number is MiB, as Slurm has it."""
    unit = text[-1] if text[-1] in _MEBIBYTES else "M"
    return max(round(int(text.rstrip("KMGT")) * _MEBIBYTES[unit] + 0.499), 1)


def seconds(text: str) -> int:
    """Minutes, MM:SS, HH:MM:SS or D-HH:MM(:SS) in seconds, as Slurm reads them."""
    days, dash, clock = text.rpartition("-")
    parts = clock.split(":")
    units = [3_600, 60, 1] if dash or len(parts) == 3 else [60, 1]
    clocked = sum(int(part) * unit for part, unit in zip(parts, units, strict=False))
    return int(days or 0) * 86_400 + clocked
