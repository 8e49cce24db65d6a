"""Check the laws of networks on a network or on the parts of a plug-in, beside any study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tempo.core.errors import PluginError
from tempo.core.plugins import loading
from tempo.core.plugins.parts import Part, parts
from tempo.spec.arch import ArchSpec
from tempo.spec.networks import ModuleArch, Network
from tempo.spec.options import Options
from tempo.spec.plugins.registration import SLOTS

if TYPE_CHECKING:
    from tempo.models.laws import Outcome

ARCH_SLOTS = {SLOTS[name].catalog.what: name for name in ArchSpec.model_fields if name in SLOTS}
"""The field of an ArchSpec that each table of parts fills."""


@dataclass(frozen=True, slots=True)
class PartCheck:
    """How one network or part stands to each law, and what it weighs.

    >>> import tempo
    >>> _ = tempo.init_project("checked_study")
    >>> (check,) = tempo.check_part("./checked_study/own_block.py")
    >>> [each.law for each in check.outcomes if each.held][:2]
    ['any_size', 'order_of_views']
    """

    title: str
    parameters: int
    outcomes: tuple[Outcome, ...]

    @property
    def broken(self) -> tuple[Outcome, ...]:
        """The laws that it breaks."""
        return tuple(each for each in self.outcomes if each.held is False)


def check_part(
    target: str,
    options: Mapping[str, Any] | None = None,
    *,
    frames: int = 2,
    folder: str | Path = ".",
) -> list[PartCheck]:
    """Check the laws on a network of your own, or on every part that a plug-in adds.

    Args:
        target: `module:name` or `file.py:name` of a network, or the module or file of a plug-in.
        options: arguments of the network.
        frames: input frames of a clip.
        folder: where files and modules are looked for, beside installed ones.

    Raises:
        PluginError: when there is nothing of this name, or it fails; says what and where.

    >>> import tempo
    >>> _ = tempo.init_project("with_a_block")
    >>> (check,) = tempo.check_part("./with_a_block/own_block.py")
    >>> check.title, check.broken
    ('block depthwise', ())
    """
    found = networks_of(target, options or {}, Path(folder))
    return [_checked(title, arch, frames) for title, arch in found.items()]


def _checked(title: str, arch: Network, frames: int) -> PartCheck:
    from tempo.models.laws import check_laws, subject_of

    subject = subject_of(arch, frames)
    weighed = sum(each.numel() for each in subject.build(0).parameters())
    return PartCheck(title, weighed, tuple(check_laws(subject)))


def networks_of(target: str, options: Mapping[str, Any], folder: Path) -> dict[str, Network]:
    """Return the networks to check for a target, by what messages call them.

    Raises:
        PluginError: when there is nothing of this name, it fails, or adds nothing to check.
    """
    module, colon, name = target.rpartition(":")
    if colon:
        source = loading.find(module, folder)
        loading.load(source)
        arch = ModuleArch(target=f"{source.name}:{name}", options=dict(options))
        return {arch.target: arch}
    source = loading.find(target, folder)
    loading.load(source)
    if options:
        raise PluginError(f"options are of one network, as {source.name}:NAME, not of {target!r}")
    own = [part for part in parts() if part.plugin == source.name]
    found = dict(_networks(own))
    if not found:
        added = ", ".join(f"the {part.table} {part.name}" for part in own)
        raise PluginError(
            f"the plug-in {target!r} adds no part of a network"
            f"{f' (but {added})' if added else ''}; name a network in it as {target}:NAME"
        )
    return found


def _networks(own: list[Part]) -> Iterator[tuple[str, Network]]:
    for part in own:
        if part.options is None:
            continue
        slot = ARCH_SLOTS.get(part.table)
        if slot is not None:
            yield f"{slot} {part.name}", ArchSpec.model_validate({slot: _defaults(part)})
        elif part.table == SLOTS["network"].catalog.what:
            yield f"network {part.name}", _defaults(part)


def _defaults(part: Part) -> Options:
    assert part.options is not None
    try:
        made: Options = part.options()
    except ValidationError as error:
        needed = ", ".join(str(each["loc"][0]) for each in error.errors() if each["loc"])
        raise PluginError(
            f"the {part.table} {part.name!r} has options without a default ({needed}), so it "
            "cannot be checked by itself; give them defaults"
        ) from None
    return made
