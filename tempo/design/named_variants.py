"""A variant that a design refers to by name, with its config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tempo.core.catalog import unknown
from tempo.design.configs import Resolved
from tempo.design.factors import Candidate
from tempo.design.study_context import Study, Where
from tempo.spec.presets import PRESETS
from tempo.spec.yaml.value_tree import Mapped, nested, written


@dataclass(frozen=True, slots=True)
class End:
    """A candidate and its resolved config."""

    candidate: Candidate
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.candidate.name


def end_of(
    study: Study, name: str, where: Where, seen: Mapping[str, Candidate] | None = None
) -> End | None:
    """A variant of `seen`, a named one, or a preset of the architecture in the study's own setting.

    None, and a problem at `where`, when nothing is called so or its config breaks a rule.
    """
    place = study.factors.place(*where)
    found: Candidate | None
    if seen and name in seen:
        found = seen[name]
    elif name in study.spec.variants:
        found = study.factors.variant(name, place)
    elif name in PRESETS:
        overlay = nested(("arch", "preset"), written(name, place), place)
        overlays = (overlay,) if isinstance(overlay, Mapped) else ()
        found = Candidate(name=name, levels=(), overlays=overlays, place=place)
    else:
        known = [*(seen or ()), *study.spec.variants, *PRESETS]
        study.problems.add(unknown("variant or preset", name, known), place)
        return None
    resolved: Resolved | None = study.configs.resolve(found.overlays) if found else None
    return End(found, resolved.config) if found and resolved else None
