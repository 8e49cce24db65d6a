"""Made-up searches with every part filled, for tests and for looking at the page."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from tempo.records import search_record as s

PSNR = s.ObjectiveInfo(name="psnr", unit="dB", better="higher", digits=2)
MACS = s.ObjectiveInfo(name="macs", unit="G", better="lower", digits=1)
SPACE = (
    s.ParameterInfo(name="lr", paths=("recipe.lr",), low=1e-5, high=1e-3, log=True),
    s.ParameterInfo(
        name="warmup", paths=("recipe.warmup",), low=0, high=4000, whole=True, step=500
    ),
    s.ParameterInfo(name="se", paths=("arch.se",), levels=("on", "off")),
    s.ParameterInfo(name="dilation", paths=("arch.dilations",), levels=("off", "pattern", "wide")),
    s.ParameterInfo(
        name="reduction",
        paths=("arch.se_reduction",),
        low=2,
        high=16,
        whole=True,
        when={"se": ("on",)},
    ),
)
SEEDS = (0, 1)

METHODS: tuple[tuple[Literal["fanova", "ped_anova"], float], ...] = (
    ("fanova", 1.0),
    ("ped_anova", 0.9),
)


def _trial(number: int, rng: np.random.Generator) -> s.TrialRecord:
    params: dict[str, str | int | float] = {
        "lr": float(10 ** rng.uniform(-5, -3)),
        "warmup": int(rng.integers(0, 9)) * 500,
        "se": ("on", "off")[int(rng.integers(2))],
        "dilation": ("off", "pattern", "wide")[int(rng.integers(3))],
    }
    if params["se"] == "on":
        params["reduction"] = int(rng.integers(2, 17))
    level = 31 - 0.5 * abs(np.log10(float(params["lr"])) + 3.7) + 0.2 * (params["se"] == "on")
    level += rng.normal(0, 0.05)
    curve = tuple((step, float(level - 40 / step)) for step in (50, 100, 150, 200))
    variant = f"trial-{number:03d}"
    runs = tuple(
        s.TrialRun(seed=seed, run_id=f"{number:06x}{seed:06x}", values=(level - 0.05 + 0.1 * seed,))
        for seed in SEEDS
    )
    made = s.TrialRecord(
        number=number,
        variant=variant,
        state="complete",
        origin="sampled",
        params=params,
        values=(float(level),),
        runs=runs,
        curve=curve,
        seconds=60.0 + number,
    )
    if number % 5 == 3:
        none = tuple(replace(run, values=()) for run in runs)
        return replace(made, state="pruned", values=(), runs=none, curve=curve[:2])
    if number % 11 == 7:
        none = (replace(runs[0], values=()),)
        note = "the loss was not finite at step 40"
        return replace(made, state="failed", values=(), curve=(), runs=none, note=note)
    if number % 13 == 9:
        one = (runs[0], replace(runs[1], values=()))
        return replace(made, state="pruned", raced=True, runs=one, values=runs[0].values)
    return made


def _estimate(mean: float, half: float | None = 0.08, count: int = 3) -> s.Estimate:
    if half is None:
        return s.Estimate(mean=mean, count=count)
    return s.Estimate(mean=mean, count=count, low=mean - half, high=mean + half)


GAIN = s.Gain(
    mean=0.31,
    count=3,
    low=0.19,
    high=0.43,
    covers="fresh seeds and the draw of the test clips, which chose nothing",
    planned=3,
    clips=60,
    sources=60,
    p=0.004,
    p_adjusted=0.004,
    family=1,
    word="better",
    reason="+0.310 dB, adjusted p = 0.004",
)


def _confirmed(trial: s.TrialRecord, role: s.Role, fell: float) -> s.Confirmation:
    search = trial.values[0]
    return s.Confirmation(
        variant=f"{trial.variant} confirmed",
        trial=trial.variant,
        role=role,
        runs=tuple(
            s.TrialRun(seed=seed, run_id=f"c{trial.number:05x}{seed:06x}", values=(search - fell,))
            for seed in (1000, 1001, 1002)
        ),
        search=_estimate(search, None, 2),
        fresh=replace(_estimate(search - fell), covers="fresh seeds alone, on validation"),
        shrinkage=replace(_estimate(-fell), covers="seeds alone, on validation"),
        test={"psnr": _estimate(search - 1), "ssim": _estimate(0.93, 0.002)},
        gain={"V3": GAIN} if role == "best" else {},
    )


def summary(trials: int = 40) -> s.SearchSummary:
    """One objective: winners, pruned, raced and failed trials, a warm start, rejected proposals."""
    rng = np.random.default_rng(7)
    made = [_trial(number, rng) for number in range(trials)]
    made[0] = replace(
        made[0], variant="V3", origin="enqueued", state="complete", raced=False, note=""
    )
    made[2] = replace(made[2], variant="V2", origin="enqueued", state="outside", params={})
    made[2] = replace(made[2], outside=("arch.blocks",))
    known = replace(made[1], number=None, variant="known", origin="warm_start")
    whole = [t for t in made if t.state == "complete"]
    best = max(whole, key=lambda trial: trial.values[0])
    shares = {"lr": 0.6, "se": 0.25, "dilation": 0.1, "warmup": 0.05}
    return s.SearchSummary(
        study="search_sample",
        profile=None,
        question="Which setting predicts best?",
        source="experiments/search_sample.yaml",
        objectives=(PSNR,),
        space=SPACE,
        sampler="tpe",
        pruner="hyperband",
        constraints=("parameters <= 40M",),
        rules=("A trial stops when it is below the median.", "A trial that lost is not run again."),
        seeds=SEEDS,
        trials=(*made, known),
        rejected={"parameters <= 40M is broken": 4, "arch.blocks: too deep": 1},
        best=(best.variant,),
        front=(),
        confirmed=(_confirmed(best, "best", 0.12), _confirmed(made[0], "baseline", -0.02)),
        importances=tuple(
            s.Importance(
                evaluator=method,
                objective="psnr",
                parameter=name,
                share=share * scale,
                low=share * scale * 0.7,
                high=min(1.0, share * scale * 1.4),
                noise=0.2,
                share_of="the variance of a sample",
            )
            for method, scale in METHODS
            for name, share in shares.items()
        ),
        budget={"trials": float(trials), "device_hours": 2.0},
        spent=s.Spent(trials=trials, device_hours=1.25, hours=0.7),
        storage="journal.log",
        optuna_study="search_sample",
        over=True,
    )


def two_objectives() -> s.SearchSummary:
    """The same trials judged by PSNR and by MACs."""
    one, rng = summary(), np.random.default_rng(3)
    made = []
    for trial in one.trials:
        macs = float(rng.uniform(20, 90))
        runs = tuple(
            replace(run, values=(*run.values, macs)) if run.values else run for run in trial.runs
        )
        values = (*trial.values, macs) if trial.values else ()
        made.append(replace(trial, values=values, runs=runs))
    whole = [t for t in made if t.state == "complete" and t.number is not None]
    front = [
        t
        for t in whole
        if not any(o.values[0] > t.values[0] and o.values[1] < t.values[1] for o in whole)
    ]
    return replace(
        one,
        objectives=(PSNR, MACS),
        trials=tuple(made),
        best=tuple(t.variant for t in front[:1]),
        front=tuple(t.variant for t in front),
        confirmed=(),
        importances=(),
    )


def empty() -> s.SearchSummary:
    """A search that has only begun."""
    return replace(
        summary(),
        trials=(),
        rejected={},
        best=(),
        confirmed=(),
        importances=(),
        spent=s.Spent(trials=0, device_hours=0.0, hours=0.0),
        over=False,
    )


def hostile(labels: tuple[str, ...]) -> s.SearchSummary:
    """Names of trials, parameters, levels and notes that try to break the page."""
    one = summary()
    names = {t.variant: f"{labels[i % len(labels)]} {i}" for i, t in enumerate(one.trials)}
    trials = tuple(
        replace(t, variant=names[t.variant], note=labels[i % len(labels)] if t.note else "")
        for i, t in enumerate(one.trials)
    )
    first = replace(one.space[2], name=labels[0], levels=labels[:3])
    return replace(
        one,
        study=labels[0],
        question=labels[4],
        space=(*one.space[:2], first, *one.space[3:]),
        trials=tuple(replace(t, params={**t.params, labels[0]: labels[1]}) for t in trials),
        rules=labels,
        rejected=dict.fromkeys(labels, 1),
        best=tuple(names[name] for name in one.best),
        confirmed=tuple(
            replace(c, trial=names[c.trial], variant=f"{names[c.trial]} confirmed")
            for c in one.confirmed
        ),
    )
