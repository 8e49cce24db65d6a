"""Define networks that are not TEMPO: any module behind the protocol of `tempo.plugins`."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import BeforeValidator, Field, JsonValue, field_validator

from tempo.spec.arch import ArchSpec
from tempo.spec.options import ByKind, Options, OptionsCatalog, kinds, parse_by_kind

TEMPO = "tempo"
"""The kind of an ArchSpec, which may be left out."""


class ModuleArch(Options):
    """A network of your own: a class that is called with `options` and behaves as a network does.

    It is called as `network(frames [B, N, 3, H, W], times [B, N], target_time [B])` and returns the
    picture [B, 3, H, W]. See docs/how-to/own_parts.md.
    """

    kind: Literal["module"] = "module"
    target: str = Field(
        description="the class or function that makes the network, as my_net:MyNetwork: a listed "
        "plug-in or an installed module, then its name"
    )
    options: dict[str, JsonValue] = Field(
        default_factory=dict, description="arguments that it is called with, by name"
    )

    @field_validator("target")
    @classmethod
    def _two_names(cls, value: str) -> str:
        module, colon, name = value.partition(":")
        parts = [*module.split("."), *name.split(".")]
        if not colon or not all(part.isidentifier() for part in parts):
            raise ValueError(
                f"target is `module:name`, such as my_net:MyNetwork, not {value!r}; a file is "
                "listed under `plugins` and named here without folder and ending"
            )
        return value


NETWORKS: OptionsCatalog = kinds("network", ModuleArch)


BY_KIND = ByKind(NETWORKS, TEMPO, ArchSpec)

Network = ArchSpec | Options
"""What fills `arch`: a TEMPO network, a `ModuleArch`, or a kind of a plug-in."""

NETWORK = (BY_KIND, BeforeValidator(partial(parse_by_kind, BY_KIND)))


def target_module(arch: object) -> str | None:
    """Return the module that a network's class comes from, where the spec names it."""
    return arch.target.partition(":")[0] if isinstance(arch, ModuleArch) else None
