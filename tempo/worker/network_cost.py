"""Count one network after another: a question a line in, an answer a line out.

A search starts this process when a constraint needs it, so that the parent never loads torch.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from tempo.worker.process_setup import die_with_parent, limit_threads


def execute(options: argparse.Namespace) -> int:
    """Answer questions from stdin until there are no more."""
    limit_threads(1)
    die_with_parent()
    for line in sys.stdin:
        print(json.dumps(_count(json.loads(line))), flush=True)
    return 0


def _count(question: dict[str, Any]) -> dict[str, Any]:
    """Parameters and MACs of {"arch": ..., "crop": ...}, or why the network cannot be built."""
    from tempo.models.network_cost import count
    from tempo.spec.arch import ArchSpec

    try:
        crop = question["crop"]
        cost = count(ArchSpec.model_validate(question["arch"]), height=crop, width=crop)
    except Exception as error:
        # Whatever a part raises here it would raise in the run; the parent reports it.
        return {"broken": f"{type(error).__name__}: {error}"}
    return {"parameters": cost.parameters, "macs": cost.macs}
