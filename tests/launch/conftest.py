"""A real Slurm for the tests of a module, where one can be started."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

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
