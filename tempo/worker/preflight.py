"""Answer a study's questions about this machine before training: what lacks, what fails."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tempo.core.errors import MissingError, TempoError, lacking_on_machine
from tempo.core.startup import loading
from tempo.worker.process_setup import die_with_parent, limit_threads

if TYPE_CHECKING:
    from pathlib import Path

    from tempo.spec.study import RunConfig


def execute(options: argparse.Namespace) -> int:
    """Read a request from stdin, answer in JSON lines.

    Request: {"missing": {label: [config, ...]}, "rehearse": {variant: config}, "parents":
    {variant: {source of weights: {"config": config} or {"path": path}}}, "laws": whether laws are
    checked, "widths": [{"config": config, "target": config, "by": "parameters" or "macs"}, ...],
    "slots": [config, ...]}.

    Every width gets {"width": ...}, in order; configs of which nothing is to be rehearsed get
    {"slots": ...} as below. Every label gets {"missing": label, "sentences": [...]}. When nothing
    is missing and there is something to rehearse: {"slots": [environment, ...], "device": name},
    then {"rehearsed": variant, "weight": work a clip} or {"broken": variant, "message": ...} for
    each, {"unlawful": variant, "message": ...} for each law that parts of plug-ins in it break,
    then {"prepare": what, "done": n, "total": n} while data is cached, which may end with
    another {"missing": ...} or with {"unprepared": message}.
    """
    limit_threads(1)
    if options.with_parent:
        die_with_parent()
    request = json.load(sys.stdin)
    with loading():
        from tempo.spec.study import RunConfig
        from tempo.train.hardware.device import device_name, pick_device
        from tempo.train.hardware.preflight import device_slots, missing

    for asked in request.get("widths", ()):
        _say(width=_width(**asked))
    if alone := [RunConfig.model_validate(each) for each in request.get("slots", ())]:
        _say(slots=device_slots(alone), device=device_name(pick_device(alone[0].runtime)))
    lacking = False
    for label, configs in request["missing"].items():
        sentences: dict[str, None] = {}
        distinct = {json.dumps(config, sort_keys=True): config for config in configs}
        for config in distinct.values():
            sentences |= dict.fromkeys(missing(RunConfig.model_validate(config)))
        _say(missing=label, sentences=list(sentences))
        lacking = lacking or bool(sentences)
    variants = {
        name: RunConfig.model_validate(config) for name, config in request["rehearse"].items()
    }
    if lacking or not variants:
        return 0
    device = device_name(pick_device(next(iter(variants.values())).runtime))
    _say(slots=device_slots(variants.values()), device=device)
    parents = request.get("parents", {})
    broken = [
        name
        for name, config in variants.items()
        if not _rehearsed(name, config, parents.get(name, {}))
    ]
    if not broken and request.get("laws"):
        _check_laws(variants)
    if not broken:
        _prepare(variants.values(), options.cache)
    return 0


def _say(**message: Any) -> None:
    print(json.dumps(message), flush=True)


def _width(config: dict[str, Any], target: dict[str, Any], by: str) -> dict[str, Any]:
    from tempo.spec.arch import ArchSpec
    from tempo.spec.study import RunConfig
    from tempo.train.hardware.preflight import same_cost

    one, other = RunConfig.model_validate(config), RunConfig.model_validate(target)
    crops = one.recipe.crop, other.recipe.crop
    assert isinstance(one.arch, ArchSpec)  # The plan widens no other network.
    return asdict(same_cost(one.arch, other.arch, by, crops))


def _rehearsed(name: str, config: RunConfig, parents: dict[str, Any]) -> bool:
    """Build the variant, train it a step and measure it; returns whether that worked."""
    from tempo.train.hardware.preflight import rehearse

    try:
        weight = rehearse(config, parents)
    except Exception as error:
        # Whatever a part raises here it would raise in every run, so the user is told now.
        kind = "" if isinstance(error, TempoError) else f"{type(error).__name__}: "
        _say(broken=name, message=f"{kind}{error}")
        return False
    _say(rehearsed=name, weight=weight)
    return True


def _check_laws(variants: dict[str, RunConfig]) -> None:
    """Say which laws the networks of plug-ins break, and those with parts of plug-ins in them."""
    from tempo.models.laws import check_laws, subject_of, title_of
    from tempo.spec.data import views_of
    from tempo.spec.plugins.plugin_list import has_parts

    known: dict[str, list[str]] = {}
    for name, config in variants.items():
        if config.method != "network" or not has_parts(config.arch):
            continue
        views = views_of(config.data)
        key = f"{views} {config.arch.model_dump_json()}"
        if key not in known:
            found = check_laws(subject_of(config.arch, views))
            known[key] = [each.sentence for each in found if each.held is False]
        for sentence in known[key]:
            _say(unlawful=name, message=f"{title_of(config.arch)} {sentence}")


def _prepare(configs: Iterable[RunConfig], cache: Path) -> None:
    from tempo.data.cache.cache_builder import cores
    from tempo.data.open_dataset import prepare

    def report(done: int, total: int, what: str) -> None:
        _say(prepare=what, done=done, total=total)

    distinct = {each.model_dump_json(): each for config in configs for each in config.datasets}
    for data in distinct.values():
        try:
            prepare(data, cache, report, cores())
        except MissingError as error:
            _say(missing="", sentences=[str(error)])
            return
        except Exception as error:
            said = str(error) if isinstance(error, TempoError) else lacking_on_machine(error)
            if said is None:
                raise
            _say(unprepared=said)
            return
