"""Define the summary that opens a page: banners, the verdict, and boxes beneath the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True)
class Box:
    """A box of labels with values, or of remarks; `empty` is printed where there is neither."""

    title: str
    entries: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """What opens a page after the title and the question."""

    banners: tuple[Banner, ...]
    verdict: str
    also: tuple[str, ...]
    boxes: tuple[Box, ...]


def demonstration(profile: str | None, what: str) -> tuple[Banner, ...]:
    """Return the banner of a page that was run under a small profile, or none."""
    if profile not in DEMONSTRATIONS:
        return ()
    text = (
        f"It was run under the profile “{profile}”: small networks, few steps, small clips. It "
        f"shows that the machinery works, and what {what} looks like; its numbers say nothing "
        "about the networks at full size."
    )
    return (Banner("note", "This is a demonstration", text),)
