"""Exchange values between the processes that share one run; a lone process skips that."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from tempo.core.errors import MissingError

TIMEOUT = timedelta(seconds=float(os.environ.get("TEMPO_COLLECTIVE_TIMEOUT", "900")))
"""How long a collective waits for a slow rank. A dead one breaks its connection at once."""


@dataclass(frozen=True, slots=True)
class Group:
    """The processes of a run as torchrun's variables describe them; rank 0 alone writes records."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum a tensor over all processes, in place."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def share(self, value: Any) -> Any:
        """Return the picklable `value` of rank 0 on every process."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def gather(self, values: Sequence[Any]) -> list[list[Any]]:
        """Return the lists of all processes, by rank, on every process."""
        if self.world == 1:
            return [list(values)]
        boxes: list[Any] = [None] * self.world
        dist.all_gather_object(boxes, list(values))
        return boxes


def leave_group() -> None:
    """End this process's part in the group, and its threads: one that is still alive when the
    interpreter exits can abort the process."""
    if dist.is_initialized():
        dist.destroy_process_group()


def join_group(*, cuda: bool) -> Group:
    """Join the group that torchrun's environment describes: gloo on a CPU, NCCL on GPUs.

    A second run in the same process joins the group that is already there.

    Raises:
        MissingError: when this machine has fewer GPUs than processes.
    """
    if "WORLD_SIZE" not in os.environ or int(os.environ["WORLD_SIZE"]) == 1:
        return Group()
    local_rank = int(os.environ["LOCAL_RANK"])
    if not dist.is_initialized():
        backend = "gloo"
        if cuda:
            _needs_own_gpu(int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
            # Pictures of a dead rank's state travel over gloo, gradients over NCCL.
            backend = "cpu:gloo,cuda:nccl"
            torch.cuda.set_device(local_rank)
        dist.init_process_group(backend, timeout=TIMEOUT)
    return Group(dist.get_rank(), dist.get_world_size(), local_rank)


def _needs_own_gpu(processes: int) -> None:
    """Raise when processes would share a GPU, which NCCL refuses with an unclear message."""
    gpus = torch.cuda.device_count()
    if gpus < processes:
        raise MissingError(
            f"{processes} processes need a GPU each, and this machine shows {gpus}; start "
            f"{gpus or 'none'} of them, or train on the CPU with runtime.device=cpu"
        )
