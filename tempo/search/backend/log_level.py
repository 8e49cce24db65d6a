"""Optuna's own messages, which would run through the live view."""

from __future__ import annotations

import logging
import warnings

from optuna.exceptions import ExperimentalWarning


def quiet() -> None:
    """Let Optuna speak of problems only: what it does is in the records."""
    logging.getLogger("optuna").setLevel(logging.WARNING)
    warnings.simplefilter("ignore", ExperimentalWarning)
