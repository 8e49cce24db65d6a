"""Set the number formats of training, the scaling of the loss and the clipping of gradients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from tempo.core.errors import MissingError
from tempo.train.hardware.device import unsupported

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Precision:
    """The number format of training on a device: fp32, tf32, bf16, fp16 or fp64.

    Weights, gradients and the loss are float32 (float64 in fp64); bf16 and fp16 apply inside the
    network, under autocast. fp16 scales the loss so that small gradients survive.
    """

    name: str
    device: torch.device

    @property
    def dtype(self) -> torch.dtype:
        """Return the type of weights, pictures and the loss."""
        return torch.float64 if self.name == "fp64" else torch.float32

    def autocast(self) -> torch.autocast:
        dtype = AUTOCAST.get(self.name)
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)

    def scaler(self) -> GradScaler:
        return GradScaler(self.device.type, enabled=self.name == "fp16")

    def pictures(self, frames: Tensor) -> Tensor:
        """Convert uint8 pictures on any device to floats 0..1 on this one."""
        moved = frames.to(self.device, non_blocking=True)
        return moved.to(self.dtype).div_(255)


def precision(name: str, device: torch.device) -> Precision:
    """Return the precision called `name` on `device`.

    Raises:
        MissingError: when the device does not support it; no other one is chosen silently.
    """
    reason = unsupported(name, device)
    if reason:
        raise MissingError(reason)
    return Precision(name=name, device=device)


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float | None) -> Tensor:
    """Scale all gradients so that their global 2-norm is at most `limit`; return the norm before.

    The gradients are those of the unscaled loss, so that a limit means the same in every precision.
    """
    gradients = [each.grad for each in parameters if each.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if limit is not None:
        factor = (limit / (norm + 1e-6)).clamp(max=1.0)
        # A norm that is not finite must not spread over gradients that are.
        torch._foreach_mul_(gradients, torch.where(norm.isfinite(), factor, 1.0))
    return norm
