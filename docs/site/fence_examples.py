"""Show the examples of docstrings as code: a griffe extension that mkdocstrings loads."""

from __future__ import annotations

from typing import Any

import griffe

PROMPT = ">>> "


class FenceExamples(griffe.Extension):
    """Put lines of a Python session, with what they print, into a block of code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring is not None and PROMPT in obj.docstring.value:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """Return a docstring whose examples are blocks of code. An example ends at an empty line."""
    out: list[str] = []
    inside = False
    for line in text.splitlines():
        if not inside and line.lstrip().startswith(PROMPT):
            out.append("```pycon")
            inside = True
        elif inside and not line.strip():
            out.append("```")
            inside = False
        out.append(line)
    return "\n".join([*out, "```"] if inside else out)
