"""Say that a figure or table does not apply to a study."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """Why a study has no such figure or table; printed in its place."""

    reason: str
