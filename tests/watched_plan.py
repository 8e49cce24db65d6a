"""Plan a study of two variants whose page is watched while its records are written."""

from __future__ import annotations

from tempo.core.records import Plan, PlannedRun, PlannedVariant

STUDY = "watched"
NAMES = ("plain", "other")


def watched_plan(seeds: int = 2) -> Plan:
    """Return the plan: the runs of each seed in turn, the baseline first."""
    return Plan(
        study=STUDY,
        question="Does the page follow?",
        profile=None,
        source="watched.yaml",
        spec={"study": STUDY},
        spec_hash="0",
        baseline=NAMES[0],
        variants=tuple(
            PlannedVariant(
                name=name,
                role="baseline" if name == NAMES[0] else "variant",
                levels={},
                config={"runtime": {}, "method": "network"},
            )
            for name in NAMES
        ),
        runs=tuple(
            PlannedRun(run_id=f"{2 * seed + place:08x}", variant=name, seed=seed)
            for seed in range(seeds)
            for place, name in enumerate(NAMES)
        ),
    )
