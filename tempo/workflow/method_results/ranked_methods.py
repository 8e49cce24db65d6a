"""Show evaluated methods: ranked within one protocol, and by the time, motion or occlusion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tempo.core.catalog import unknown
from tempo.core.errors import SpecError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from tempo.comparison.clip_strata import ClipStratum
    from tempo.comparison.leaderboard import Leaderboard
    from tempo.records.method_results.evaluations import EvaluationRecord
    from tempo.report.formats.table import NotApplicable, Table
    from tempo.workflow.method_results.protocol_cards import Asked

CLIP_PROPERTIES = ("target_time", "motion", "occlusion")
"""What clips can be split by, for means over those that are alike."""

STRATA_COLUMNS = (
    "test_set", "protocol", "by", "low", "high", "clips", "method", "metric", "value",
)  # fmt: skip
"""What a row of `strata` says."""


class Evaluations:
    """Methods on test sets, ranked among numbers of one protocol.

    Attributes:
        records: one for each method and test set.
        metric: what rows are ranked by.
        folders: where each record and its table of clips lie.

    >>> import tempo
    >>> found = tempo.evaluate("nearest", on="ablations/v2_to_v3.yaml:smoke", metrics="psnr")
    >>> found.groups[0].primary.unit
    'dB'
    >>> list(found.strata("motion"))[3:6]
    ['low', 'high', 'clips']
    """

    def __init__(
        self,
        records: Sequence[EvaluationRecord],
        metric: str,
        folders: Sequence[Path],
        asked: Sequence[Asked] = (),
    ) -> None:
        self.records, self.metric, self.folders = tuple(records), metric, tuple(folders)
        self._asked = tuple(asked)

    @property
    def groups(self) -> tuple[Leaderboard, ...]:
        """The rows of one test set and protocol each, best first."""
        from tempo.comparison.leaderboard import leaderboards

        return leaderboards(self.records, self.metric)

    @property
    def without_numbers(self) -> tuple[EvaluationRecord, ...]:
        """The records whose every metric is no number, as of a method that returns NaN."""
        return tuple(
            record
            for record in self.records
            if record.values and all(map(math.isnan, record.values.values()))
        )

    def table(self) -> pd.DataFrame:
        """One row a method and test set: test_set, protocol, rank, method, clips, every metric."""
        import pandas as pd

        rows = [
            {
                "test_set": group.test_set,
                "protocol": group.protocol_hash,
                "rank": row.rank,
                "method": row.record.method,
                "run_id": row.record.run_id,
                "clips": row.record.clips,
                **row.record.values,
            }
            for group in self.groups
            for row in group.rows
        ]
        return pd.DataFrame(rows)

    def strata(self, by: str = "target_time") -> pd.DataFrame:
        """One row a stratum and method: the mean of the metric over clips that are alike.

        Args:
            by: `target_time` (each time), `motion` or `occlusion` (quarters of the clips).

        Raises:
            UnknownNameError: clips are not split by this.
        """
        import pandas as pd

        return pd.DataFrame(self.strata_records(by), columns=STRATA_COLUMNS)

    def strata_records(self, by: str) -> list[dict[str, str | float]]:
        """The rows of `strata` as plain values."""
        return [
            {
                "test_set": each.test_set,
                "protocol": each.protocol_hash,
                "by": by,
                "low": each.low,
                "high": each.high,
                "clips": each.clips,
                "method": method,
                "metric": each.metric.name,
                "value": value,
            }
            for each in self._strata(by)
            for method, value in each.values.items()
        ]

    def strata_table(self, by: str) -> Table | NotApplicable:
        """The same as a table of the report: a line a stratum, a column a method."""
        from tempo.report.tables.means_by_property import build

        return build(self._strata(by), by)

    def figure(self, by: str = "target_time") -> Figure:
        """The same as a figure: a panel a test set, a line a method.

        Raises:
            NotApplicableError: the clips of no test set differ in this.
        """
        from tempo.report.figures.export import figure_of
        from tempo.report.figures.lines_by_property import draw

        return figure_of({by: draw}, by, self._strata(by))

    def save_figure(self, path: str | Path, by: str = "target_time") -> None:
        """Write the figure into a file, whose suffix says how: .png, .pdf or .svg.

        Raises:
            SpecError: another suffix.
            NotApplicableError: as `figure`.
        """
        from tempo.report.figures.export import FORMATS

        suffix = check_figure(Path(path))
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.figure(by).savefig(path, format=suffix, **FORMATS[suffix])

    def save_cards(self, path: str | Path) -> list[Path]:
        """Write a protocol card for each number: all that it means, and how to compute it again.

        Args:
            path: a .json file; with several numbers, each one's name is added to it. A page of
                Markdown is written beside each.

        Raises:
            SpecError: another ending, or a method that is a Python function.
        """
        from tempo.workflow.method_results.protocol_cards import save_cards

        return save_cards(Path(path), self.records, self._asked)

    def _strata(self, by: str) -> tuple[ClipStratum, ...]:
        from tempo.comparison.clip_strata import clip_strata

        check_properties([by])
        places = [(id(record), at) for record, at in zip(self.records, self.folders, strict=True)]
        return clip_strata(self.groups, lambda record: dict(places)[id(record)], by)

    def __repr__(self) -> str:
        return f"<Evaluations, {len(self.records)} records>"

    def __str__(self) -> str:
        return str(self.table().to_string(index=False))

    def _repr_html_(self) -> str:
        return str(self.table().to_html(index=False, na_rep="-"))


def check_properties(names: Sequence[str]) -> None:
    """Raise UnknownNameError unless clips can be split by all of these."""
    for name in names:
        if name not in CLIP_PROPERTIES:
            raise UnknownNameError(unknown("property of clips", name, CLIP_PROPERTIES))


def check_figure(path: Path) -> str:
    """Return the format that the name of a figure's file asks for.

    Raises:
        SpecError: none that figures are written in.
    """
    from tempo.report.figures.export import FORMATS

    suffix = path.suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        known = ", ".join(f".{each}" for each in FORMATS)
        raise SpecError(f"a figure is written as {known}, and {path} has none of these endings")
    return suffix
