"""Replace `${NAME}` and `${NAME:-default}` in a spec's text; `$${` stands for `${` itself."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from tempo.spec.yaml.problems import Problems
from tempo.spec.yaml.value_tree import Entry, Listing, Mapped, Node, Path, Scalar, dotted, shown

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<inside>[^}]*)\}?")
_INSIDE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-.*)?", re.DOTALL)


def resolve(
    node: Node, problems: Problems, path: Path = (), environ: Mapping[str, str] = os.environ
) -> Node:
    """Return the tree with its environment variables replaced; unset names go to `problems`.

    An empty variable counts as unset when there is a default, as in a shell. Unchanged parts are
    shared with the input.
    """
    if isinstance(node, Scalar):
        return _scalar(node, problems, path, environ)
    if isinstance(node, Listing):
        items = [resolve(e, problems, (*path, i), environ) for i, e in enumerate(node.items)]
        same = all(new is old for new, old in zip(items, node.items, strict=True))
        return node if same else Listing(tuple(items), node.place)
    entries = {
        key: Entry(place, resolve(each, problems, (*path, key), environ))
        for key, (place, each) in node.entries.items()
    }
    same = all(entries[key].node is each.node for key, each in node.entries.items())
    return node if same else Mapped(entries, node.place)


def _scalar(node: Scalar, problems: Problems, path: Path, environ: Mapping[str, str]) -> Scalar:
    if not isinstance(node.value, str) or "${" not in node.value:
        return node

    def value(match: re.Match[str]) -> str:
        if match.group() == "$${":
            return "${"
        found = _INSIDE.fullmatch(match["inside"])
        if found is None or not match.group().endswith("}"):
            rule = "an environment variable is ${NAME} or ${NAME:-default}, and $${ stands for ${"
            old = match["inside"].startswith("env:")
            hint = f"; write ${{{match['inside'].removeprefix('env:')}}}" if old else ""
            problems.add(f"{rule}; not {shown(match.group())}{hint}", node.place)
            return ""
        return _value(found, node, problems, path, environ)

    text = _REFERENCE.sub(value, node.value)
    return Scalar(text, node.place, text, node.quoted)


def _value(
    found: re.Match[str],
    node: Scalar,
    problems: Problems,
    path: Path,
    environ: Mapping[str, str],
) -> str:
    name, default = found["name"], found["default"]
    given = environ.get(name)
    if given or (given is not None and default is None):
        return given
    if default is not None:
        return default.removeprefix(":-")
    problems.add(
        f"{dotted(path)} needs the environment variable {name}, which is not set; set it, "
        f"or pass --set {dotted(path)}=VALUE",
        node.place,
    )
    return ""
