"""Load the weights that a run takes from another run or a file, and prepare its network by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from tempo.core.errors import RecordError
from tempo.core.records import Parent
from tempo.models.weight_transfer import copy_weights_of, freeze
from tempo.records.event_log import is_complete
from tempo.records.events import Noted
from tempo.records.files import LARGE, read_bytes, sha256_of
from tempo.records.layout import load_run
from tempo.records.parent_runs import recorded_weights
from tempo.spec.recipe import Recipe
from tempo.spec.study import RunConfig
from tempo.train.evaluation.methods import chosen_checkpoints
from tempo.train.optim.averaging import mean_weights, weights_hash
from tempo.train.run.checkpoints import Checkpoints, open_checkpoint, weights_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentWeights:
    """The weights of a parent by name, with the SHA-256 of their names and values.

    Those of a run are the ones that its own evaluation chose; `sha256` of a file is the file's.
    """

    parent: Parent
    sha256: str
    weights: Mapping[str, Tensor]

    @property
    def told(self) -> str:
        """What the weights are, for a note in the record."""
        place = f"run {self.parent.run_id}" if self.parent.run_id else "a file"
        return f"{self.parent.source} ({place}, weights {self.sha256[:12]})"


def load_parent(parent: Parent, runs: Path) -> ParentWeights:
    """Load a parent's weights; `runs` is the folder that holds the folders of all runs.

    Raises:
        RecordError: when it has no result, or its weights are not those that were asked for.
    """
    if parent.run_id is None:
        return _of_file(parent)
    folder = runs / parent.run_id
    if not is_complete(folder):
        raise RecordError(f"{parent.source}: run {parent.run_id} has no result to start from")
    config = RunConfig.model_validate(dict(load_run(folder).config))
    used = chosen_checkpoints(folder, config)
    loaded = [Checkpoints(folder).load(each) for each in used]
    states = [weights_of(each) for each in loaded]
    digest = weights_hash(states)
    if (recorded_weights(folder) or digest) != digest:
        raise RecordError(
            f"{parent.source}: the checkpoints of run {parent.run_id} do not hold the weights that "
            "its result was made with; train it again, or put its checkpoints back"
        )
    # Averages hold parameters alone; what else a network keeps is in its own state.
    rest = dict(loaded[-1]["trainer"]["model"])
    chosen = states[0] if len(states) == 1 else mean_weights(states)
    return ParentWeights(parent=parent, sha256=digest, weights=rest | dict(chosen))


def _of_file(parent: Parent) -> ParentWeights:
    path = Path(parent.source).expanduser()
    if not path.is_file():
        raise RecordError(f"{path}, which this run builds on, is gone")
    digest = sha256_of(path)
    if digest != parent.sha256:
        raise RecordError(
            f"{path} is not the file that the study was planned with (SHA-256 {digest[:12]}..., "
            f"planned {str(parent.sha256)[:12]}...): put it back, or give the command again to "
            "start from the new one"
        )
    return ParentWeights(parent=parent, sha256=digest, weights=weights_in_file(path))


def weights_in_file(path: Path) -> Mapping[str, Tensor]:
    """Return the weights by name in a checkpoint, a weights file of Tempo, or a plain state dict.

    Raises:
        RecordError: when the file is none of these.
    """
    saved = open_checkpoint(path, read_bytes(path, LARGE))
    if "trainer" in saved:
        return dict(saved["trainer"]["model"]) | dict(weights_of(saved))
    found = saved.get("state", saved)
    weights = {str(name): each for name, each in found.items() if isinstance(each, Tensor)}
    if not weights:
        raise RecordError(
            f"{path} holds no weights: it is neither a checkpoint, nor a weights file, nor a "
            "mapping of names to tensors"
        )
    return weights


def loaded_parents(parents: Sequence[Parent], runs: Path) -> dict[str, ParentWeights]:
    """Load the weights of all parents, by the text that names them."""
    return {each.source: load_parent(each, runs) for each in parents}


def prepare_network(
    net: nn.Module, recipe: Recipe, parents: Mapping[str, ParentWeights], step: int
) -> list[Noted]:
    """Give a network the weights and the frozen parts that a recipe asks for; say what was done.

    From `step` on, which is not 0, weights come from a checkpoint, so that none are copied here.

    Raises:
        SpecError: when weights do not fit, or a part that is named does not exist.
    """
    notes = []
    if recipe.init is not None and step == 0:
        taken = parents[recipe.init.source]
        done = copy_weights_of(net, taken.weights, recipe.init)
        values = {
            "source": taken.parent.source,
            "run_id": taken.parent.run_id,
            "weights": taken.sha256,
            **done.to_json(),
        }
        message = f"started from {taken.told}: {done}"
        notes.append(Noted(step=0, topic="init", message=message, values=values, lasting=True))
    frozen = freeze(net, recipe.freeze)
    if frozen and step == 0:
        held = sum(each.numel() for each in net.parameters() if not each.requires_grad)
        message = f"not trained: {', '.join(recipe.freeze)} ({len(frozen)} parameters)"
        values = {"parameters": frozen, "elements": held}
        notes.append(Noted(step=0, topic="freeze", message=message, values=values, lasting=True))
    return notes
