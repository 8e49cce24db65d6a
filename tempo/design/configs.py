"""Resolve a study's config under overlays, validating each distinct section once.

Ten thousand variants share a few hundred distinct sections, so planning stays quick and small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import ValidationError, create_model

from tempo.core.errors import Place, PluginError
from tempo.spec.methods import NETWORK_METHOD
from tempo.spec.options import Section
from tempo.spec.plugins.plugin_list import modules_in, named_by, used
from tempo.spec.presets import expand_preset
from tempo.spec.study import RunConfig, result_fields
from tempo.spec.yaml.error_text import validate
from tempo.spec.yaml.problems import Problems
from tempo.spec.yaml.schema_walk import Shape, complete
from tempo.spec.yaml.value_tree import NETWORK, Entry, Mapped, Node, merge, merge_network

SECTIONS = tuple(RunConfig.model_fields)


@cache
def _section_model(name: str) -> type[Section]:
    """Return a model of one section of RunConfig, so that the section can be validated alone."""
    info = RunConfig.model_fields[name]
    field: Any = {name: (info.annotation, info)}
    model: type[Section] = create_model(f"Only{name.title()}", __base__=Section, **field)
    return model


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A validated section: value, JSON, the fields that count for the run id, JSON text, and the
    plug-ins whose parts it names."""

    value: Any
    dumped: Any
    chosen: Mapping[str, Any]
    text: str
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A RunConfig as JSON values; `key` is equal for equal configs, `chosen` feeds the run_id."""

    config: Mapping[str, Any]
    chosen: Mapping[str, Any]
    key: tuple[str, ...]

    @property
    def method(self) -> str:
        return str(self.config["method"])


class Configs:
    """Resolves configs over one study's tree; broken rules are added to `problems`."""

    def __init__(self, tree: Mapped, problems: Problems) -> None:
        self.base = {name: tree.entries.get(name) for name in SECTIONS}
        self.problems = problems
        self._merged: dict[tuple[int, int], Node] = {}
        self._parts: dict[tuple[str, int], Part | None] = {}
        self._sound: dict[tuple[int, ...], bool] = {}
        self._modules = set(modules_in(tree)) if self.base["plugins"] else set()
        self._kept: list[Node] = []

    def resolve(self, overlays: Sequence[Mapped]) -> Resolved | None:
        """Return the config under `overlays`, later ones winning; None if a rule is broken."""
        parts: list[Part] = []
        for name in SECTIONS:
            part = self._part(name, self._entry(name, overlays))
            if part is not None:
                parts.append(part)
        if len(parts) < len(SECTIONS) or not self._fit_together(parts, overlays):
            return None
        chosen: dict[str, Any] = {}
        for part in parts:
            chosen |= part.chosen
        config = {name: part.dumped for name, part in zip(SECTIONS, parts, strict=True)}
        plugins = self._plugins(parts, overlays)
        if plugins is None:
            return None
        return Resolved(
            config=config | {"plugins": plugins},
            chosen=chosen,
            key=tuple(part.text for part in parts),
        )

    def _plugins(
        self, parts: Sequence[Part], overlays: Sequence[Mapped]
    ) -> list[dict[str, Any]] | None:
        """Return the plug-ins that the sections use; None, with a problem, when one is missing."""
        values = {name: part.value for name, part in zip(SECTIONS, parts, strict=True)}
        network = values["arch"] if values["method"] == NETWORK_METHOD else None
        named = (name for part in parts for name in part.plugins)
        try:
            found = used(named, network, values["plugins"], self._modules)
        except PluginError as error:
            arch = self.base["arch"]
            places = [each.place for each in overlays] or [arch.key if arch else Place("arch")]
            self.problems.add(str(error), places[-1])
            return None
        return [each.model_dump(mode="json") for each in found]

    def _entry(self, name: str, overlays: Sequence[Mapped]) -> Entry | None:
        entry = self.base[name]
        for overlay in overlays:
            over = overlay.entries.get(name)
            if over is not None:
                node = self._merge(name, entry.node, over.node) if entry else over.node
                entry = Entry(over.key, node)
        return entry

    def _merge(self, name: str, under: Node, over: Node) -> Node:
        """Merge two nodes into one object per pair, so that equal work is found by identity."""
        pair = id(under), id(over)
        if pair not in self._merged:
            self._merged[pair] = (merge_network if name == NETWORK else merge)(under, over)
            self._kept += (under, over)
        return self._merged[pair]

    def _part(self, name: str, entry: Entry | None) -> Part | None:
        key = name, id(entry.node) if entry else 0
        if key not in self._parts:
            self._parts[key] = self._validated(name, entry)
            self._kept += [entry.node] if entry else []
        return self._parts[key]

    def _validated(self, name: str, entry: Entry | None) -> Part | None:
        model = _section_model(name)
        entries: dict[str, Entry] = {}
        before = len(self.problems)
        if entry is not None:
            node = expand_preset(entry.node, self.problems) if name == "arch" else entry.node
            entries[name] = Entry(entry.key, node)
        tree = complete(Mapped(entries, entry.key if entry else Place("defaults")), Shape(model))
        alone = validate(model, tree, self.problems)
        if alone is None or len(self.problems) > before:
            return None
        dumped = alone.model_dump(mode="json")
        # Fields come in the order of the schema, so equal values give equal text.
        text = alone.model_dump_json()
        value = getattr(alone, name)
        chosen = result_fields(alone, dumped)
        return Part(value, dumped[name], chosen, text, named_by(name, value))

    def _fit_together(self, parts: Sequence[Part], overlays: Sequence[Mapped]) -> bool:
        """Return whether the sections fit each other (rules of RunConfig that span sections)."""
        key = tuple(id(part) for part in parts)
        if key not in self._sound:
            values = {name: part.value for name, part in zip(SECTIONS, parts, strict=True)}
            try:
                RunConfig.model_validate(values)
                self._sound[key] = True
            except ValidationError as error:
                for each in error.errors():
                    section = str(each["loc"][0])
                    written = self.base[section]
                    places = [written.key if written else Place(section)]
                    places += [overlay.place for overlay in overlays]
                    cause = each.get("ctx", {}).get("error", each["msg"])
                    self.problems.add(str(cause), places[-1])
                self._sound[key] = False
        return self._sound[key]
