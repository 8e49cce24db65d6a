"""Hold the parts that plug-ins add to Tempo's tables, and which plug-in added each.

A part is what implements a name of a table, or the text `module:name` of it, which is imported
where the part is first used: so a plan can know a block without importing torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from tempo.core.catalog import Catalog, unknown
from tempo.core.errors import PluginError, UnknownNameError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part:
    """One addition to a table. `options`: the class that a spec names the part by, if any;
    `forget` takes it out of the table again; `plugin` is empty outside plug-ins."""

    table: str
    name: str
    value: Any
    plugin: str
    options: type[Any] | None = None
    forget: Callable[[], None] = lambda: None


_PARTS: dict[tuple[str, str], Part] = {}
_importing: list[str] = []


@contextmanager
def importing(plugin: str) -> Iterator[None]:
    """Mark all parts that are added during the block as those of `plugin`."""
    _importing.append(plugin)
    try:
        yield
    finally:
        _importing.pop()


def add_part(
    table: str,
    name: str,
    value: Any,
    *,
    options: type[Any] | None = None,
    forget: Callable[[], None] = lambda: None,
) -> None:
    """Add a part under a name of a table.

    Raises:
        PluginError: when another plug-in has taken the name.
    """
    if (known := _PARTS.get((table, name))) is not None:
        raise PluginError(taken(table, name, known.plugin))
    plugin = _importing[-1] if _importing else ""
    _PARTS[table, name] = Part(table, name, value, plugin, options, forget)


def taken(table: str, name: str, plugin: str | None = None) -> str:
    """Return the sentence for a name that something has: a plug-in, or Tempo itself (None)."""
    owner = "Tempo has one" if plugin is None else f"the plug-in {plugin!r} added one"
    if plugin == "":
        owner = "one was added before"
    return f"the {table} name {name!r} is taken: {owner}; choose another name"


def forget_parts(plugin: str) -> None:
    """Take every part of a plug-in out of its table."""
    for key in [key for key, part in _PARTS.items() if part.plugin == plugin]:
        _PARTS.pop(key).forget()


def remove_part(table: str, name: str) -> None:
    """Take one part out of its table."""
    _PARTS.pop((table, name)).forget()


def part_of(table: str, name: str) -> Part | None:
    """Return the part under a name of a table; None when no plug-in added one."""
    return _PARTS.get((table, name))


def parts() -> tuple[Part, ...]:
    """Return every part that was added, in order."""
    return tuple(_PARTS.values())


def names_of(table: str) -> tuple[str, ...]:
    """Return the names that plug-ins added to a table, in order."""
    return tuple(name for at, name in _PARTS if at == table)


def plugin_of_options(kind: type[Any]) -> str | None:
    """Return the plug-in that added a class of options; None for a class of Tempo's own."""
    found = (part.plugin for part in _PARTS.values() if part.options is kind)
    return next(found, None) or None


def implementation(table: str, name: str) -> Any:
    """Return what implements a name of a table, importing it where the part is a text.

    Raises:
        PluginError: when the text leads to nothing.
    """
    part = _PARTS[table, name]
    return target_of(part.value, f"{table} {name!r}") if isinstance(part.value, str) else part.value


def target_of(text: str, what: str) -> Any:
    """Import what a text `module:name` names, for the part that a message calls `what`.

    Raises:
        PluginError: naming what is missing, and what the module holds instead.
    """
    module, colon, name = text.partition(":")
    if not colon or not module or not name:
        raise PluginError(f"{what} is implemented by `module:name`, not by {text!r}")
    try:
        found: Any = import_module(module)
    except PluginError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise PluginError(f"{what}: the module {module!r} cannot be imported ({reason})") from error
    for step in name.split("."):
        try:
            found = getattr(found, step)
        except AttributeError:
            raise PluginError(
                f"{what}: {unknown(f'name in {module},', step, public_names(found))}"
            ) from None
    return found


def public_names(holder: Any) -> list[str]:
    """Return the names that a module or class defines itself, without private ones."""
    own: Mapping[str, Any] = vars(holder)
    module = getattr(holder, "__name__", None)
    return [
        name
        for name, each in own.items()
        if not name.startswith("_") and getattr(each, "__module__", None) == module
    ]


class OpenTable(Mapping[str, Any]):
    """Tempo's own entries of a table, followed by those that plug-ins added."""

    def __init__(self, table: str, own: Mapping[str, Any]) -> None:
        self.table, self.own = table, own

    def __getitem__(self, name: str) -> Any:
        return self.own[name] if name in self.own else implementation(self.table, name)

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from names_of(self.table)

    def __len__(self) -> int:
        return len(self.own) + len(names_of(self.table))

    def __contains__(self, name: object) -> bool:
        return name in self.own or (self.table, name) in _PARTS


class OpenCatalog(Catalog[T]):
    """A catalog of Tempo's own entries, followed by those that plug-ins added."""

    def get(self, name: str) -> T:
        if isinstance(name, str) and part_of(self.what, name) is not None:
            found: T = implementation(self.what, name)
            return found
        if not super().__contains__(name):
            raise UnknownNameError(unknown(self.what, name, self))
        return super().get(name)

    def __iter__(self) -> Iterator[str]:
        yield from super().__iter__()
        yield from names_of(self.what)

    def __len__(self) -> int:
        return super().__len__() + len(names_of(self.what))

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (self.what, name) in _PARTS
