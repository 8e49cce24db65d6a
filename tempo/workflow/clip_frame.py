"""Read the table of test clips in a run's folder as a DataFrame."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tempo.comparison.loading.clip_values import read_table
from tempo.records.run_record import read_result


def clip_frame(folder: Path) -> pd.DataFrame | None:
    """The table of test clips in a run's folder; None without a test evaluation.

    Raises:
        RecordError: the table is not the one that was evaluated.
    """
    test = read_result(folder).test
    if test is None:
        return None
    frame: pd.DataFrame = read_table(folder / test.table, test.table_sha256).to_pandas()
    return frame
