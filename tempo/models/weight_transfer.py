"""Copy trained weights into a network part by part, and keep parts of a network from training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tempo.core.catalog import nearest
from tempo.core.errors import SpecError
from tempo.spec.sections.start import Init, covers

NAMED = 5
"""Parameters that a message lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What became of parameters when a network took another one's weights, by name.

    `copied` came from the source; `left` are the source's that were not taken; `fresh` stayed as
    the network initialises them.
    """

    copied: tuple[str, ...]
    left: tuple[str, ...]
    fresh: tuple[str, ...]

    def __str__(self) -> str:
        counts = f"{len(self.copied)} parameters copied, {len(self.left)} left behind"
        return f"{counts}, {len(self.fresh)} fresh"

    def to_json(self) -> dict[str, Any]:
        """The names as JSON values."""
        return asdict(self)


@torch.no_grad()
def copy_weights_of(net: nn.Module, weights: Mapping[str, Tensor], init: Init) -> Transfer:
    """Copy into `net` the weights that have the name and shape of one of its parameters.

    Buffers of the copied parts are copied as well. Tensors of `weights` may be on the meta device,
    if those of `net` are: then only names and shapes are compared.

    Raises:
        SpecError: when nothing can be copied, or, if `init` is strict, not everything; when a name
            of `init.only` means no part of `net`.
    """
    own = dict(net.named_parameters())
    buffers = {name: each for name, each in net.state_dict().items() if name not in own}
    check_names(net, init.only, "recipe.init.only")
    asked = [name for name in own if _asked(name, init.only)]
    copied = [name for name in asked if name in weights and weights[name].shape == own[name].shape]
    missed = [name for name in asked if name not in set(copied)]
    if missed and init.strict:
        raise SpecError(_not_copied(init.source, missed, own, weights))
    if not copied:
        raise SpecError(
            f"recipe.init: nothing of {init.source} fits: no parameter has the name and the shape "
            "of one here; start from a network like this one, or leave recipe.init out"
        )
    for name in copied:
        own[name].copy_(weights[name])
    for name, buffer in buffers.items():
        if _asked(name, init.only) and name in weights and weights[name].shape == buffer.shape:
            buffer.copy_(weights[name])
    return Transfer(
        copied=tuple(copied),
        left=tuple(name for name in weights if name not in {*copied, *buffers}),
        fresh=tuple(name for name in own if name not in set(copied)),
    )


def _asked(name: str, parts: Sequence[str]) -> bool:
    return not parts or any(covers(part, name) for part in parts)


def _not_copied(
    source: str, missed: Sequence[str], own: Mapping[str, Tensor], weights: Mapping[str, Tensor]
) -> str:
    def why(name: str) -> str:
        if name not in weights:
            return f"{name} (not there)"
        return f"{name} ({list(weights[name].shape)} there, {list(own[name].shape)} here)"

    named = ", ".join(map(why, missed[:NAMED]))
    more = f" and {len(missed) - NAMED} more" if len(missed) > NAMED else ""
    return (
        f"recipe.init: {len(missed)} parameters cannot be copied from {source}: {named}{more}; "
        "name the parts to copy in `only`, or let these start fresh by `strict: false`"
    )


def check_names(net: nn.Module, parts: Iterable[str], place: str) -> None:
    """Raise a SpecError for a name that is no parameter of `net` and no part with parameters."""
    names = [name for name, _ in net.named_parameters()]
    for part in parts:
        if any(covers(part, name) for name in names):
            continue
        known = dict.fromkeys(name[:end] for name in names for end in _ends(name))
        guess = nearest(part, known)
        hint = f"; did you mean {guess!r}?" if guess else ""
        tops = dict.fromkeys(name.partition(".")[0] for name in names)
        raise SpecError(
            f"{place}: this network has no parameter and no part with parameters called {part!r}"
            f"{hint} (its parts: {', '.join(tops)})"
        )


def _ends(name: str) -> Iterator[int]:
    """Yield where the names of the parts of a parameter's name end, and its own."""
    yield from (place for place, letter in enumerate(name) if letter == ".")
    yield len(name)


def freeze(net: nn.Module, parts: Sequence[str]) -> tuple[str, ...]:
    """Keep the named parameters and parts of `net` from training; return the parameters' names.

    Modules whose parameters are all frozen stay in evaluation mode, so that statistics they keep do
    not move either.

    Raises:
        SpecError: when a name means nothing in `net`, or nothing would be trained.
    """
    check_names(net, parts, "recipe.freeze")
    frozen = [name for name, _ in net.named_parameters() if parts and _asked(name, parts)]
    for name, parameter in net.named_parameters():
        if name in set(frozen):
            parameter.requires_grad_(False)
    if frozen and not any(each.requires_grad for each in net.parameters()):
        raise SpecError(
            f"recipe.freeze: {', '.join(parts)} are all parameters of this network, so nothing "
            "would be trained; freeze fewer parts"
        )
    for module in net.modules() if frozen else ():
        inside = list(module.parameters())
        if inside and not any(each.requires_grad for each in inside):
            module.eval()
    return tuple(frozen)
