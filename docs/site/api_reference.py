"""Write the reference of the Python API: every public name of `tempo`."""

from __future__ import annotations

import tempo

INTRODUCTION = """# Python API

Everything that `import tempo` offers. Each name is imported on first use. For a tour with results
see [Tempo from Python](../python.md).
"""


def markdown() -> str:
    """Return the page: a line a public name, which mkdocstrings makes a section of."""
    parts = [INTRODUCTION]
    for name in tempo.__all__:
        if not name.startswith("__"):
            one = getattr(tempo, name)
            parts.append(f"::: {one.__module__}.{one.__qualname__}\n")
    return "\n".join(parts)
