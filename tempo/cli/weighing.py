"""A process that weighs one network after another: a question a line in, an answer a line out.

`python -m tempo.cli.weighing`; a search starts it when a constraint needs it, so that the driver
itself never loads torch.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from tempo.cli.worker import die_with_parent, limit_threads


def _weigh(question: dict[str, Any]) -> dict[str, Any]:
    """Parameters and MACs of {"arch": ..., "crop": ...}, or why it cannot be built."""
    from tempo.models.network_cost import count
    from tempo.spec.arch import ArchSpec

    try:
        crop = question["crop"]
        cost = count(ArchSpec.model_validate(question["arch"]), height=crop, width=crop)
    except Exception as error:
        # Whatever a part raises here it would raise in the run; the one who asked says so.
        return {"broken": f"{type(error).__name__}: {error}"}
    return {"parameters": cost.parameters, "macs": cost.macs}


def main() -> int:
    limit_threads(1)
    die_with_parent()
    for line in sys.stdin:
        print(json.dumps(_weigh(json.loads(line))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
