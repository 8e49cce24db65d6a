"""Name what can predict frames in a study: the network, and the methods without weights."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from tempo.core.catalog import unknown
from tempo.core.plugins.parts import names_of

NETWORK_METHOD = "network"

OWN_METHODS = ("average", "nearest", "flow")
"""Tempo's methods without weights; plug-ins add more to the table `method`."""

METHOD_TABLE = "method"


def method_names() -> tuple[str, ...]:
    """Return the methods without weights, those of plug-ins last."""
    return (*OWN_METHODS, *names_of(METHOD_TABLE))


def _known(value: str) -> str:
    if value not in method_names():
        raise ValueError(unknown("method without weights", value, method_names()))
    return value


def _known_or_network(value: str) -> str:
    names = (NETWORK_METHOD, *method_names())
    if value not in names:
        raise ValueError(unknown("method", value, names))
    return value


class _Names:
    """Lists the names in the JSON schema as they are when it is made."""

    def __init__(self, *first: str) -> None:
        self.first = first

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "enum": [*self.first, *method_names()]}


Reference = Annotated[str, AfterValidator(_known), _Names()]
Method = Annotated[str, AfterValidator(_known_or_network), _Names(NETWORK_METHOD)]
