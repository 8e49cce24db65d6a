"""Bring parts of your own to Tempo: blocks, losses, metrics, networks and others, from your files.

A plug-in is a module that calls these functions when it is imported; a spec lists it under
`plugins`, or an installed package offers it by the entry point group `tempo.plugins`. See
docs/how-to/own_parts.md.

Attributes:
    Options: the base class of the options of a part, which a spec gives it.
    Field: declares an option with its default, range and description (pydantic's).
    MidpointNetwork: adapts a network that knows only the middle of two frames.
    Network: the protocol of networks.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pydantic import Field

from tempo.core.errors import PluginError
from tempo.spec.options import Options
from tempo.spec.plugins.registration import (
    register,
    register_method,
    register_metric,
    register_named,
)

if TYPE_CHECKING:
    from tempo.models.own_networks import MidpointNetwork, Network

__all__ = [
    "Field",
    "MidpointNetwork",
    "Network",
    "Options",
    "PluginError",
    "register",
    "register_method",
    "register_metric",
    "register_named",
]

_WITH_TORCH = dict.fromkeys(("MidpointNetwork", "Network"), "tempo.models.own_networks")


def __getattr__(name: str) -> object:
    """Import what needs torch on first use, so that a plug-in's options can be planned with."""
    if name not in _WITH_TORCH:
        raise AttributeError(f"module 'tempo.plugins' has no attribute {name!r}")
    return getattr(import_module(_WITH_TORCH[name]), name)
