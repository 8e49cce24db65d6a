"""Word what became of workers that left their runs, and from where the runs go on."""

from __future__ import annotations

from tempo.ledger.port import Hold, is_dead
from tempo.records.progress import Progress


def unrenewed(hold: Hold | None) -> str:
    """Say that a worker, not known to be dead, does not renew its lease; empty while it does."""
    if hold is None or not hold.held or hold.left > 0 or is_dead(hold.owner):
        return ""
    return (
        f"its worker, {hold.owner}, is frozen, starved or cut off from the ledger: its lease ended "
        f"{-hold.left:.0f} s ago"
    )


def silence(hold: Hold | None) -> str:
    """Say what is known of a worker that did not record how its attempt ended."""
    if hold is None or not hold.held:
        return "its worker is gone without a word: it died or lost its lease"
    return unrenewed(hold) or f"its worker, {hold.owner}, died without a word"


def last_checkpoint(progress: Progress) -> str:
    """Return, as a clause, the checkpoint from which the next attempt at a run resumes."""
    if not progress.saved:
        return "it has no checkpoint yet, so it begins again at step 0"
    return f"it goes on from its last checkpoint, of step {progress.saved}"
