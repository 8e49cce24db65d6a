"""Read the table of test clips in a run's folder as a DataFrame."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from tempo.core.errors import RecordError
from tempo.records.run_record import read_result


def clip_frame(folder: Path) -> pd.DataFrame | None:
    """The table of test clips in a run's folder; None without a test evaluation.

    Raises:
        RecordError: the table is not the one that was evaluated.
    """
    test = read_result(folder).test
    if test is None:
        return None
    path = folder / test.table
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != test.table_sha256:
        raise RecordError(f"{path} is not the table that was evaluated (its SHA-256 differs)")
    frame: pd.DataFrame = pq.read_table(BytesIO(content)).to_pandas()
    return frame
