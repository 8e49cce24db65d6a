"""Tables from each kind of an options catalogue to the class or module that implements it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from tempo.core.catalog import Catalog
from tempo.core.plugins.parts import implementation, part_of
from tempo.spec.options import Options, OptionsCatalog, register

T = TypeVar("T")
Made = TypeVar("Made")


class Implementations(Generic[T]):
    """What implements each kind that a slot's options catalogue lists, in the table's order.

    Args:
        options: the catalogue that specs name kinds from.
        entries: options class to implementation.

    Raises:
        ValueError: when an options class in `entries` is not in the catalogue.
    """

    # Invariant: every kind in this table is in the catalogue, under the same options class. The
    # catalogue may list more: kinds made of others, and those that plug-ins added by `register`.

    def __init__(self, options: OptionsCatalog, entries: Mapping[type[Options], T]) -> None:
        self.options = options
        self._entries: Catalog[T] = Catalog(options.what)
        for kind, entry in entries.items():
            name = kind.model_fields["kind"].default
            if name not in options or options.get(name) is not kind:
                raise ValueError(f"{kind.__name__} is not in the catalogue of {options.what}s")
            self._entries.add(name, entry)

    def add(self, options: type[Options], entry: T) -> None:
        """Add a kind: its options to the catalogue, unless they are there, and what implements it.

        Raises:
            ValueError: when the name of the kind is taken.
        """
        name = options.model_fields["kind"].default
        if name not in self.options or self.options.get(name) is not options:
            register(self.options, options)
        self._entries.add(name, entry)

    def remove(self, name: str) -> None:
        """Remove a kind from this table and from the options catalogue."""
        self._entries.remove(name)
        self.options.remove(name)

    def of(self, options: Options) -> T:
        """Return what implements the kind of `options`.

        Raises:
            UnknownNameError: naming the kinds that are implemented and the nearest one.
            PluginError: when what a plug-in names as the implementation cannot be imported.
        """
        if options.kind not in self._entries and part_of(self.options.what, options.kind):
            found: T = implementation(self.options.what, options.kind)
            return found
        return self._entries.get(options.kind)

    def make(
        self: Implementations[Callable[..., Made]], options: Options, *given: Any, **named: Any
    ) -> Made:
        """Call what implements the kind of `options` with them and the other arguments."""
        return self.of(options)(options, *given, **named)

    @property
    def missing(self) -> list[str]:
        """The kinds of the options catalogue that this table does not implement."""
        return [name for name in self.options if name not in self]

    def __contains__(self, name: object) -> bool:
        return name in self._entries or part_of(self.options.what, str(name)) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)
