"""The first screen of a page: what a reader must know first, the verdict, and boxes beneath it."""

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
    """A sentence and the place on the page that says more; empty where there is none."""

    text: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """Labels with values, or remarks; `empty` is said where there is neither."""

    title: str
    entries: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Front:
    """Everything on the first screen but the title and the question."""

    banners: tuple[Banner, ...]
    verdict: str
    also: tuple[str, ...]
    boxes: tuple[Box, ...]


def demonstration(profile: str | None, what: str) -> tuple[Banner, ...]:
    """The banner of a page whose numbers show the machinery and say nothing of the networks."""
    if profile not in DEMONSTRATIONS:
        return ()
    text = (
        f"It was run under the profile “{profile}”: small networks, few steps, small clips. It "
        f"shows that the machinery works, and what {what} looks like; its numbers say nothing "
        "about the networks at full size."
    )
    return (Banner("note", "This is a demonstration", text),)
