"""Say what all variants of a study share, by its spec: what no factor and no variant sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tempo.comparison.comparison import Comparison
from tempo.core.seed_stages import SeedStages


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
