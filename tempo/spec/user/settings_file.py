"""Read a YAML file of settings that hold for all studies, such as a user's or a cluster's."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from tempo.core.errors import Place, SpecError
from tempo.spec.options import Section
from tempo.spec.yaml.error_text import validate
from tempo.spec.yaml.problems import Problems
from tempo.spec.yaml.strict_yaml import read_tree
from tempo.spec.yaml.value_tree import Mapped, Scalar

Settings = TypeVar("Settings", bound=Section)


def load_settings(kind: type[Settings], path: Path, called: str, example: str) -> Settings:
    """Read a file of settings; an empty one holds the defaults.

    Args:
        called: what messages call the file, such as `the user's profile`.
        example: what such a file may hold.

    Raises:
        SpecError: when the file cannot be read, naming the place of everything that breaks a rule.
    """
    start = Place(str(path), 1, 1)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{called} cannot be read: {error}", start) from None
    tree = read_tree(text, str(path))
    if tree is None or (isinstance(tree, Scalar) and tree.value is None):
        return kind()
    if not isinstance(tree, Mapped):
        raise SpecError(f"{called} is a mapping of keys to values, such as `{example}`", start)
    problems = Problems()
    settings = validate(kind, tree, problems)
    problems.raise_any()
    assert settings is not None
    return settings
