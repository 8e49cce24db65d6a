"""A real Slurm or Ray for the tests of a module, where one can be started."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .ray_cluster import URL, RayCluster, running_ray
from .ray_cluster import lacking as lacking_for_ray
from .slurm_cluster import Cluster, lacking, running_cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes on this host; Slurm's commands, called from here, mean them."""
    if reason := lacking():
        pytest.skip(reason)
    with (
        # Short, for munge's socket, and not below pytest's folder, which only its user may enter.
        tempfile.TemporaryDirectory(prefix="tempo-slurm-") as folder,
        running_cluster(Path(folder) / "cluster") as cluster,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        yield cluster


@pytest.fixture(scope="module")
def shared_ray() -> Iterator[RayCluster]:
    """A head and two nodes on this host, in a network of their own that is yet to be entered."""
    if reason := lacking_for_ray():
        pytest.skip(reason)
    with (
        # Short, for Ray's sockets.
        tempfile.TemporaryDirectory(prefix="tempo-ray-") as folder,
        # As long as any job here may wait for its turn on a busy machine.
        running_ray(Path(folder) / "r", RAY_JOB_START_TIMEOUT_SECONDS="45") as cluster,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("RAY_ADDRESS", URL)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        yield cluster


@pytest.fixture
def ray_cluster(shared_ray: RayCluster) -> Iterator[RayCluster]:
    """The module's Ray; RAY_ADDRESS, as seen from here while a test runs, means it."""
    with shared_ray.network.entered():
        yield shared_ray
