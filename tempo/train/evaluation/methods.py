"""Define methods: trained networks from runs or files, and references without weights.

A method is named before it is loaded, so that what was evaluated already is skipped without
building a network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tempo.core.errors import RecordError
from tempo.core.identity import file_name
from tempo.core.plugins.description import code_of
from tempo.core.version import VERSION
from tempo.data.clips import Clip
from tempo.metrics.references import REFERENCES
from tempo.models.family import build_model, build_tempo
from tempo.models.weight_files import load_weights
from tempo.records.event_log import read_events
from tempo.records.events import CheckpointSaved
from tempo.records.files import LARGE, inside, is_there, read_bytes
from tempo.records.layout import load_run
from tempo.spec.arch import ArchSpec
from tempo.spec.data import views_of
from tempo.spec.networks import Network
from tempo.spec.study import RunConfig
from tempo.train.evaluation.clip_evaluation import Predictor
from tempo.train.evaluation.run_evaluation import ensemble
from tempo.train.optim.averaging import Weights, copy_weights, live_weights, mean_weights
from tempo.train.run.checkpoints import (
    Checkpoints,
    newest_sound,
    open_checkpoint,
    saved_checkpoints,
    weights_of,
)
from tempo.train.run.training_loop import Progress, needed

ReadPicture = Callable[[Clip], Tensor]
"""Returns an existing prediction, float32 [3, H, W]; MissingError without one of the target's size.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method that predicts frames, before its weights are loaded.

    `identity` is everything that decides its pictures, as JSON values: equal identities need not
    be evaluated twice. `checkpoints` are the files its weights come from, with path, SHA-256 and
    step. `records` is the folder that its evaluations go to. A method whose `pictures` exist
    already is not called; `rounded` says that they hold 8 bits. `views` is how many frames the
    network was trained to see at once.
    """

    name: str
    load: Callable[[torch.device], Predictor]
    identity: Mapping[str, Any]
    records: Path
    checkpoints: tuple[Mapping[str, Any], ...] = ()
    run_id: str | None = None
    pictures: ReadPicture | None = None
    rounded: bool = False
    views: int = 2


def reference(name: str, root: Path) -> Method:
    """Return the reference, a method without weights, called `name` in `REFERENCES`."""
    predict = REFERENCES[name]
    return Method(
        name=name,
        load=lambda device: predict,
        identity={"method": name, "tempo": VERSION},
        records=root / "evaluations" / name,
    )


def of_run(folder: Path, name: str) -> Method:
    """Return the network of a run, with the weights that the run's own evaluation chooses.

    For a run that is still training these are the weights it would choose now. A run of a method
    without weights is that method.

    Raises:
        RecordError: when the run has no checkpoint that can be used.
    """
    spec = load_run(folder)
    config = RunConfig.model_validate(spec.config)
    if config.method != "network":
        return reference(config.method, folder.parents[1])
    used = chosen_checkpoints(folder, config)
    how = config.evaluation.select

    def load(device: torch.device) -> Predictor:
        states = [weights_of(Checkpoints(folder).load(each)) for each in used]
        return _network(config.arch, states, device, together=how == "ensemble")

    return Method(
        name=name,
        load=load,
        identity={"weights": tuple(each.sha256 for each in used), "select": how}
        | code_of(spec.config),
        records=folder / "evaluations",
        checkpoints=tuple(
            {"path": str(folder / each.path), "sha256": each.sha256, "step": each.step}
            for each in used
        ),
        run_id=spec.run_id,
        views=views_of(config.data),
    )


def chosen_checkpoints(folder: Path, config: RunConfig) -> list[CheckpointSaved]:
    """Return the checkpoints that the evaluation of a run's network chooses, or would choose now.

    Raises:
        RecordError: when the run has no checkpoint that can be used.
    """
    saved = saved_checkpoints(list(read_events(folder)))
    newest = newest_sound(Checkpoints(folder), saved)
    if newest.saved is None or newest.state is None:
        raise RecordError(f"{folder}: the run has no checkpoint yet")
    progress = Progress(**newest.state["progress"])
    steps = needed(config.evaluation, progress) or [newest.saved.step]
    return [_saved_at(folder, saved, step) for step in steps]


def _saved_at(folder: Path, saved: Sequence[CheckpointSaved], step: int) -> CheckpointSaved:
    found = next((each for each in saved if each.step == step), None)
    if found is None or not is_there(inside(folder, found.path)):
        raise RecordError(f"{folder}: the checkpoint of step {step}, which is needed, is gone")
    return found


def _network(
    arch: Network, states: Sequence[Weights], device: torch.device, *, together: bool = False
) -> Predictor:
    net = build_model(arch, 0).to(device).eval()
    live = live_weights(net)
    if together and len(states) > 1:
        return ensemble(live, net, states)
    copy_weights(live, states[0] if len(states) == 1 else mean_weights(states))
    return net


def of_file(path: Path, root: Path) -> Method:
    """Return the network in a file: a checkpoint inside a run's folder, or weights written by
    `tempo.models.weight_files.save_weights`.

    Raises:
        RecordError: when the file is neither, or is damaged.
    """
    content = read_bytes(path, LARGE)
    digest = hashlib.sha256(content).hexdigest()
    saved = open_checkpoint(path, content)
    told = {"path": str(path), "sha256": digest}
    if "trainer" in saved:
        return _training_checkpoint(path, saved, told)
    if "arch" not in saved:
        raise RecordError(f"{path} is neither a checkpoint nor a weights file of Tempo")

    def load(device: torch.device) -> Predictor:
        net = build_tempo(ArchSpec.model_validate(saved["arch"]), 0)
        load_weights(path, net)
        return net.to(device).eval()

    return Method(
        name=path.stem,
        load=load,
        identity={"weights": (digest,)},
        records=root / "evaluations" / f"{file_name(path.stem)}-{digest[:8]}",
        checkpoints=(told,),
    )


def _training_checkpoint(path: Path, saved: Mapping[str, Any], told: dict[str, Any]) -> Method:
    folder = path.resolve().parent.parent
    if not (folder / "run.json").is_file():
        raise RecordError(
            f"{path} is a training checkpoint; its architecture is in run.json of the run's folder,"
            f" and {folder} has none: leave it in the run's folder"
        )
    spec = load_run(folder)
    config = RunConfig.model_validate(spec.config)
    step = saved["progress"]["step"]
    return Method(
        name=f"{spec.run_id} step {step}",
        load=lambda device: _network(config.arch, [weights_of(saved)], device),
        identity={"weights": (told["sha256"],), "select": "file"} | code_of(spec.config),
        records=folder / "evaluations" / path.stem,
        checkpoints=(told | {"step": step},),
        run_id=spec.run_id,
        views=views_of(config.data),
    )
