"""Read the verdicts of a report, and look for them in a text."""

from __future__ import annotations

import csv
import re
from pathlib import Path


def verdicts_of(report: Path) -> list[tuple[str, str]]:
    """Return each variant that the rule asks about with its verdict, from the table of a report."""
    with (report.parent / "table.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["psnr_kind"] == "rule"]
    return [(row["variant"], row["psnr_verdict"]) for row in rows]


def is_told(variant: str, word: str, text: str) -> bool:
    """Return whether a line has the variant and its verdict, or a sentence says it."""
    row = rf"^{re.escape(variant)} .*\b{word}\b"
    sentence = rf"(?<!\S){re.escape(variant)} (is )?{word}\b"
    return bool(re.search(row, text, re.MULTILINE) or re.search(sentence, " ".join(text.split())))
