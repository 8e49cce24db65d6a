"""Suggest what a user probably meant where a value of a spec breaks a rule."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic_core import ErrorDetails

from tempo.core.catalog import nearest
from tempo.spec.yaml.strict_yaml import scalar_of
from tempo.spec.yaml.value_tree import Listing, Node, Path, Scalar, in_yaml, plain

YAML_1_1_BOOLEANS = {
    "on": "true",
    "yes": "true",
    "y": "true",
    "off": "false",
    "no": "false",
    "n": "false",
}
"""Words that older YAML took for booleans."""


def hint(node: Node, path: Path, group: Sequence[ErrorDetails]) -> str:
    """Return the end of an error's sentence that says what to write, or nothing.

    `group` holds every rule that the value at `path` breaks.
    """
    kinds = {each["type"] for each in group}
    if "tuple_type" in kinds and not isinstance(node, Listing):
        return f"; as a list it is [{in_yaml(plain(node))}]"
    if isinstance(node, Scalar):
        return _scalar_hint(node, kinds, group)
    if isinstance(node, Listing) and "dict_type" in kinds and path[-1:] == ("levels",):
        return f": give each level a label, as in {_labelled(node)}"
    return ""


def _scalar_hint(node: Scalar, kinds: set[str], group: Sequence[ErrorDetails]) -> str:
    if "bool_type" in kinds and node.text.lower() in YAML_1_1_BOOLEANS:
        return f"; write {YAML_1_1_BOOLEANS[node.text.lower()]}"
    if kinds & {"int_type", "float_type"} and node.quoted and _numeric(node.text):
        return "; remove the quotes"
    if "string_type" in kinds and not isinstance(node.value, str | None):
        return "; put it in quotes if text is meant"
    if "literal_error" in kinds:
        expected = str(next(e for e in group if e["type"] == "literal_error")["ctx"]["expected"])
        guess = nearest(node.text, re.findall(r"'([^']*)'", expected))
        return f"; did you mean {guess!r}?" if guess else ""
    return ""


def _labelled(levels: Listing) -> str:
    """Return the values of a list of levels under labels: their own text where that can be one."""
    named = []
    for number, item in enumerate(levels.items[:3], start=1):
        text = item.text if isinstance(item, Scalar) else in_yaml(plain(item))
        named.append(f"{item.text if isinstance(item, Scalar) else f'level{number}'}: {text}")
    more = ", ..." if len(levels.items) > 3 else ""
    return f"{{{', '.join(named)}{more}}}"


def _numeric(text: str) -> bool:
    try:
        return isinstance(scalar_of(text.strip()), int | float)
    except ValueError:
        return False
