"""Hold what a check of this machine found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["ok", "note", "warning", "failure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    `state`: `ok`; `note`, worth knowing; `warning`, works, and may surprise; `failure`, a command
    would fail. `found` is one sentence or a value, `advice` what to do, empty where nothing is.
    `values` are the numbers behind it, for programs.
    """

    topic: str
    state: State
    found: str
    advice: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
