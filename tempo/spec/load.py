"""Load a StudySpec from YAML: base files, profiles, overrides, variables, presets, checks."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tempo.core.catalog import nearest, unknown
from tempo.core.errors import PathNameError, Place, SpecError
from tempo.core.identity import folded, path_name
from tempo.spec.plugins.plugin_list import import_listed
from tempo.spec.presets import expand_preset, short_form
from tempo.spec.study import StudySpec
from tempo.spec.yaml.error_text import validate
from tempo.spec.yaml.problems import Problems
from tempo.spec.yaml.schema_walk import Shape, complete
from tempo.spec.yaml.strict_yaml import read_tree
from tempo.spec.yaml.value_tree import (
    Entry,
    Mapped,
    Node,
    Scalar,
    dotted,
    merge,
    nested,
    rebuilt,
    shown,
)
from tempo.spec.yaml.value_tree import Path as TreePath

BESIDE = ("base", "profiles")
"""Keys of a file that the loader itself takes."""

OWN = ("study", "question")
"""Keys that are not inherited from a base: two files never share a study by accident."""

DEFAULT_PROFILE = "full"
"""The profile that applies when none is asked for and the file has it."""


_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<inside>[^}]*)\}?")
_INSIDE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedStudy:
    """A spec with the place of every value.

    `tree` is what `spec` was validated from: base, profile and overrides applied, environment
    resolved, presets expanded.
    """

    spec: StudySpec
    tree: Mapped
    profiles: tuple[str, ...]
    profile: str | None
    source: str


def load_study(
    path: Path, *, profile: str | None = None, overrides: Sequence[str] = ()
) -> LoadedStudy:
    """Read, merge and check a study.

    Args:
        path: The YAML file. Messages name it as given.
        profile: The overlay of `profiles:` to apply; None is `full` where there is one.
        overrides: `key.path=value`, later ones winning, the value read as YAML.

    Raises:
        SpecError: naming the place of everything that breaks a rule.
    """
    tree = _with_base(path, ())
    start = tree.place
    layers, tree = _profiles(tree), tree.without("profiles")
    name = _profile_name(layers, profile, path)
    if name is not None and isinstance(overlay := layers[name].node, Mapped):
        tree = merge(tree, short_form(overlay))
    for text in overrides:
        tree = _override(tree, text)
    # A key that is missing is missing in the study's own file, whatever was merged over it.
    spec, tree = checked(Mapped(tree.entries, start))
    return LoadedStudy(spec=spec, tree=tree, profiles=tuple(layers), profile=name, source=str(path))


def checked(tree: Mapped) -> tuple[StudySpec, Mapped]:
    """Validate a tree; return the spec and the tree with variables, presets and kinds written out.

    Raises:
        SpecError: naming every broken rule with its place.
    """
    problems = Problems()
    done = _mapping(with_variables(tree, problems))
    problems.raise_any()
    done = import_listed(done, problems)
    problems.raise_any()
    if arch := done.entries.get("arch"):
        done = done.with_entry("arch", Entry(arch.key, expand_preset(arch.node, problems)))
    done = _mapping(complete(done, Shape(StudySpec)))
    spec = validate(StudySpec, done, problems, BESIDE)
    problems.raise_any()
    assert spec is not None
    return spec, done


def _mapping(node: Node) -> Mapped:
    if not isinstance(node, Mapped):
        given = shown(node.value) if isinstance(node, Scalar) else "a list"
        raise SpecError(f"a spec is a mapping of keys to values, not {given}", node.place)
    return node


def _beside(path: Path) -> str:
    """Return the nearest name among the specs of the folder, as a hint; empty without one."""
    known = [each.name for each in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
    guess = nearest(path.name, known)
    return f"; did you mean {path.parent / guess}?" if guess else ""


def _read(path: Path) -> Mapped:
    """Read one file's tree."""
    source, start = str(path), Place(str(path), 1, 1)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SpecError(f"there is no such file{_beside(path)}", Place(source)) from None
    except IsADirectoryError:
        raise SpecError("a folder, not a YAML file", Place(source)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SpecError(f"cannot be read: {reason}", Place(source)) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        message = f"the file is not UTF-8: byte 0x{data[error.start]:02x}"
        raise SpecError(message, Place(source, line, column)) from None
    tree = read_tree(text, source)
    if tree is None or (isinstance(tree, Scalar) and tree.value is None):
        raise SpecError("the file is empty: a study needs `study`, `data` and `recipe`", start)
    return short_form(_mapping(tree))


def _with_base(path: Path, chain: tuple[Path, ...]) -> Mapped:
    """Read a file and merge it over the file that its `base:` names, recursively."""
    tree = _read(path)
    entry = tree.entries.get("base")
    tree = tree.without("base")
    if entry is None:
        return tree
    base = _base_path(path, entry.node)
    chain = (*chain, path)
    if base.resolve() in {each.resolve() for each in chain}:
        way = " -> ".join(str(each) for each in (*chain, base))
        raise SpecError(f"`base` runs in a circle: {way}", entry.node.place)
    if not base.is_file():
        what = "is a folder" if base.is_dir() else "does not exist"
        raise SpecError(
            f"base {str(base)!r} {what} (taken relative to this file)", entry.node.place
        )
    return merge(_with_base(base, chain).without(*OWN), tree)


def _base_path(path: Path, node: Node) -> Path:
    problems = Problems()
    node = with_variables(node, problems, ("base",))
    problems.raise_any()
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
        raise SpecError("`base` is the path of one YAML file, relative to this one", node.place)
    if "\0" in node.value:
        raise SpecError("`base` is a path, and a path holds no NUL character", node.place)
    return Path(os.path.normpath(path.parent / node.value))


def _profiles(tree: Mapped) -> dict[str, Entry]:
    node = tree.get("profiles")
    if node is None:
        return {}
    if not isinstance(node, Mapped):
        raise SpecError("`profiles` maps names to the parts of the spec they change", node.place)
    seen: dict[str, str] = {}
    for name, (place, overlay) in node.entries.items():
        try:
            path_name(name, "profile")
        except PathNameError as error:
            raise SpecError(str(error), place) from error
        if (other := seen.setdefault(folded(name), name)) != name:
            raise SpecError(
                f"the profiles {other!r} and {name!r} differ in upper and lower case alone, and "
                "some file systems take them for one: rename one of them",
                place,
            )
        empty = isinstance(overlay, Scalar) and overlay.value is None
        if not isinstance(overlay, Mapped) and not empty:
            raise SpecError(f"profile {name!r} must be a mapping of what it changes", overlay.place)
        for key in (*BESIDE, "study"):
            if isinstance(overlay, Mapped) and key in overlay.entries:
                raise SpecError(f"a profile cannot change {key!r}", overlay.entries[key].key)
    return dict(node.entries)


def _profile_name(layers: dict[str, Entry], asked: str | None, path: Path) -> str | None:
    if asked is None:
        return DEFAULT_PROFILE if DEFAULT_PROFILE in layers else None
    if asked not in layers:
        raise SpecError(unknown("profile", asked, layers or ["none"]), Place(str(path)))
    return asked


def _override(tree: Mapped, text: str) -> Mapped:
    """Merge `key.path=value` over the tree."""
    place = Place(f"--set {text}")
    key, equals, value = text.partition("=")
    if not equals:
        raise SpecError("an override is key.path=value", place)
    if key.split(".")[0] in BESIDE:
        raise SpecError(f"{key.split('.')[0]!r} cannot be overridden", place)
    node = read_tree(value, place.source, lambda *_: place) or Scalar(None, place)
    keys = key.strip().split(".")
    if not all(keys):
        raise SpecError(f"{shown(key.strip())} is not a path: keys joined by single dots", place)
    return merge(tree, short_form(nested(keys, node, place)))


def with_variables(node: Node, problems: Problems, path: TreePath = ()) -> Node:
    """Return the tree with `${NAME}` and `${NAME:-default}` replaced; `$${` stands for `${` itself.

    Unset names go to `problems`. An empty variable counts as unset when there is a default, as in
    a shell. Unchanged parts are shared with the input.
    """
    if isinstance(node, Scalar):
        return _substituted(node, problems, path)
    return rebuilt(node, lambda part, each: with_variables(each, problems, (*path, part)))


def _substituted(node: Scalar, problems: Problems, path: TreePath) -> Scalar:
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
        name, default = found["name"], found["default"]
        given = os.environ.get(name)
        if given or (given is not None and default is None):
            return given
        if default is None:
            problems.add(
                f"{dotted(path)} needs the environment variable {name}, which is not set; set it, "
                f"or pass --set {dotted(path)}=VALUE",
                node.place,
            )
        return (default or "").removeprefix(":-")

    text = _REFERENCE.sub(value, node.value)
    return Scalar(text, node.place, text, node.quoted)
