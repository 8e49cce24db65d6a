"""Add parts to Tempo's tables: what the file or package of a plug-in calls, by `tempo.plugins`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from tempo.core.catalog import unknown
from tempo.core.errors import PluginError
from tempo.core.plugins.parts import add_part, part_of, taken
from tempo.core.records import MetricInfo
from tempo.spec import arch_slots, data, losses, recipe
from tempo.spec.methods import METHOD_TABLE, NETWORK_METHOD, OWN_METHODS
from tempo.spec.metrics import METRIC_INFOS, METRIC_TABLE
from tempo.spec.networks import NETWORKS, TEMPO
from tempo.spec.options import Options, OptionsCatalog

Implementation = Callable[..., Any] | str
"""What makes a part, or where it is found: `module:name`, imported where it is first used."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A table of parts with options: `given` names what each is made from, after its options."""

    catalog: OptionsCatalog
    given: tuple[str, ...] = ()
    named: tuple[str, ...] = ()

    @property
    def call(self) -> str:
        """How a part is made, as a message shows it."""
        return ", ".join(("options", *self.given, *(f"{name}=..." for name in self.named)))


SLOTS: Mapping[str, Slot] = {
    "block": Slot(arch_slots.BLOCKS, ("site",)),
    "se": Slot(arch_slots.CHANNEL_ATTENTION, ("channels",)),
    "residual_group": Slot(arch_slots.RESIDUAL_GROUPS),
    "conditioning": Slot(arch_slots.CONDITIONING, ("channels", "time_channels")),
    "time_encoder": Slot(arch_slots.TIME_ENCODERS, (), ("target",)),
    "temporal_weights": Slot(arch_slots.TEMPORAL_WEIGHTS, ("time_channels",)),
    "motion": Slot(arch_slots.MOTIONS),
    "fusion": Slot(arch_slots.FUSIONS, ("channels",)),
    "decoder": Slot(arch_slots.DECODERS, ("arch", "inputs", "channels", "blocks", "time_channels")),
    "head": Slot(arch_slots.HEADS, ("arch", "inputs")),
    "output": Slot(arch_slots.OUTPUTS),
    "scene_cut": Slot(arch_slots.SCENE_CUTS),
    "norm": Slot(arch_slots.NORMS, ("channels",)),
    "network": Slot(NETWORKS),
    "loss": Slot(losses.LOSSES),
    "optimiser": Slot(recipe.OPTIMISERS, ("model", "lr")),
    "schedule": Slot(recipe.SCHEDULES, ("peak", "share")),
    "data": Slot(data.DATASETS),
}
"""What `register` adds to, by the word that specs use."""

NAMED_TABLES = {
    "test set": "a tempo.data.testsets.testset.Facts",
    "figure": "a function of a comparison",
    "table": "a function of a comparison",
    "launcher": "a function of a LauncherContext",
    "notifier": "a function of a notice",
}
"""What `register_named` adds to: parts without options, chosen by their names."""

NAMED_FUNCTIONS = {
    "figure": "comparison",
    "table": "comparison",
    "launcher": "context",
    "notifier": "notice",
}
"""What the functions of such a table are called with."""


def register(slot: str, options: type[Options], implementation: Implementation) -> None:
    """Add a kind that can fill a slot of a spec.

    Args:
        slot: the word of the spec: block, norm, loss, optimiser, data, network ...
        options: a subclass of `Options` whose `kind` is its name in specs.
        implementation: what is called with the options, and with what else the slot gives; or
            its place as the text `module:name`, so that a plan need not import torch.

    Raises:
        PluginError: for an unknown slot, a name that is taken, options without a name, or an
            implementation that cannot be called as the slot calls it.
    """
    if slot not in SLOTS:
        raise PluginError(unknown("slot", slot, SLOTS))
    known = SLOTS[slot]
    kind = _kind(slot, options)
    if kind in known.catalog or (slot == "network" and kind == TEMPO):
        _refuse_taken(known.catalog.what, kind)
    if slot != "data":
        _check_call(slot, kind, implementation, known)
    elif not isinstance(implementation, str):
        _check_data(kind, implementation)
    add_part(
        known.catalog.what,
        kind,
        implementation,
        options=options,
        forget=partial(known.catalog.remove, kind),
    )
    known.catalog.add(kind, options)


def _refuse_taken(table: str, name: str) -> None:
    part = part_of(table, name)
    raise PluginError(taken(table, name, part.plugin if part else None))


def _kind(slot: str, options: Any) -> str:
    if not isinstance(options, type) or not issubclass(options, Options):
        given = getattr(options, "__name__", repr(options))
        raise PluginError(
            f"the options of a {slot} are a subclass of tempo.plugins.Options, not {given}"
        )
    info = options.model_fields["kind"]
    if not isinstance(info.default, str) or not info.default:
        name = options.__name__.lower()
        raise PluginError(
            f"the options class {options.__name__} has no name for specs; give it the field "
            f'kind: Literal["{name}"] = "{name}"'
        )
    return info.default


