"""Describe the plug-ins of a config for its record: files, stamps and versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from typing import Any

from tempo.core.identity import short_hash
from tempo.core.plugins.loading import PluginSource, loaded_as
from tempo.core.provenance import version_of


def stamps(entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the stamp of the sources of each plug-in of a config, by name.

    Of a plug-in that this process imported it is that of the code that was imported.
    """
    found: dict[str, str] = {}
    for each in entries:
        source = PluginSource(str(each["name"]), each.get("root"))
        known = loaded_as(source)
        found[source.name] = known.stamp if known else _stamp_once(source)
    return found


@cache
def _stamp_once(source: PluginSource) -> str:
    return source.stamp()


def described(entries: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what a record keeps of a config's plug-ins: file, stamp and version of each."""
    entries = list(entries)
    found = stamps(entries)
    return {
        str(each["name"]): {
            "file": str(PluginSource(str(each["name"]), each.get("root")).file or ""),
            "stamp": found[str(each["name"])],
            "version": None if each.get("root") else _version(str(each["name"])),
        }
        for each in entries
    }


def _version(name: str) -> str | None:
    packages = packages_distributions().get(name.partition(".")[0], ())
    return version_of(packages[0]) if packages else None


def code_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return what the code of a config's plug-ins adds to a key: a short hash, nothing without any.

    Without plug-ins keys stay as they were before there were any.
    """
    found = sorted(stamps(config.get("plugins") or ()).values())
    return {"plugins": short_hash(found)} if found else {}
