"""Define what a study keeps of its runs once they are complete."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tempo.spec.options import PATTERN_IN_WORDS, Section

SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}
"""Units of a time that a policy names."""


class Keep(Section):
    """What stays on the disk of complete runs. Nothing here changes a result, nor a run's identity.

    A field that is left out is taken from the user's profile; where that has none, everything
    stays. What results, reports, other runs and evaluations need stays whatever the policy says.
    """

    checkpoints: Literal["all", "best"] | None = Field(
        None,
        description="of the checkpoints on the disk: all, or best, those that the result was made "
        "with (of an average or an ensemble each member)",
    )
    galleries: str | None = Field(
        None,
        pattern=r"^(all|[1-9]\d{0,5} seeds?)$",
        description="pictures of the gallery: all, or those of the first seeds of each variant",
        json_schema_extra={
            PATTERN_IN_WORDS: "be `all`, or how many seeds of each variant keep their pictures, "
            "such as `3 seeds`"
        },
    )
    after: str | None = Field(
        None,
        pattern=r"^\d{1,5}[mhdw]$",
        description="time from a run's end until the rest goes; at once where none is given",
        json_schema_extra={
            PATTERN_IN_WORDS: "be a number and a unit, such as `12h` or `30d` (m, h, d or w)"
        },
    )

    @property
    def gallery_seeds(self) -> int | None:
        """How many seeds of a variant keep their pictures; None: all."""
        if self.galleries in (None, "all"):
            return None
        return int(str(self.galleries).split()[0])

    @property
    def grace(self) -> float:
        """Seconds from a run's end until what the policy lets go is removed."""
        return 0.0 if self.after is None else int(self.after[:-1]) * float(SECONDS[self.after[-1]])

    @property
    def lets_go(self) -> bool:
        """Whether the policy removes anything at all."""
        return self.checkpoints == "best" or self.gallery_seeds is not None

    def over(self, under: Keep) -> Keep:
        """Return this policy with the fields that it leaves out taken from `under`.

        >>> from tempo.spec.sections.keep import Keep
        >>> print(Keep(after="30d").over(Keep(checkpoints="best", after="1h")))
        checkpoints: best, after: 30d
        """
        own = self.model_dump(exclude_none=True)
        return Keep(**(under.model_dump(exclude_none=True) | own))

    def __str__(self) -> str:
        said = self.model_dump(exclude_none=True)
        return ", ".join(f"{name}: {value}" for name, value in said.items()) or "everything"
