"""Save the evidence of steps that were left out."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from tempo.data.batches import Batch
from tempo.records.events import Noted
from tempo.records.files import of_attempt, write_atomic
from tempo.train.optim.trainer import Step
from tempo.train.run.checkpoints import rng_state

MOST_FILES = 20
"""Steps whose evidence is kept; later ones are only noted."""


def skipped(
    folder: Path, attempt: int, step: int, batch: Batch, done: Step, ceiling: float
) -> Noted:
    """Save what led to a step that was skipped; return a note that names the file.

    The file holds the batch's clip indices, the random streams, loss, terms, learning rate and the
    gradient norm of each part of the network.
    """
    evidence: dict[str, Any] = {
        "step": step,
        "indices": batch.indices.tolist(),
        "loss": done.loss,
        "terms": dict(done.terms),
        "lr": done.lr,
        "grad_norm": done.grad_norm,
        "norms": dict(done.norms),
    }
    path = _save(folder, attempt, step, evidence | {"rng": rng_state()})
    reason = (
        "the fp16 gradients overflowed; their scale was lowered"
        if done.excused
        else f"the loss {done.loss:.6g} is above {ceiling:.6g}"
        if done.loss > ceiling
        else "the loss or a gradient is not finite"
    )
    message = f"step {step} was left out: {reason}"
    return Noted(step=step, topic="skipped", message=message, values=evidence, path=path)


def _save(folder: Path, attempt: int, step: int, evidence: dict[str, Any]) -> str | None:
    path = of_attempt(folder / "incidents" / f"step-{step:08d}.pt", attempt)
    if not path.is_file() and len(list(path.parent.glob("step-*.pt"))) >= MOST_FILES:
        return None
    buffer = BytesIO()
    torch.save(evidence, buffer)
    write_atomic(path, lambda file: file.write(buffer.getbuffer()))
    return str(path.relative_to(folder))
