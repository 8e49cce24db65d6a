"""Compute a stamp of the code that decides a run's result: equal stamps, equal results.

Stamped is what a training and its test evaluation import, however indirectly and lazily, as far as
it can change a weight, a picture or a number. Each module counts as its syntax tree: comments,
docstrings and formatting change no stamp.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tempo.core.provenance import PACKAGE

ENTRY = "train/run/attempt.py"
"""The module that carries out a training and its test evaluation."""

DECIDING = (
    "backbones",
    "core/budget_course.py",
    "core/seeding.py",
    "data",
    "kernels",
    "losses",
    "metrics",
    "models",
    "spec/arch.py",
    "train",
)
"""Folders and modules that can decide a result. Of the spec only `arch.py` computes anything that
a run's resolved config does not hold."""

NOT_DECIDING = {
    "data/testsets": "published test sets and names of protocols, which no training reads",
    "models/network_cost.py": "counts parameters and operations",
    "train/run/environment_record.py": "records the machine and the data, or refuses other data",
    "train/run/processor_time.py": "counts the seconds of processors",
    "train/run/run_folder.py": "claims a run, starts and ends its attempts",
    "train/run/stop_request.py": "stops a run",
    "train/run/system_metrics.py": "times steps and measures how busy the machine is",
}
"""What of them a worker loads and decides nothing, with the reason."""

CACHE = Path("core") / "__pycache__" / "code_stamp.json"
"""Holds a hash of all sources and what was computed of them, because parsing them takes a while."""


class Stamped(NamedTuple):
    """The stamp of a package, and the hash of each stamped module by its path in the package."""

    stamp: str
    modules: Mapping[str, str]


@cache
def _own() -> Stamped:
    """Return the stamps of this package, as its sources were when they were first asked for."""
    return stamped(PACKAGE)


def code_stamp() -> str:
    """Return the stamp of this package's sources, 16 hex digits."""
    return _own().stamp


def stamp_of(package: Path) -> str:
    """Return the stamp of the sources in the folder `package`."""
    return stamped(package).stamp


def stamped(package: Path) -> Stamped:
    """Return the stamps of the sources in the folder `package`, remembered beside them."""
    sources = _sources(package)
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for name, content in sources.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    key, path = digest.hexdigest(), package / CACHE
    if known := _remembered(path, key):
        return known
    made = _stamp(sources)
    with suppress(OSError):  # An installed package may not be writable.
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({"sources": key, **made._asdict()}))
        temporary.replace(path)
    return made


def _remembered(path: Path, key: str) -> Stamped | None:
    """Return what was computed before of the sources with this hash; None where none is whole."""
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
        found = json.loads(path.read_text())
        hashes = [found["stamp"], *found["modules"].values()]
        if found["sources"] == key and all(re.fullmatch(r"[0-9a-f]{16}", each) for each in hashes):
            return Stamped(found["stamp"], found["modules"])
    return None


def stamped_modules(package: Path = PACKAGE) -> list[str]:
    """Return the paths of the stamped modules below `package`, sorted."""
    return sorted(_reached(_sources(package)))


def module_stamps() -> Mapping[str, str]:
    """Return a hash of each stamped module by its path below the package, 16 hex digits each.

    Of two stamps these tell which modules differ.
    """
    return _own().modules


def is_deciding(module: str) -> bool:
    """Whether a module, by its path below the package, can decide a result."""
    above = {str(each) for each in (Path(module), *Path(module).parents)}
    return bool(above & set(DECIDING)) and not above & NOT_DECIDING.keys()


def _stamp(sources: dict[str, bytes]) -> Stamped:
    digest = hashlib.sha256()
    modules = {}
    for name, tree in sorted(_reached(sources).items()):
        text = "".join(tokens(tree))
        digest.update(f"{name}\0{text}\0".encode())
        modules[name] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Stamped(digest.hexdigest()[:16], modules)


def _sources(package: Path) -> dict[str, bytes]:
    """Read every module that can decide a result, by its path below `package`."""
    found: dict[str, bytes] = {}
    for name in DECIDING:
        at = package / name
        for path in sorted(at.rglob("*.py")) if at.is_dir() else (at,):
            relative = path.relative_to(package)
            if not {str(each) for each in (relative, *relative.parents)} & NOT_DECIDING.keys():
                found[relative.as_posix()] = path.read_bytes()
    return found


def _reached(sources: dict[str, bytes]) -> dict[str, ast.Module]:
    """Return the syntax trees of the modules that the entry imports, directly or not."""
    found: dict[str, ast.Module] = {}
    waiting = [ENTRY]
    while waiting:
        name = waiting.pop()
        if name in sources and name not in found:
            found[name] = ast.parse(sources[name])
            waiting += _files(_imports(found[name]))
    return found


def _imports(tree: ast.Module) -> Iterator[str]:
    """Yield what a module imports or may import by name, wherever in it that stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _files(names: Iterable[str]) -> Iterator[str]:
    """Yield the files that importing `names` can execute: modules and the packages around them."""
    for name in names:
        top, *parts = name.split(".")
        for end in range(1, len(parts) + 1 if top == "tempo" else 0):
            module = "/".join(parts[:end])
            yield from (f"{module}.py", f"{module}/__init__.py")


def tokens(node: Any) -> Iterator[str]:
    """Yield a syntax tree as text without docstrings, the same in every version of Python: fields
    that are empty are left out, because newer versions add such fields."""
    if isinstance(node, ast.AST):
        yield f"({type(node).__name__}"
        for name, value in ast.iter_fields(node):
            if value is not None and value != []:
                yield f" {name}="
                yield from tokens(value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for each in node:
            if not _is_docstring(each):
                yield from tokens(each)
        yield "]"
    else:
        yield repr(node)


def _is_docstring(node: Any) -> bool:
    """Return whether a node is a string that stands alone, which Python does not execute."""
    text = node.value if isinstance(node, ast.Expr) else None
    return isinstance(text, ast.Constant) and isinstance(text.value, str)
