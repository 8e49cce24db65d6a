"""A made-up comparison with every part filled, for tests and for looking at the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tempo.comparison import comparison as c
from tempo.comparison import evidence as e
from tempo.comparison.differences import difference as d
from tempo.comparison.statistics import quantities as q
from tempo.core.records import Exclusion, MetricInfo
from tempo.core.verdict_rule import Rule

PSNR = MetricInfo(name="psnr", unit="dB", better="higher", digits=2, definition="mean RGB PSNR")
SSIM = MetricInfo(
    name="ssim", unit="", better="higher", digits=4, definition="2-D Gaussian SSIM per channel"
)
EDGE = MetricInfo(
    name="edge",
    label="edge error",
    unit="grey levels/px",
    better="lower",
    digits=3,
    definition="of Sobel gradients",
)
FLICKER = MetricInfo(
    name="flicker", unit="grey levels", better="lower", digits=2, definition="of changes over time"
)
LEVELS: dict[str, dict[str, str]] = {
    "se=on,dilation=mixed": {"se": "on", "dilation": "mixed"},
    "se=off,dilation=mixed": {"se": "off", "dilation": "mixed"},
    "se=on,dilation=plain": {"se": "on", "dilation": "plain"},
    "se=off,dilation=plain": {"se": "off", "dilation": "plain"},
    "tempo_v2": {},
}
GAIN = (1.6, 1.42, 1.45, 1.2, 1.05)
SEEDS = 3
BAND = "95 % t interval of the mean over seeds"
METHOD = "crossed random effects, Satterthwaite t"


def _interval(value: float, half: float) -> q.Interval:
    return q.Interval(
        value=value, low=value - half, high=value + half, se=half / 2.4, df=8.0, method=METHOD
    )


def _estimate(metric: str, values: Sequence[float], run_ids: tuple[str, ...]) -> q.Estimate:
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    mean = float(np.mean(values))
    half = 4.3 * sd / len(values) ** 0.5 if sd else None
    return q.Estimate(
        metric=metric,
        mean=mean,
        sd=sd,
        n=len(values),
        planned_n=SEEDS if len(run_ids) > 1 else 1,
        low=mean - half if half else None,
        high=mean + half if half else None,
        level=0.95,
        seeds=tuple(range(len(values))) if len(values) > 1 else (None,),
        values=tuple(values),
        run_ids=run_ids,
    )


def _words(value: float, half: float) -> q.Verdict:
    if value - half > 0:
        return q.Verdict(word=q.Word.BETTER, reason="the interval lies above zero")
    if value + half < 0:
        return q.Verdict(word=q.Word.WORSE, reason="the interval lies below zero")
    if half < 0.1:
        return q.Verdict(word=q.Word.EQUIVALENT, reason="the interval lies within ±0.1 dB")
    return q.Verdict(word=q.Word.INCONCLUSIVE, reason="the interval holds zero")


def _contrast(variant: str, base: str, metric: str, diff: float, half: float) -> q.Contrast:
    return q.Contrast(
        variant=variant,
        baseline=base,
        metric=metric,
        difference=_interval(diff, half),
        p=0.012,
        p_adjusted=0.036,
        verdict=_words(diff, half),
        delta=0.1,
        family="psnr",
        components=q.Components(seed=0.05, source=0.2, clip=0.1, residual=0.05),
        seeds=tuple(range(SEEDS)),
        planned_n=SEEDS,
        clips=48,
        sources=6,
        values=(diff - 0.03, diff, diff + 0.03),
        run_ids=tuple((f"{variant}-{s}", f"{base}-{s}") for s in range(SEEDS)),
    )


def _row(index: int, name: str, rng: np.random.Generator, base: str) -> c.Row:
    run_ids = tuple(f"{abs(hash((index, seed))) % 16**12:012x}" for seed in range(SEEDS))
    psnr = 26.0 + GAIN[index % 5] + rng.normal(0, 0.04, SEEDS)
    ssim = 0.90 + GAIN[index % 5] / 50 + rng.normal(0, 0.001, SEEDS)
    diff = GAIN[index % 5] - GAIN[0]
    return c.Row(
        variant=name,
        role="baseline" if name == base else "variant",
        state="complete",
        levels=dict(LEVELS.get(name, {})),
        seeds=SEEDS,
        planned_seeds=SEEDS,
        estimates={
            "psnr": _estimate("psnr", psnr.tolist(), run_ids),
            "ssim": _estimate("ssim", ssim.tolist(), run_ids),
            "edge": _estimate("edge", (40 - psnr).tolist(), run_ids),
            "flicker": _estimate("flicker", (60 - 2 * psnr).tolist(), run_ids),
        },
        contrasts={}
        if name == base
        else {
            "psnr": _contrast(name, base, "psnr", diff, 0.14 + 0.02 * index),
            "ssim": _contrast(name, base, "ssim", diff / 50, 0.003),
        },
        cost=c.Cost(
            parameters=120_000 + 9_000 * (5 - index),
            macs=220_000_000 + 11_000_000 * (5 - index),
            mac_size=(64, 64),
            train_seconds=41.0 + 2 * (5 - index),
            device_hours=0.0115 + 0.0006 * (5 - index),
            peak_memory=412_000_000 + 8_000_000 * index,
            step_ms=68.0 + 3.3 * (5 - index),
            gain_per_hour=120.0 - index,
            device="cpu",
        ),
        protocol_hash="a1b2c3d4e5f6",
        checkpoint="best on validation",
        rank=index + 1,
    )


def _reference(name: str, psnr: float, ssim: float) -> c.Row:
    return c.Row(
        variant=name,
        role="reference",
        state="complete",
        levels={},
        seeds=1,
        planned_seeds=1,
        estimates={
            "psnr": _estimate("psnr", [psnr], (f"{name}0000",)),
            "ssim": _estimate("ssim", [ssim], (f"{name}0000",)),
        },
        contrasts={},
        cost=c.Cost(),
        protocol_hash="a1b2c3d4e5f6",
        checkpoint="none",
    )


def _curve(variant: str, name: str, end: float, start: float, rng: np.random.Generator) -> e.Curve:
    steps = np.arange(50, 601, 50)
    split = "val" if name in {"psnr", "ssim"} else "train"
    rise = 1 - np.exp(-steps / 160)
    noise = rng.normal(0, abs(end - start) * 0.04, (SEEDS, steps.size))
    lines = start + (end - start) * rise + noise
    mean, sd = lines.mean(0), lines.std(0, ddof=1)
    return e.Curve(
        variant=variant,
        name=name,
        split=split,
        steps=tuple(steps.tolist()),
        epochs=tuple((steps / 64).tolist()),
        seconds=tuple((steps * 0.07).tolist()),
        mean=tuple(mean.tolist()),
        low=tuple((mean - 2.5 * sd).tolist()),
        high=tuple((mean + 2.5 * sd).tolist()),
        counts=(SEEDS,) * steps.size,
        band=BAND,
        lines={seed: tuple(lines[seed].tolist()) for seed in range(SEEDS)},
    )


def _strata(names: Sequence[str]) -> tuple[e.Stratum, ...]:
    out = []
    cuts = {
        "motion": ((0, 1.5, "0–1.5 px"), (1.5, 3, "1.5–3 px"), (3, 6, "3–6 px")),
        "occlusion": ((0, 0.02, "0–2 %"), (0.02, 0.08, "2–8 %"), (0.08, 0.3, "8–30 %")),
    }
    for by, bins in cuts.items():
        for k, (low, high, label) in enumerate(bins):
            values = {
                name: _interval(30 - 3 * k + GAIN[i % 5] - 1, 0.4) for i, name in enumerate(names)
            }
            base = values[names[0]].value
            out.append(
                e.Stratum(
                    by=by,
                    label=label,
                    low=low,
                    high=high,
                    clips=16,
                    metric="psnr",
                    values=values,
                    differences={n: _interval(v.value - base, 0.2) for n, v in values.items()},
                )
            )
    return tuple(out)


def _clips(names: Sequence[str], rng: np.random.Generator, count: int) -> e.ClipTable:
    level = rng.normal(27, 2.5, count)
    values = {
        name: tuple((level + GAIN[i % 5] + rng.normal(0, 0.3, count)).tolist())
        for i, name in enumerate(names)
    }
    return e.ClipTable(
        clips=tuple(f"clip{i:03d}" for i in range(count)),
        sources=tuple(f"photo{i % 6}" for i in range(count)),
        properties={
            "motion": tuple(rng.uniform(0, 6, count).tolist()),
            "occlusion": tuple(rng.uniform(0, 0.3, count).tolist()),
        },
        values={"psnr": values},
    )


def picture(path: Path, shift: float, blur: float, size: int = 64) -> Path:
    """A textured picture, shifted sideways and softened."""
    x, y = np.meshgrid(np.arange(size) + shift, np.arange(size))
    waves = [np.sin(x / (3 + k) + k) * np.cos(y / (4 + k)) for k in range(3)]
    pixels = np.stack([127 + (100 - blur) * wave for wave in waves], -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return path


def _gallery(folder: Path, names: Sequence[str], count: int) -> tuple[e.GalleryClip, ...]:
    clips = []
    for k in range(count):
        at = folder / "gallery" / f"clip{k:03d}"
        pictures = tuple(
            e.Picture(
                variant=name,
                seed=0,
                run_id=f"run{i}",
                path=picture(at / f"p{i}.png", 2 + 0.3 * i, 8 * i),
                values={"psnr": 28.0 - 0.4 * i - k, "ssim": 0.93 - 0.005 * i},
            )
            for i, name in enumerate(names)
        )
        clips.append(
            e.GalleryClip(
                clip=f"clip{k:03d}",
                source=f"photo{k % 6}",
                properties={"motion": 1.5 + k, "occlusion": 0.05},
                inputs=(picture(at / "a.png", 0, 0), picture(at / "b.png", 4, 0)),
                target=picture(at / "t.png", 2, 0),
                pictures=pictures,
                spread=1.6 - 0.1 * k,
                rank_overall=3 + 2 * k,
            )
        )
    return tuple(clips)


def _runs(rows: Sequence[c.Row], folder: Path) -> tuple[e.RunInfo, ...]:
    environment: Mapping[str, Any] = {
        "host": "bench1",
        "device": "cpu",
        "threads": 1,
        "python": "3.11.2",
        "versions": {"torch": "2.13.0", "numpy": "2.4.6"},
        "commit": "7b5ace4",
        "data": "sha256:91ab",
    }
    infos = []
    for row in rows:
        estimate = row.estimates["psnr"]
        for seed, run_id, psnr in zip(
            estimate.seeds, estimate.run_ids, estimate.values, strict=True
        ):
            infos.append(
                e.RunInfo(
                    run_id=run_id,
                    variant=row.variant,
                    seed=seed,
                    status="complete",
                    folder=folder / "runs" / run_id,
                    attempts=1,
                    started=1_760_000_000.0,
                    ended=1_760_000_050.0,
                    step=600,
                    total_steps=600,
                    checkpoint="best",
                    checkpoint_step=550,
                    train_seconds=42.0,
                    values={"psnr": psnr},
                    environment=environment,
                )
            )
    return tuple(infos)


def _effects(base: str) -> tuple[tuple[q.Effect, ...], tuple[q.Effect, ...]]:
    def effect(factors: tuple[str, ...], terms: tuple[str, ...], v: float) -> q.Effect:
        return q.Effect(
            factors=factors,
            terms=terms,
            metric="psnr",
            change=_interval(v, 0.12),
            p=0.01,
            p_adjusted=0.03,
            verdict=_words(v, 0.12),
            cells=4,
            planned_cells=4,
        )

    main = (
        effect(("se",), ("on", "off"), 0.21),
        effect(("dilation",), ("mixed", "plain"), 0.18),
    )
    return main, (effect(("se", "dilation"), ("on", "off", "mixed", "plain"), -0.03),)


def _attribution() -> q.Attribution:
    def rung(kind: str, factor: str, v: float, level: float) -> q.Rung:
        return q.Rung(
            kind=kind,
            factor=factor,
            variant=f"+{factor}",
            against="tempo_v2",
            change=_interval(v, 0.1),
            level=level,
        )

    steps = (("blocks", 0.25), ("se", 0.12), ("dilations", 0.08), ("conditioning", -0.04))
    level, ladder = 27.05, []
    for factor, v in steps:
        level += v + 0.02
        ladder.append(rung("ladder", factor, v + 0.02, level))
    return q.Attribution(
        metric="psnr",
        start="tempo_v2",
        end="se=on,dilation=mixed",
        changes={
            "blocks": ("0/1/1/2", "4/6/6/12"),
            "se": ("none", "squeeze_excite"),
            "dilations": ("1", "1 1 2 1 2 1"),
            "conditioning": ("film", "film_attention"),
        },
        total=_interval(0.55, 0.13),
        add_in=tuple(rung("add_in", f, v, 27.05 + v) for f, v in steps),
        leave_out=tuple(rung("leave_out", f, v + 0.01, 27.6 - v) for f, v in steps),
        ladder=tuple(ladder),
        residual=_interval(0.14, 0.1),
    )


def _pareto(rows: Sequence[c.Row]) -> tuple[e.Pareto, ...]:
    units = {"parameters": "", "macs": "", "step_ms": "ms", "device_hours": "h"}
    out = []
    for cost, unit in units.items():
        points = tuple(
            e.ParetoPoint(
                variant=row.variant,
                cost=float(getattr(row.cost, cost)),
                value=row.estimates["psnr"].mean,
                low=row.estimates["psnr"].low,
                high=row.estimates["psnr"].high,
                member=k in {0, 3, 4},
                probability=(0.97, 0.3, 0.35, 0.61, 1.0)[k % 5],
            )
            for k, row in enumerate(rows)
        )
        out.append(e.Pareto(cost=cost, unit=unit, metric="psnr", points=points))
    return tuple(out)


SPEC: dict[str, Any] = {
    "study": "se_dilation",
    "question": "Do SE and mixed dilations help?",
    "data": {"kind": "procedural", "size": [64, 64], "motion": [0.0, 6.0]},
    "recipe": {
        "lr": 0.002,
        "warmup": 60,
        "grad_clip": 0.5,
        "batch": 16,
        "crop": 32,
        "precision": "fp32",
        "budget": {"steps": 600, "epochs": None, "clips": None},
        "optimiser": {"kind": "adamw"},
        "schedule": {"kind": "cosine"},
        "loss": {"kind": "charbonnier"},
    },
    "evaluation": {"val_every": 50, "select": "best", "gallery": 24},
    "arch": {"base_channels": 8},
    "factors": {"se": {"path": "arch.se", "levels": {"on": True, "off": False}}},
    "seeds": [0, 1, 2],
}


def comparison(
    folder: Path, names: Sequence[str] = tuple(LEVELS), *, gallery: int = 6, clips: int = 48
) -> c.Comparison:
    """A complete study of the variants `names`; pictures are written under `folder`."""
    rng = np.random.default_rng(0)
    base = names[0]
    trained = [_row(i, name, rng, base) for i, name in enumerate(names)]
    rows = (*trained, _reference("average", 26.0, 0.9), _reference("nearest", 24.1, 0.87))
    everyone = [row.variant for row in rows]
    main, interactions = _effects(base)
    psnr = [_curve(n, "psnr", 26 + GAIN[i % 5], 24, rng) for i, n in enumerate(names)]
    ssim = [_curve(n, "ssim", 0.92 + GAIN[i % 5] / 50, 0.85, rng) for i, n in enumerate(names)]
    health = [
        _curve(n, name, end, start, rng)
        for n in names
        for name, end, start in (
            ("loss", 0.02, 0.09),
            ("grad_norm", 0.2, 1.4),
            ("clip_rate", 0.1, 0.9),
        )
    ]
    contrasts = tuple(row.contrasts["psnr"] for row in trained if row.contrasts)
    return c.Comparison(
        study="se_dilation",
        question="Do squeeze-and-excitation and mixed dilations help V3, alone and together?",
        profile="demo",
        source="ablations/se_dilation.yaml",
        spec=SPEC,
        spec_hash="0f1e2d3c4b5a",
        baseline=base,
        metric="psnr",
        metrics=(PSNR, SSIM),
        panels=(EDGE, FLICKER),
        delta=0.1,
        level=0.95,
        at="the checkpoint that is best on validation, evaluated once on test",
        split="test",
        complete=True,
        planned_runs=17,
        finished_runs=17,
        rankable=True,
        protocols=(
            c.Protocol(
                hash="a1b2c3d4e5f6",
                fields={"rounding": "none", "colour": "RGB", "padding": "replicate", "tta": False},
                variants=tuple(everyone),
                ranked=True,
            ),
        ),
        headline=(
            "Removing SE costs 0.18 dB [0.02, 0.34]; three other differences are inconclusive.",
            "tempo_v2 is 0.55 dB below the baseline.",
        ),
        rows=rows,
        contrasts=contrasts,
        rule=Rule(
            metrics=("psnr",),
            delta={"psnr": 0.1},
            alpha=0.05,
            power=0.8,
            on="test",
            spending="obrien_fleming",
            baseline=base,
            sentence=f"PSNR on the test clips, 5 % error rate over all contrasts, against {base}",
        ),
        main_effects=main,
        interactions=interactions,
        aliases=(q.Alias(effect="se", with_effects=("width",), reason="both add parameters"),),
        attribution=_attribution(),
        noise=(
            q.Noise(
                metric="psnr",
                seed_sd=0.045,
                seeds=3,
                df=8.0,
                floor=0.11,
                sentence="Two means of three seeds differ by up to 0.11 dB by seed alone.",
            ),
        ),
        power=(
            q.Power(
                metric="psnr",
                seeds=3,
                detectable=0.17,
                low=0.07,
                high=0.2,
                power=0.8,
                alpha=0.05,
                sentence="3 seeds detect 0.17 dB with probability 0.8.",
            ),
        ),
        fairness=(
            c.Difference(
                field="parameters",
                severity="intended",
                values={n: str(r.cost.parameters) for n, r in zip(names, trained, strict=True)},
                sentence="SE adds parameters: 120 k against 165 k.",
            ),
        ),
        from_baseline=tuple(_from_baseline(names)),
        failures=(),
        exclusions=(Exclusion(levels={"se": "on", "norm": "none"}, reason="SE needs a norm"),),
        curves=(*psnr, *ssim),
        health=tuple(health),
        learning=(
            e.Learning(
                variant=base,
                metric="psnr",
                area=_interval(26.8, 0.1),
                passings=(e.Passing(level=27.0, step=220.0, seconds=15.0, passed=3, seeds=3),),
                plateau=None,
                tolerance=0.05,
                definition="no further gain above 0.05 dB",
            ),
        ),
        budgets=(
            e.BudgetView(
                budget="wall-clock",
                at=40.0,
                unit="s",
                metric="psnr",
                split="val",
                values={n: r.estimates["psnr"] for n, r in zip(names, trained, strict=True)},
                note="the shortest run's training time",
            ),
        ),
        pareto=_pareto(trained),
        strata=_strata(everyone),
        clip_table=_clips(names, rng, clips),
        gallery=_gallery(folder, everyone, gallery),
        runs=_runs(rows, folder),
        fingerprint="feedc0ffee12",
    )


def _from_baseline(names: Sequence[str]) -> Iterator[d.Differences]:
    """In what every variant differs from the first, with the variants' names as values."""
    first = d.Item(name=names[0], kind="variant", runs=3, finished=3)
    for name in names[1:]:
        yield d.Differences(
            before=first,
            after=replace(first, name=name),
            config=(d.FieldChange(path="arch.se.kind", before=names[0], after=name),),
            code=d.CodeChange(
                before=("0123456789abcdef",),
                after=("fedcba9876543210",),
                commits_before=(),
                commits_after=(),
                modules=(d.ModuleChange(module="models/blocks.py", how="changed"),),
                source="stamps",
            ),
            costs=(d.AmountChange(name="parameters", unit="", before=120e3, after=165e3),),
            curves=(
                d.CurveParting(
                    pair="s0",
                    curve="train loss",
                    points=20,
                    step=50,
                    equal_until=None,
                    before=0.1,
                    after=0.12,
                    last_step=1000,
                    at_end=-0.01,
                ),
            ),
            pairs=3,
        )


