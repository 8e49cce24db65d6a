"""Hold what opens a page: warnings, the verdict, the first table, what to bear in mind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tempo.report.pages.answer import Answer

DEMONSTRATIONS = ("demo", "smoke")


@dataclass(frozen=True, slots=True)
class Banner:
    """A warning at the top. `tone`: note, or alert for what makes numbers untrustworthy."""

    tone: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence and a link to the place on the page that says more, or no link."""

    text: str
    link: str = ""
    is_warning: bool = True


@dataclass(frozen=True, slots=True)
class Box:
    """A box of labels with values, or of remarks; `empty` is printed where there is neither."""

    title: str
    entries: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """What opens a page after the title and the question.

    `lead` stands before the verdict, because it bears on every number; `answer` is the table with
    its forest; `notes` are what to bear in mind, each once. `boxes` go into a section of their own.
    """

    banners: tuple[Banner, ...]
    verdict: str
    notes: tuple[Remark, ...]
    boxes: tuple[Box, ...]
    lead: tuple[str, ...] = ()
    answer: Answer | None = None


def demonstration(profile: str | None, what: str) -> tuple[Banner, ...]:
    """Return the banner of a page that was run under a small profile, or none."""
    if profile not in DEMONSTRATIONS:
        return ()
    text = (
        f"The profile “{profile}” trains small networks for a few steps: {what} shows what Tempo "
        "does, and says nothing about the networks at full size."
    )
    return (Banner("note", "This is a demonstration", text),)
