"""Compose the page of a study: its summary, and what stands in which section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tempo.comparison.comparison import Comparison
from tempo.core.own_command import page_command
from tempo.core.plugins.parts import names_of
from tempo.core.seed_stages import SeedStages
from tempo.report.figures.export import Made
from tempo.report.formats.table import NotApplicable, Table
from tempo.report.pages.gallery import BUDGET, gallery
from tempo.report.pages.page import Banner, Box, Page, Remark, Section, Summary, demonstration, text
from tempo.report.pages.runs import command, environments, resolved_spec, run_columns, run_groups

SECTIONS = (
    Section("results", "Results", ("table:results", ("figure:seeds", "figure:forest"))),
    Section(
        "curves",
        "Learning curves",
        (
            {
                "learning_curves": "by step",
                "learning_by_epoch": "by epoch",
                "learning_by_time": "by time",
            },
            "table:learning",
        ),
    ),
    Section("samples", "Samples", ("figure:strip", "gallery")),
    Section("contrasts", "Contrasts", ("precision", "table:contrasts")),
    Section("effects", "Main effects and interactions", ("figure:effects", "table:effects")),
    Section(
        "attribution",
        "How one variant becomes another",
        ("figure:attribution", "table:attribution"),
    ),
    Section(
        "cost",
        "Quality and cost",
        ("figure:pareto", "table:fronts", "table:costs", "table:budgets"),
    ),
    Section(
        "where",
        "Where they differ",
        (
            ({"strata": "values", "strata_difference": "differences"}, "figure:clip_scatter"),
            "table:strata",
        ),
    ),
    Section("edges", "Edges and flicker", ("figure:edges_and_time",)),
    Section("fairness", "Fairness audit", ("table:fairness",)),
    Section("health", "Training health", ("figure:health", "failures")),
    Section("claims", "What the upgrade note expects", ("table:claims",)),
    Section("runs", "Runs", ("runs",)),
    Section("reproduction", "Reproduction", ("reproduction",)),
)


def study_page(
    comparison: Comparison,
    figures: Mapping[str, Made],
    tables: Mapping[str, Table | NotApplicable],
    budget: int = BUDGET,
) -> Page:
    """Return the page of `comparison`; `budget`: most bytes of gallery pictures."""
    return Page(
        kind="ablation report",
        title=comparison.study,
        question=comparison.question,
        summary=study_summary(comparison),
        sections=(*SECTIONS[:-2], *_of_plugins(), *SECTIONS[-2:]),
        figures=figures,
        tables=tables,
        texts=texts(comparison, budget),
        colophon=f"fingerprint {comparison.fingerprint}",
    )


def _of_plugins() -> tuple[Section, ...]:
    """Return a section of the figures and tables that plug-ins added; none without any."""
    places = [f"{kind}:{name}" for kind in ("figure", "table") for name in names_of(kind)]
    return (Section("own", "From plug-ins", tuple(places)),) if places else ()


def texts(comparison: Comparison, budget: int = BUDGET) -> dict[str, str]:
    """Return the parts of the page that are words, pictures and lists of runs, by name."""
    shown = gallery(comparison, budget)
    told = {"comparison": comparison}
    failed = comparison.failures or comparison.exclusions
    noisy = comparison.noise or comparison.power
    return {
        "gallery": text("gallery.html", gallery=shown) if shown.clips else "",
        "precision": text("precision.html", **told) if noisy else "",
        "failures": text("failures.html", **told) if failed else "",
        "runs": text("runs.html", columns=run_columns(comparison), groups=run_groups(comparison)),
        "reproduction": text(
            "reproduction.html",
            command=command(comparison.source, comparison.profile),
            compare_command=page_command("compare", comparison.study),
            spec=resolved_spec(comparison),
            environments=environments(comparison),
            **told,
        ),
    }


def study_summary(comparison: Comparison) -> Summary:
    """Return what opens the page of a study; sentences are the comparison's, word for word."""
    failed = tuple(Remark(sentence, "#failures") for sentence in _failed(comparison))
    differs = tuple(
        Remark(each.sentence, "#fairness")
        for each in comparison.fairness
        if each.severity == "unintended"
    )
    return Summary(
        banners=(*_banners(comparison), *demonstration(comparison.profile, "a report")),
        verdict=comparison.headline[0] if comparison.headline else "No run has finished yet.",
        also=comparison.headline[1:],
        boxes=(
            Box("Study", _facts(comparison)),
            Box(
                "Held equal",
                held_equal(comparison),
                empty="Nothing that the spec names: the variants differ in every part.",
            ),
            Box(
                "Failed or differs",
                remarks=(*failed, *differs),
                empty="No run failed, and the runs differ in nothing but what the study varies.",
            ),
        ),
    )


def _banners(comparison: Comparison) -> Iterator[Banner]:
    if not comparison.complete:
        done, planned = comparison.finished_runs, comparison.planned_runs
        yield Banner(
            "alert",
            "Partial",
            f"{done} of {planned} runs have finished. Numbers are of what there is, and will "
            "change; run the study again to finish it, then rebuild this page.",
        )
    for sentence in comparison.stale:
        yield Banner("alert", "Stale", sentence)
    if comparison.exploratory:
        yield Banner(
            "alert",
            "Exploratory",
            f"This is not what the study's rule asks: {'; '.join(comparison.exploratory)}. "
            "Verdicts are answers to a question that was asked after the data were seen.",
        )
    if not comparison.rankable:
        yield Banner(
            "alert",
            "Different protocols",
            "The rows were not all evaluated by one protocol: they are shown, but not ranked.",
        )


