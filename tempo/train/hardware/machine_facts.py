"""Ask torch what devices this machine has, and whether each computes."""

from __future__ import annotations

from typing import Any

import torch


def machine_facts() -> dict[str, Any]:
    """Return torch's version, the devices that it finds, and whether a small computation on each
    gives the right number, as JSON values."""
    cuda = torch.cuda.is_available()
    return {
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda,
        "cpu": _computes(torch.device("cpu")),
        "gpus": [_gpu(number) for number in range(torch.cuda.device_count())] if cuda else [],
        "threads": torch.get_num_threads(),
    }


def _gpu(number: int) -> dict[str, Any]:
    """One GPU: its name and memory, and why it does not compute (empty: it does)."""
    facts = torch.cuda.get_device_properties(number)
    return {
        "name": facts.name,
        "memory": facts.total_memory,
        "capability": f"{facts.major}.{facts.minor}",
        "problem": _computes(torch.device("cuda", number)),
    }


def _computes(device: torch.device) -> str:
    """Why a device does not compute; empty where it does."""
    try:
        ones = torch.ones(64, 64, device=device)
        kernel = torch.ones(1, 1, 3, 3, device=device)
        summed = float((ones @ ones).sum())
        around = float(torch.nn.functional.conv2d(ones[None, None], kernel).sum())
    except (RuntimeError, AssertionError) as error:
        return f"{type(error).__name__}: {error}"
    expected = (64.0**3, 9 * 62.0**2)
    return "" if (summed, around) == expected else f"computed {summed} and {around}"
