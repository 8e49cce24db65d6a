"""Define the list of plug-ins in a spec; import what is listed, and say which a run uses."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from tempo.core.errors import Place, PluginError
from tempo.core.plugins import loading
from tempo.core.plugins.parts import part_of, parts, plugin_of_options
from tempo.spec.methods import METHOD_TABLE
from tempo.spec.metrics import METRIC_TABLE
from tempo.spec.networks import target_module
from tempo.spec.options import ListOf
from tempo.spec.yaml.problems import Problems
from tempo.spec.yaml.value_tree import Entry, Listing, Mapped, Node, Scalar, shown, written


class PluginEntry(BaseModel):
    """A plug-in as a plan and a run record it: the module that is imported, and the folder that it
    lies in; null stands for an installed package. A spec writes its name or its file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    root: str | None = None


def _entry(value: Any) -> Any:
    """Import what is still a text: that of one variant, or of a spec that is no file."""
    if not isinstance(value, str):
        return value
    try:
        source = loading.find(value, Path())
        loading.load(source)
    except PluginError as error:
        raise ValueError(str(error)) from error
    return source.to_json()


Plugins = Annotated[
    tuple[Annotated[PluginEntry, BeforeValidator(_entry, json_schema_input_type=str)], ...], ListOf
]


def import_listed(tree: Mapped, problems: Problems) -> Mapped:
    """Import a spec's plug-ins and those of installed packages; return the tree with folders.

    A path is relative to the file that names it. What fails goes to `problems`, with its place.
    """
    loading.installed()
    entry = tree.entries.get("plugins")
    if entry is None:
        return tree
    if not isinstance(entry.node, Listing):
        given = shown(entry.node.value) if isinstance(entry.node, Scalar) else "a mapping"
        problems.add(
            f"plugins is a list of modules and files, such as [./blocks.py], not {given}",
            entry.node.place,
        )
        return tree.without("plugins")
    found = [made for item in entry.node.items if (made := _imported(item, problems))]
    return tree.with_entry("plugins", Entry(entry.key, Listing(tuple(found), entry.node.place)))


def _imported(item: Node, problems: Problems) -> Node | None:
    if isinstance(item, Mapped):
        # Written out already: a plan's own form.
        return item
    if not isinstance(item, Scalar) or not isinstance(item.value, str):
        what = shown(item.value) if isinstance(item, Scalar) else "a list"
        problems.add(
            f"a plug-in is the name of a module or the path of a file, not {what}", item.place
        )
        return None
    try:
        source = loading.find(item.value, folder_of(item.place))
        loading.load(source)
    except PluginError as error:
        problems.add(str(error), item.place)
        return None
    return written(source.to_json(), item.place)


def folder_of(place: Place) -> Path:
    """Return the folder that paths at a place are relative to: of the file, or the current one."""
    file = Path(place.source)
    return file.parent if file.suffix in {".yaml", ".yml"} else Path()


def modules_in(tree: Node) -> Iterator[str]:
    """Yield the modules of the networks that a spec names, in whatever variant: `my_net:Net`."""
    if isinstance(tree, Scalar):
        found = _TARGET.fullmatch(tree.value) if isinstance(tree.value, str) else None
        if found:
            yield found[1]
    elif isinstance(tree, Listing):
        for item in tree.items:
            yield from modules_in(item)
    else:
        for _, node in tree.entries.values():
            yield from modules_in(node)


_TARGET = re.compile(r"([A-Za-z_][\w.]*):[A-Za-z_][\w.]*")


def used(
    named: Iterable[str],
    network: object,
    listed: Sequence[PluginEntry],
    modules: Collection[str] = (),
) -> tuple[PluginEntry, ...]:
    """Return the plug-ins that decide a run: the `named` ones, the module of its `network`, and
    those that nothing names, whose effect nobody can know.

    `modules` are those of any network in the study.

    Raises:
        PluginError: when the module of the network cannot be found.
    """
    if not listed and network is None and not loading.loaded():
        return ()
    known = {each.name: each for each in listed}
    known |= {each.name: PluginEntry(**each.to_json()) for each in loading.installed()}
    told = {*(part.plugin for part in parts()), *modules}
    names = [*(each.name for each in listed if each.name not in told), *named]
    out = {name: known[name] for name in dict.fromkeys(names) if name in known}
    module = target_module(network)
    if module is not None and module not in out:
        out[module] = known.get(module) or PluginEntry(**_found(module))
    return tuple(out.values())


def _found(module: str) -> dict[str, Any]:
    return loading.find(module, Path.cwd()).to_json()


def named_by(section: str, value: Any) -> tuple[str, ...]:
    """Return the plug-ins whose parts a section of a run names, each once."""
    return tuple(dict.fromkeys(_named(section, value))) if parts() else ()


def has_parts(network: object) -> bool:
    """Return whether a network is of a plug-in, or has a part of one."""
    return target_module(network) is not None or any(_named("arch", network))


def _named(section: str, value: Any) -> Iterator[str]:
    """Yield the plug-ins whose parts a section names."""
    if section == "method" and (part := part_of(METHOD_TABLE, value)):
        yield part.plugin
    if section == "evaluation":
        for name in (*value.metrics, value.select_by):
            if part := part_of(METRIC_TABLE, name):
                yield part.plugin
    if isinstance(value, BaseModel):
        if plugin := plugin_of_options(type(value)):
            yield plugin
        for name in type(value).model_fields:
            yield from _named("", getattr(value, name))
    elif isinstance(value, tuple):
        for each in value:
            yield from _named("", each)