def partial(folder: Path) -> c.Comparison:
    """The same study while it runs: a variant that failed, one with a seed missing."""
    whole = comparison(folder)
    rows = list(whole.rows)
    one = rows[1].estimates["psnr"]
    short = {
        "psnr": replace(one, n=2, seeds=(0, 1), values=one.values[:2], run_ids=one.run_ids[:2])
    }
    rows[1] = replace(
        rows[1], state="partial", seeds=2, estimates=short, note="mean over 2 of 3 seeds"
    )
    rows[2] = replace(
        rows[2], state="failed", seeds=0, estimates={}, contrasts={}, note="no seed finished"
    )
    gone = rows[2].variant
    failure = c.Failure(
        run_id="dead00beef00",
        variant=gone,
        seed=0,
        status="failed",
        failure="oom",
        message="out of memory: asked for 2.1 GiB",
        detail="Traceback (most recent call last):\n  RuntimeError: out of memory",
        step=120,
        attempts=2,
        folder=folder / "runs" / "dead00beef00",
        log=None,
    )
    return replace(
        whole,
        rows=tuple(rows),
        complete=False,
        finished_runs=13,
        failures=(failure,),
        contrasts=tuple(each for each in whole.contrasts if each.variant != gone),
        curves=tuple(each for each in whole.curves if each.variant != gone),
        health=tuple(each for each in whole.health if each.variant != gone),
    )


