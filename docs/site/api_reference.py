"""Write the reference of the Python API: every public name of `tempo`."""

from __future__ import annotations

import tempo
from tempo import plugins, testing

INTRODUCTION = """# Python API

Everything that `import tempo` offers. Each name is imported on first use. For a tour with results
see [Tempo from Python](../python.md).
"""


PLUGINS = """
## For plug-ins

What a plug-in imports from `tempo.plugins`, and its tests from `tempo.testing`. See
[own parts](../how-to/own_parts.md).
"""


def markdown() -> str:
    """Return the page: a line a public name, which mkdocstrings makes a section of."""
    parts = [INTRODUCTION]
    for name in tempo.__all__:
        if not name.startswith("__"):
            one = getattr(tempo, name)
            parts.append(f"::: {one.__module__}.{one.__qualname__}\n")
    parts.append(PLUGINS)
    for module, names in {plugins: plugins.__all__, testing: testing.__all__}.items():
        for name in names:
            one = getattr(module, name)
            if one.__module__.startswith("tempo") and not is_error(one):
                parts.append(f"::: {one.__module__}.{one.__qualname__}\n")
    return "\n".join(parts)


def is_error(one: object) -> bool:
    """Return whether a public name is an error, which `tempo` itself offers."""
    return isinstance(one, type) and issubclass(one, Exception)