def _check_call(slot: str, kind: str, implementation: Implementation, known: Slot) -> None:
    if isinstance(implementation, str):
        return
    if not callable(implementation):
        raise PluginError(
            f"what makes the {slot} {kind!r} is a class, a function or `module:name`, not "
            f"{implementation!r}"
        )
    if misfit := _misfit(implementation, None, *known.given, **dict.fromkeys(known.named)):
        shown, why = misfit
        raise PluginError(
            f"a {slot} is made by calling ({known.call}), and {shown} cannot be called so: {why}"
        )


def _check_data(kind: str, module: Any) -> None:
    lacking = [name for name in ("check_available", "plan_split") if not hasattr(module, name)]
    if lacking:
        raise PluginError(
            f"the data set {kind!r} needs the functions check_available(options, splits) and "
            f"plan_split(options, split, cache); {', '.join(lacking)} is missing"
        )


def register_metric(
    name: str,
    function: Implementation,
    *,
    unit: str = "",
    better: Literal["higher", "lower"],
    definition: str,
    digits: int = 3,
    label: str = "",
) -> None:
    """Add a metric of a predicted frame against its target.

    It is measured by the test evaluation where `evaluation.metrics` or `evaluation.select_by`
    names it, and by validations too.

    Args:
        name: its name in specs and tables.
        function: called with the prediction and the target, float32 [B, 3, H, W] in 0..1; returns
            a value a picture, [B], or None where such pictures have none. Or `module:name`.
        unit: such as dB; empty for a ratio.
        better: which direction is better.
        definition: one sentence that says exactly what is measured.
        digits: decimals that tables print.
        label: what people call it; default: the name in capitals.

    Raises:
        PluginError: for a name that is taken, or a function that does not take two pictures.
    """
    _check_name(METRIC_TABLE, name)
    if better not in {"higher", "lower"}:
        raise PluginError(f"the metric {name!r} is better 'higher' or 'lower', not {better!r}")
    if name in METRIC_INFOS:
        _refuse_taken(METRIC_TABLE, name)
    _check_function(f"the metric {name!r}", function, ("prediction", "target"))
    info = MetricInfo(
        name=name, unit=unit, better=better, digits=digits, definition=definition, label=label
    )
    add_part(METRIC_TABLE, name, function, forget=partial(METRIC_INFOS.remove, name))
    METRIC_INFOS.add(name, info)


def register_method(name: str, function: Implementation) -> None:
    """Add a method without weights, which `references` and `method` of a spec can name.

    Args:
        name: its name in specs and tables.
        function: called as `function(frames [B, N, 3, H, W], times [B, N], target_time [B])`;
            returns the pictures [B, 3, H, W]. Or its place, `module:name`.

    Raises:
        PluginError: for a name that is taken, or a function with other parameters.
    """
    _check_name(METHOD_TABLE, name)
    if name in {*OWN_METHODS, NETWORK_METHOD}:
        raise PluginError(taken(METHOD_TABLE, name))
    _check_function(f"the method {name!r}", function, ("frames", "times", "target_time"))
    add_part(METHOD_TABLE, name, function)


def register_named(table: str, name: str, value: Any) -> None:
    """Add a part without options: a test set, figure, table, launcher or notifier.

    Args:
        table: `test set`, `figure`, `table`, `launcher` or `notifier`.
        name: what it is chosen by.
        value: what implements it, or its place as the text `module:name`.

    Raises:
        PluginError: for an unknown table, a taken name, or a function that cannot be called so.
    """
    if table not in NAMED_TABLES:
        raise PluginError(unknown("table of parts", table, NAMED_TABLES))
    _check_name(table, name)
    if table in NAMED_FUNCTIONS:
        _check_function(f"the {table} {name!r}", value, (NAMED_FUNCTIONS[table],))
    add_part(table, name, value)


def _check_name(table: str, name: Any) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise PluginError(f"the name of a {table} is made of letters, digits and `_`, not {name!r}")


def _check_function(what: str, function: Implementation, given: tuple[str, ...]) -> None:
    if isinstance(function, str):
        return
    if not callable(function):
        raise PluginError(f"{what} is a function or `module:name`, not {function!r}")
    if misfit := _misfit(function, *given):
        shown, why = misfit
        raise PluginError(
            f"{what} is called with ({', '.join(given)}), and {shown} cannot be: {why}"
        )


def _misfit(
    function: Callable[..., Any], *given: object, **named: object
) -> tuple[str, str] | None:
    """Return a function as a message shows it and why it cannot be called so; None where it can.

    A function of compiled code may not say what it takes; the call then tells.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*given, **named)
    except TypeError as error:
        return f"{getattr(function, '__name__', repr(function))}{signature}", str(error)
    return None
