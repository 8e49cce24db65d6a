"""Test networks and parts of your own with pytest by the laws that Tempo's own obey.

>>> import pytest
>>> import tempo.testing
>>> @pytest.mark.parametrize("case", tempo.testing.cases("my_net:MyNetwork"), ids=str)
... def test_law(case):
...     case.check()
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tempo.models.laws import LAWS, Subject, exemptions, outcome, subject_of
from tempo.spec.networks import Network
from tempo.workflow.conformance import networks_of

__all__ = ["Case", "cases"]


@dataclass(frozen=True, slots=True)
class Case:
    """One law on one network."""

    title: str
    law: str
    subject: Subject

    def check(self) -> None:
        """Raise an AssertionError that says how the network breaks the law.

        Nothing is raised for a law that the network says it cannot hold, by its `exempt`.
        """
        exempt = exemptions(self.subject.build(0)).get(self.law)
        found = outcome(self.law, LAWS[self.law], self.subject, exempt)
        if found.held is False:
            raise AssertionError(f"{self.title} {found.sentence}")

    def __str__(self) -> str:
        return f"{self.title}-{self.law}"


def cases(
    target: str,
    options: Mapping[str, Any] | None = None,
    *,
    frames: int = 2,
    folder: str | Path = ".",
) -> list[Case]:
    """Return a case for each law and each network or part that `target` names.

    Args:
        target: `module:name` or `file.py:name` of a network, or a plug-in: every part it adds.
        options: arguments of the network.
        frames: input frames of a clip.
        folder: where files and modules are looked for, beside installed ones.

    Raises:
        PluginError: when there is nothing of this name, or it fails.
    """
    found = networks_of(target, options or {}, Path(folder))
    return list(_cases(found, frames))


def _cases(found: Mapping[str, Network], frames: int) -> Iterator[Case]:
    for title, arch in found.items():
        subject = subject_of(arch, frames)
        yield from (Case(title, law, subject) for law in LAWS)