def bare(folder: Path) -> c.Comparison:
    """A study of which nothing has finished."""
    whole = comparison(folder)
    rows = tuple(
        replace(row, state="missing", seeds=0, estimates={}, contrasts={}, cost=c.Cost(), rank=None)
        for row in whole.rows
    )
    return replace(
        whole,
        rows=rows,
        complete=False,
        finished_runs=0,
        headline=("No run has finished yet.",),
        contrasts=(),
        main_effects=(),
        interactions=(),
        aliases=(),
        attribution=None,
        noise=(),
        power=(),
        fairness=(),
        from_baseline=(),
        curves=(),
        health=(),
        learning=(),
        budgets=(),
        pareto=(),
        strata=(),
        clip_table=None,
        gallery=(),
        runs=(),
    )


def hostile(folder: Path, names: Sequence[str]) -> c.Comparison:
    """A study in which every word that a user chooses is out to break the page."""
    made = comparison(folder, names)
    worst = "".join(names)
    effects = tuple(
        replace(
            effect,
            factors=tuple(names[: len(effect.factors)]),
            terms=tuple(names[: len(effect.terms)]),
        )
        for effect in (*made.main_effects, *made.interactions)
    )
    assert made.attribution is not None
    attribution = replace(
        made.attribution,
        start=names[0],
        end=names[1],
        changes={name: (worst, name) for name in names},
        add_in=tuple(
            replace(rung, factor=name)
            for rung, name in zip(made.attribution.add_in, names, strict=False)
        ),
        note=worst,
    )
    failure = partial(folder / "partial").failures[0]
    gallery = tuple(
        replace(clip, clip=f"{worst}{index}", source=worst)
        for index, clip in enumerate(made.gallery)
    )
    return replace(
        made,
        study=worst,
        question=worst,
        source=worst,
        profile=worst,
        at=worst,
        headline=names,
        spec={**SPEC, "note": worst, "recipe": {**SPEC["recipe"], "precision": worst}},
        main_effects=effects,
        attribution=attribution,
        failures=(replace(failure, variant=worst, message=worst, detail=worst),),
        exclusions=(Exclusion(levels={worst: worst}, reason=worst),),
        gallery=gallery,
        stale=(worst,),
    )
