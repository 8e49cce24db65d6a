"""Build the teachers of distillations: trained networks, or ones of their kind for a rehearsal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from tempo.core.errors import SpecError
from tempo.models.family import build_model
from tempo.records.events import Noted
from tempo.records.files import LARGE, read_bytes
from tempo.records.layout import load_run
from tempo.spec.arch import ArchSpec
from tempo.spec.losses import Distillation, single_losses
from tempo.spec.networks import Network
from tempo.spec.recipe import Recipe
from tempo.spec.study import RunConfig
from tempo.train.run.checkpoints import open_checkpoint
from tempo.train.run.parent_weights import ParentWeights, weights_in_file

Networks = Mapping[str, Mapping[str, Any]]
"""By source of weights, {"config": config of a run} or {"path": file}."""


def teachers_of(recipe: Recipe) -> tuple[str, ...]:
    """Return the teachers that the losses of a recipe and its stages name, each once."""
    every = (loss for each in recipe.stage_recipes for loss in single_losses(each.loss))
    named = (each.teacher for each in every if isinstance(each, Distillation))
    return tuple(dict.fromkeys(named))


def load_teachers(
    recipe: Recipe, parents: Mapping[str, ParentWeights], runs: Path
) -> tuple[dict[str, nn.Module], list[Noted]]:
    """Return the trained teachers of a recipe by name, and a note on each.

    `runs` is the folder that holds the folders of all runs.

    Raises:
        SpecError: when a file does not say of which network its weights are.
    """
    found: dict[str, nn.Module] = {}
    notes = []
    for name in teachers_of(recipe):
        taken = parents[name]
        run_id = taken.parent.run_id
        arch = _arch_of_run(runs / run_id) if run_id else arch_in_file(Path(name).expanduser())
        found[name] = _network(arch, taken.weights)
        values = {"source": name, "run_id": run_id, "weights": taken.sha256}
        message = f"learns from {taken.told}"
        notes.append(Noted(step=0, topic="teacher", message=message, values=values, lasting=True))
    return found, notes


def untrained_teachers(recipe: Recipe, networks: Networks, own: Network) -> dict[str, nn.Module]:
    """Return networks like the teachers of a recipe, which need not be trained yet.

    One that `networks` does not describe is like the network that learns, `own`.

    Raises:
        SpecError: when a file does not say of which network its weights are.
        RecordError: when it is damaged, or holds no weights.
    """
    found: dict[str, nn.Module] = {}
    for name in teachers_of(recipe):
        network = networks.get(name, {})
        if "path" in network:
            path = Path(network["path"]).expanduser()
            found[name] = _network(arch_in_file(path), weights_in_file(path))
        elif "config" in network:
            found[name] = build_model(RunConfig.model_validate(network["config"]).arch, 0)
        else:
            found[name] = build_model(own, 0)
    return found


def arch_in_file(path: Path) -> Network:
    """Return of which network the weights in a file are.

    Raises:
        SpecError: when neither the file nor the folder of a run around it says so.
        RecordError: when it cannot be read.
    """
    saved = open_checkpoint(path, read_bytes(path, LARGE))
    if "arch" in saved:
        return ArchSpec.model_validate(saved["arch"])
    folder = path.resolve().parent.parent
    if "trainer" in saved and (folder / "run.json").is_file():
        return _arch_of_run(folder)
    raise SpecError(
        f"recipe.loss.teacher: {path} does not say of which network its weights are; name a "
        "variant or a run, a checkpoint inside its run's folder, or a weights file of Tempo"
    )


def _arch_of_run(folder: Path) -> Network:
    return RunConfig.model_validate(dict(load_run(folder).config)).arch


def _network(arch: Network, weights: Mapping[str, Any]) -> nn.Module:
    network = build_model(arch, 0)
    network.load_state_dict(dict(weights))
    return network
