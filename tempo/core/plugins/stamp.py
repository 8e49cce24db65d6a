"""Compute a stamp of a plug-in's sources: what of its folder it imports, however indirectly.

Like the stamp of Tempo's own code it is made from syntax trees: comments, docstrings and formatting
change none.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from tempo.core.code_stamp import tokens

MISSING = "missing"
"""The stamp of a plug-in whose file is not there any more."""


def module_file(root: Path, name: str) -> Path | None:
    """Return the file of the module called `name` below `root`; None when there is none."""
    base = root.joinpath(*name.split("."))
    found = (path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file())
    return next(found, None)


def stamp(files: Mapping[str, Path]) -> str:
    """Return the stamp of the files that `sources` found, 16 hex digits; `MISSING` for none."""
    if not files:
        return MISSING
    digest = hashlib.sha256()
    for relative, path in files.items():
        digest.update(f"{relative}\0{_content(path)}\0".encode())
    return digest.hexdigest()[:16]


def sources(root: Path, name: str, *, alone: bool = False) -> dict[str, Path]:
    """Return the files below `root` that importing `name` can execute, by relative path, sorted.

    `alone`: beside the module there are foreign packages, so only its own package counts.
    """
    found: dict[str, Path] = {}
    waiting, top = list(_with_packages(name)), name.partition(".")[0]
    while waiting:
        module = waiting.pop()
        first = module.partition(".")[0]
        if first == "tempo" or (alone and first != top):
            continue
        path = module_file(root, module)
        if path is None or (relative := path.relative_to(root).as_posix()) in found:
            continue
        found[relative] = path
        for each in _imports(path, module):
            waiting += _with_packages(each)
    return dict(sorted(found.items()))


def _with_packages(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _content(path: Path) -> str:
    data = path.read_bytes()
    try:
        return "".join(tokens(ast.parse(data)))
    except (SyntaxError, ValueError):
        return hashlib.sha256(data).hexdigest()


def _imports(path: Path, module: str) -> Iterator[str]:
    """Yield the modules that a file names: in imports, and in texts such as `my_net:Net`."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *(node.module.split(".") if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            named, colon, _ = node.value.partition(":")
            dotted = colon or "." in named
            if dotted and all(part.isidentifier() for part in named.split(".")):
                yield named
