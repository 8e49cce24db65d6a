"""Find and import plug-ins: modules by name, files by path, and those of installed packages.

A plug-in is imported once a process. One that lies in a folder of the user is imported from there,
whatever the current folder is, and may import what lies beside it.
"""

from __future__ import annotations

import importlib
import site
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tempo.core.errors import PluginError
from tempo.core.plugins.parts import forget_parts, importing
from tempo.core.plugins.stamp import MISSING, module_file, sources, stamp

GROUP = "tempo.plugins"
"""The entry points by which installed packages offer plug-ins."""


@dataclass(frozen=True, slots=True)
class PluginSource:
    """A module and the folder that it is imported from; None stands for an installed package."""

    name: str
    root: str | None = None

    @property
    def folder(self) -> Path | None:
        """The folder below which the module lies; None when it cannot be found."""
        if self.root is not None:
            return Path(self.root)
        return _installed_in(self.name.partition(".")[0])

    @property
    def file(self) -> Path | None:
        """The file of the module; None when it is not there."""
        return module_file(self.folder, self.name) if self.folder else None

    def stamp(self) -> str:
        """Return the stamp of the sources as they are on disk now."""
        return stamp(self.sources())

    def sources(self) -> dict[str, Path]:
        """Return the files that importing the plug-in can execute, by their relative paths."""
        return sources(self.folder, self.name, alone=self.root is None) if self.folder else {}

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "root": self.root}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plug-in that this process imported, with its files and their stamp at that time."""

    source: PluginSource
    stamp: str
    files: frozenset[str] = frozenset()


_LOADED: dict[str, Loaded] = {}


def find(text: str, folder: Path) -> PluginSource:
    """Return what a spec in `folder` means by the name of a module or the path of a file.

    Raises:
        PluginError: when there is no such module or file.
    """
    if "/" in text or "\\" in text or text.endswith(".py"):
        return _at_path(text, folder)
    if not text or not all(part.isidentifier() for part in text.split(".")):
        raise PluginError(
            f"a plug-in is the name of a module, such as my_package.blocks, or the path of a file, "
            f"such as ./blocks.py; {text!r} is neither"
        )
    top = text.partition(".")[0]
    if (place := _installed_in(top)) is not None:
        # What lies in a folder of the user is found there by every process.
        root = None if place in _installation() else str(place)
        return _existing(PluginSource(text, root), text, str(place / top))
    for near in dict.fromkeys((folder.resolve(), Path.cwd())):
        if (near / top).is_dir() or (near / f"{top}.py").is_file():
            return _existing(PluginSource(text, str(near)), text, str(near / top))
    raise PluginError(
        f"there is no module {text!r}: no package {top!r} is installed, and none lies in "
        f"{folder.resolve()} or in {Path.cwd()}; a file is named by its path, such as ./{top}.py"
    )


def _existing(source: PluginSource, text: str, where: str) -> PluginSource:
    folder = source.folder
    if folder is not None and module_file(folder, text) is None:
        raise PluginError(f"there is no module {text!r} in {where}")
    return source


def _at_path(text: str, folder: Path) -> PluginSource:
    path = (folder / Path(text).expanduser()).resolve()
    module = path.stem if path.suffix == ".py" else path.name
    if not path.exists():
        raise PluginError(
            f"there is no plug-in file {path} ({text!r} is taken relative to the spec)"
        )
    if path.is_dir() and not (path / "__init__.py").is_file():
        raise PluginError(f"{path} is a folder without __init__.py; name one of its files")
    if path.is_file() and path.suffix != ".py":
        raise PluginError(f"a plug-in is a Python file (.py), not {path.name}")
    if not module.isidentifier():
        raise PluginError(
            f"{path.name} cannot be imported: the name of a Python file is made of letters, digits "
            "and `_`; rename the file"
        )
    return PluginSource(module, str(path.parent))


def _installed_in(top: str) -> Path | None:
    """Return the folder on Python's path that holds a top module; None when none does."""
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or spec.origin in {"built-in", "frozen"}:
        return None
    own = {each.source.root for each in _LOADED.values()}
    file = Path(spec.origin).resolve()
    folder = file.parent.parent if spec.submodule_search_locations else file.parent
    return None if str(folder) in own else folder


@cache
def _installation() -> frozenset[Path]:
    """Return the folders that installed packages and Python's own modules lie in."""
    names = {*sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages()}
    return frozenset(Path(name).resolve() for name in names)


def load(source: PluginSource) -> None:
    """Import a plug-in, unless this process has, with the same sources.

    Raises:
        PluginError: one sentence saying what is wrong, and in which line; none of the plug-in's
            parts is then kept.
    """
    there = source.sources()
    found = stamp(there)
    known = _LOADED.get(source.name)
    if known is not None and found == known.stamp and found != MISSING:
        # This plug-in, or a copy of it in another folder, which has the same parts.
        return
    files = frozenset(map(str, there.values()))
    if known is not None:
        forget(source.name)
    with importing(source.name):
        try:
            _import(source)
        except BaseException as error:
            _forget(source.name, files)
            if isinstance(error, KeyboardInterrupt):
                raise
            raise PluginError(_reason(source, error)) from error
    _LOADED[source.name] = Loaded(source, found, files)


