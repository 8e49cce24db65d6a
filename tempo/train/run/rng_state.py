"""Seed, save and restore every random stream of the process."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from tempo.core.seeding import stream


def seed_everything(seed: int) -> None:
    """Seed the process-wide streams; data and weights have streams of their own."""
    random.seed(stream(seed, "python"))
    np.random.seed(stream(seed, "numpy") % 2**32)
    torch.manual_seed(stream(seed, "torch"))


def rng_state() -> dict[str, Any]:
    """Return the state of the streams of Python, NumPy, torch and the CUDA device."""
    version, internal, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    state: dict[str, Any] = {
        "python": {"version": version, "internal": list(internal), "gauss": gauss},
        "numpy": {
            "name": name,
            "keys": torch.from_numpy(np.asarray(keys).astype(np.int64)),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached": float(cached),
        },
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_rng_state(state: dict[str, Any]) -> None:
    """Restore every stream to a state that `rng_state` returned."""
    python, numpy = state["python"], state["numpy"]
    random.setstate((python["version"], tuple(python["internal"]), python["gauss"]))
    keys = numpy["keys"].numpy().astype(np.uint32)
    np.random.set_state(
        (numpy["name"], keys, numpy["position"], numpy["has_gauss"], numpy["cached"])
    )
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
