"""Carry out a study with adaptive seeds whose verdicts are given: `lr=b` is decided from 4 seeds
on, `lr=c` never.

    python adaptive_driver.py SPEC [OPTION=VALUE ...]

Prints each note, and the ending last. Everything but the verdicts is real.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import tempo
from tempo.comparison.comparison import Comparison
from tempo.comparison.statistics.quantities import Contrast, Verdict, Word
from tempo.core.records import Plan
from tempo.workflow.execution import seed_looks

DECIDED_FROM = {"lr=b": 4, "lr=c": 100}


def given_verdicts(comparison: Comparison, plan: Plan) -> list[Contrast]:
    """The contrasts of the comparison, with the verdicts that this study is given."""

    def judged(each: Contrast) -> Contrast:
        decided = len(each.seeds) >= DECIDED_FROM[each.variant]
        word = Word.BETTER if decided else Word.INCONCLUSIVE
        return replace(each, verdict=Verdict(word=word, reason="given"))

    return [judged(each) for each in real_contrasts(comparison, plan)]


real_contrasts = seed_looks.rule_contrasts


class Printing(tempo.SilentObserver):
    """Prints the notes."""

    def note(self, text: str) -> None:
        print(text, flush=True)


def main() -> int:
    seed_looks.rule_contrasts = given_verdicts
    spec, *options = sys.argv[1:]
    given = dict(option.split("=", 1) for option in options)
    study = tempo.load_study(spec, mlflow=given.pop("mlflow", "off"), **given)
    outcome = study.run(observer=Printing())
    print(f"ending: {outcome.ending}")
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