def forget(name: str) -> None:
    """Take a plug-in's parts out of all tables, and its modules out of Python's."""
    known = _LOADED.pop(name, None)
    _forget(name, known.files if known else frozenset())


def _forget(name: str, files: frozenset[str]) -> None:
    forget_parts(name)
    for module, each in list(sys.modules.items()):
        if getattr(each, "__file__", None) in files:
            del sys.modules[module]
    importlib.invalidate_caches()


def _import(source: PluginSource) -> None:
    if source.root is None:
        importlib.import_module(source.name)
        return
    if source.root not in sys.path:
        sys.path.append(source.root)
    file = source.file
    there = sys.modules.get(source.name)
    if there is not None and _file_of(there) != file:
        if source.name not in _LOADED and not _of_a_plugin(there):
            raise PluginError(
                f"a module {source.name!r} is imported already, from {_file_of(there) or 'Python'};"
                " give the plug-in's file another name"
            )
        del sys.modules[source.name]
    # The folder stays last on the path, and only now is asked first. No bytecode is written: Python
    # would take it for that of a file that changed within the same second.
    sys.path.insert(0, source.root)
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        module = importlib.import_module(source.name)
    finally:
        sys.dont_write_bytecode = written
        sys.path.remove(source.root)
    if _file_of(module) != file:
        raise PluginError(
            f"the name {source.name!r} leads to {_file_of(module) or 'a part of Python'}; give the "
            "plug-in's file another name"
        )


def _of_a_plugin(module: Any) -> bool:
    file = _file_of(module)
    roots = {each.source.root for each in _LOADED.values()}
    return file is not None and str(file.parent) in roots


def _file_of(module: Any) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file else None


def _reason(source: PluginSource, error: BaseException) -> str:
    """Return in one sentence why a plug-in could not be imported, and where."""
    name, file = source.name, source.file
    at = file or name
    if isinstance(error, PluginError):
        return f"the plug-in {name!r} does not fit: {_line(at, error)}{error}"
    if isinstance(error, SyntaxError):
        where = f"line {error.lineno} of {error.filename or at}"
        return f"the plug-in {name!r} has a syntax error in {where}: {error.msg}"
    if isinstance(error, SystemExit):
        return f"the plug-in {name!r} ended Python while it was imported ({_line(at, error)}exit)"
    text = " ".join(str(error).split())
    told = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"the plug-in {name!r} cannot be imported: {_line(at, error)}{told}"


def _line(file: Path | str, error: BaseException) -> str:
    """Return the deepest line of a plug-in's own file that an error passed through."""
    lines = [
        each for each in traceback.extract_tb(error.__traceback__) if each.filename == str(file)
    ]
    return f"line {lines[-1].lineno} of {file}: " if lines else ""


def load_named(names: Iterable[str]) -> None:
    """Import plug-ins by the names of modules, or by files relative to the current folder.

    Raises:
        PluginError: when one is not there or fails.
    """
    for name in names:
        load(find(name, Path()))


def load_recorded(entries: Iterable[Any]) -> None:
    """Import the plug-ins that a recorded config names: mappings with `name` and `root`."""
    for each in entries:
        if isinstance(each, Mapping):
            source = PluginSource(str(each["name"]), each.get("root"))
            known = _LOADED.get(source.name)
            if known is None or known.source != source:
                load(source)


def load_of(recorded: Any) -> None:
    """Import the plug-ins of a recorded config or spec, so that it can be validated.

    Raises:
        PluginError: when one is gone or fails.
    """
    if isinstance(recorded, Mapping):
        load_recorded(recorded.get("plugins") or ())


@cache
def installed() -> tuple[PluginSource, ...]:
    """Import the plug-ins that installed packages offer, and return them.

    Raises:
        PluginError: when one cannot be imported; names its package.
    """
    found: list[PluginSource] = []
    for point in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        source = PluginSource(point.module)
        try:
            load(source)
        except PluginError as error:
            package = point.dist.name if point.dist else "an installed package"
            raise PluginError(
                f"{package} offers Tempo a plug-in that fails: {error}; repair or uninstall it"
            ) from error
        found.append(source)
    return tuple(found)


def loaded_as(source: PluginSource) -> Loaded | None:
    """Return a plug-in as this process imported it; None when it did not, or from elsewhere."""
    known = _LOADED.get(source.name)
    return known if known is not None and known.source == source else None


def loaded() -> tuple[PluginSource, ...]:
    """Return the plug-ins that this process imported, in order."""
    return tuple(each.source for each in _LOADED.values())