def _facts(comparison: Comparison) -> dict[str, str]:
    rows = comparison.trained
    seeds = sorted({row.planned_seeds for row in rows})
    facts = {
        "runs": f"{comparison.finished_runs} of {comparison.planned_runs} finished",
        "variants": str(len(rows)),
        "seeds each": "–".join(
            str(n) for n in dict.fromkeys((seeds or [0])[:: len(seeds) - 1 or 1])
        ),
    }
    if comparison.clip_table is not None:
        sources = len(set(comparison.clip_table.sources))
        clips = len(comparison.clip_table.clips)
        facts[f"{comparison.split} clips"] = f"{clips} from {sources} sources"
    if comparison.baseline:
        facts["baseline"] = comparison.baseline
    facts["reported"] = comparison.at
    if comparison.protocols:
        facts["protocol"] = ", ".join(each.hash for each in comparison.protocols)
    if comparison.delta is not None:
        info = comparison.info(comparison.metric)
        facts["no difference"] = f"within ±{comparison.delta:g} {info.unit}".strip()
    return facts


def _failed(comparison: Comparison) -> Iterator[str]:
    for each in comparison.failures:
        seed = "" if each.seed is None else f", seed {each.seed}"
        why = each.failure or each.status
        yield f"{each.variant}{seed}: {why} at step {each.step}. {each.message}".strip()


def held_equal(comparison: Comparison) -> dict[str, str]:
    """Return label and value of what every variant shares by the spec; varied fields left out."""
    recipe, data = _map(comparison.spec.get("recipe")), _map(comparison.spec.get("data"))
    entries = (
        ("data", ("data",), _data(data)),
        ("budget", ("recipe.budget",), _budget(recipe)),
        ("batch", ("recipe.batch", "recipe.crop"), _batch(recipe)),
        ("learning rate", ("recipe.lr", "recipe.warmup", "recipe.schedule"), _rate(recipe)),
        ("optimiser", ("recipe.optimiser",), _kind(recipe.get("optimiser"))),
        ("gradient clip", ("recipe.grad_clip",), _say(recipe.get("grad_clip"))),
        ("loss", ("recipe.loss",), _kind(recipe.get("loss"))),
        ("precision", ("recipe.precision",), _say(recipe.get("precision"))),
        ("seeds", ("seeds",), _seeds(comparison.spec.get("seeds"))),
    )
    varied = set(varied_paths(comparison.spec))
    return {
        label: value
        for label, paths, value in entries
        if value and not any(_overlap(path, other) for path in paths for other in varied)
    }


def varied_paths(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield the dotted paths that a factor or a listed variant sets."""
    for factor in _map(spec.get("factors")).values():
        fields = _map(factor)
        if fields.get("path"):
            yield str(fields["path"])
            continue
        for level in _map(fields.get("levels")).values():
            yield from _leaves(level)
    for variant in _variants(spec):
        yield from _leaves(_map(variant).get("set"))


def _variants(spec: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the variants that a spec spells out, in `variants` or under a design."""
    yield from _map(spec.get("variants")).values()
    for design in spec.get("design") or ():
        listed = _map(design).get("variants")
        yield from (each for each in listed or () if isinstance(each, Mapping))


def _leaves(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif path:
        yield path


def _overlap(path: str, other: str) -> bool:
    return path == other or path.startswith(other + ".") or other.startswith(path + ".")


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _say(value: Any) -> str:
    """Return a value of a spec in words; nothing for None."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_say, value))
    return "" if value is None else str(value)


def _seeds(seeds: Any) -> str:
    """Return a spec's seeds in words, adaptive ones as a range."""
    stages = SeedStages.of(seeds)
    return _say(seeds) if stages is None else str(stages)


def _kind(slot: Any) -> str:
    return _say(slot.get("kind")) if isinstance(slot, Mapping) else _say(slot)


def _pair(value: Any, between: str, unit: str) -> str:
    return between.join(map(_say, value)) + unit if isinstance(value, list | tuple) else _say(value)


def _data(data: Mapping[str, Any]) -> str:
    size, motion = data.get("size"), data.get("motion")
    parts = [_say(data.get("kind"))]
    parts += [_pair(size, " × ", " pixels")] if size else []
    parts += ["motion " + _pair(motion, " to ", " px")] if motion else []
    return ", ".join(filter(None, parts))


def _budget(recipe: Mapping[str, Any]) -> str:
    given = {name: value for name, value in _map(recipe.get("budget")).items() if value}
    return ", ".join(f"{_say(value)} {name}" for name, value in given.items())


def _batch(recipe: Mapping[str, Any]) -> str:
    batch, crop = _say(recipe.get("batch")), _say(recipe.get("crop"))
    return f"{batch} crops of {crop} × {crop} pixels" if batch and crop else ""


def _rate(recipe: Mapping[str, Any]) -> str:
    rate, warmup = _say(recipe.get("lr")), _say(recipe.get("warmup"))
    if not rate:
        return ""
    parts = [rate, _kind(recipe.get("schedule")), f"{warmup} steps of warmup" if warmup else ""]
    return ", ".join(filter(None, parts))
