"""Wrap models of others as methods: a Python callable, or a folder of predicted pictures."""

from __future__ import annotations

import hashlib
import inspect
import sys
import uuid
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tempo.core.errors import MissingError, PluginError, RunError
from tempo.core.identity import file_name
from tempo.data.clips import Clip
from tempo.data.video_io.picture_files import read_picture
from tempo.records.files import sha256_of
from tempo.train.evaluation.clip_evaluation import Predictor
from tempo.train.evaluation.methods import Method
from tempo.train.evaluation.own_code import own_code

SUFFIXES = (".npy", ".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
"""What a clip's picture may end in; the first that is there is taken."""
UNROUNDED = ".npy"


def of_callable(text: str, root: Path) -> Method:
    """Import the method `package.module:name` from the Python path or the current folder.

    It is called as `name(frames, times, target_time)` with float32 tensors on the evaluation's
    device: frames [B, N, 3, H, W] RGB in 0..1, times [B, N] rising from 0 to 1, target_time [B];
    it returns [B, 3, H, W]. If `name` is a class, it is made without arguments first; if what it
    names has `.to` and `.eval` (a torch module), it is moved to the device and put into eval mode.

    Raises:
        MissingError: when the module or the name is not there.
        PluginError: when the module cannot be imported for another reason.
    """
    module, _, name = text.partition(":")
    records = root / "evaluations" / text.replace(":", ".")
    found = _imported(module, name, records)
    file = getattr(sys.modules[module], "__file__", None)
    # The module's file alone, without what the module loads.
    source = sha256_of(Path(file)) if file and Path(file).is_file() else None
    return Method(
        name=text,
        load=lambda device: _checked(_ready(found, device, text, records), text, records),
        identity={"callable": text, "source": source},
        records=records,
    )


def _imported(module: str, name: str, records: Path) -> Any:
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        with own_code(f"importing {module}", records, passed=(ImportError,)):
            found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise MissingError(
            f"cannot import {module}:{name} ({error}); it must be on the Python path or in the "
            "current folder"
        ) from error
    if not callable(found):
        raise MissingError(f"{module}:{name} is a {type(found).__name__}, which cannot be called")
    return found


def _ready(found: Any, device: torch.device, name: str, records: Path) -> Callable[..., Any]:
    with own_code(f"making {name}", records):
        made = found() if inspect.isclass(found) else found
        if isinstance(made, torch.nn.Module):
            return made.to(device).eval()
    return cast("Callable[..., Any]", made)


def _checked(call: Callable[..., Any], name: str, records: Path) -> Predictor:
    """Wrap `call` so that an error in it, and a wrong shape, is a sentence naming the method."""

    def predict(frames: Tensor, times: Tensor, moment: Tensor) -> Tensor:
        with own_code(f"calling {name} with frames of shape {list(frames.shape)}", records):
            out = call(frames, times, moment)
        wanted = (len(frames), *frames.shape[2:])
        shape = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        if shape != wanted:
            raise PluginError(f"{name} must return a tensor of shape {list(wanted)}, not {shape}")
        return out  # type: ignore[no-any-return]

    return predict


def _picture(folder: Path, clip: Clip) -> Tensor:
    """Read the prediction of a clip, float32 [3, H, W], from `<clip id>.png` (8 bit) or
    `<clip id>.npy` (floats 0..1, [H, W, 3]), in sub-folders where an id holds slashes."""
    paths = [folder / f"{clip.id}{suffix}" for suffix in SUFFIXES]
    path = next((each for each in paths if each.is_file()), None)
    if path is None:
        raise MissingError(f"{folder} has no picture of clip {clip.id!r} ({clip.id}.png, .npy ...)")
    pixels = _floats(path)
    if pixels.shape != clip.target.shape:
        raise MissingError(
            f"{path} holds {list(pixels.shape)}, the target of clip {clip.id!r} is "
            f"{list(clip.target.shape)}"
        )
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _floats(path: Path) -> npt.NDArray[np.float32]:
    if path.suffix != UNROUNDED:
        return np.asarray(read_picture(path, "predictions") / np.float32(255), dtype=np.float32)
    try:
        loaded = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise MissingError(f"{path} cannot be read ({error})") from error
    return np.asarray(loaded, dtype=np.float32)


def _not_called(device: torch.device) -> Predictor:
    raise RunError("a folder of pictures can be judged, but it cannot predict anything new")


def of_folder(folder: Path, root: Path) -> Method:
    """Return the method whose predictions are the pictures in `folder`.

    Raises:
        MissingError: when it holds no picture at all.
    """
    files = sorted(each for each in folder.rglob("*") if each.suffix.lower() in SUFFIXES)
    if not files:
        raise MissingError(
            f"{folder} is neither a run (run.json is missing) nor does it hold pictures named by "
            f"clip ids ({', '.join(SUFFIXES)})"
        )
    digest = hashlib.sha256()
    for each in files:
        digest.update(f"{each.relative_to(folder).as_posix()} {sha256_of(each)}\n".encode())
    name = folder.resolve().name
    return Method(
        name=name,
        load=_not_called,
        identity={"pictures": digest.hexdigest()},
        records=root / "evaluations" / f"{file_name(name)}-{digest.hexdigest()[:8]}",
        pictures=partial(_picture, folder),
        rounded=any(each.suffix != UNROUNDED for each in files),
    )


def of_function(function: Callable[..., Any], root: Path) -> Method:
    """The method that a Python callable is, called as in `of_callable`.

    What a callable holds (closures, weights) cannot be told from outside, so its results are
    recorded for this process alone and never taken for those of another.
    """
    name = getattr(function, "__qualname__", type(function).__name__)
    module = getattr(function, "__module__", type(function).__module__)
    records = root / "evaluations" / file_name(f"{module}.{name}")
    return Method(
        name=name,
        load=lambda device: _checked(_ready(function, device, name, records), name, records),
        identity={"callable": f"{module}:{name}", "session": uuid.uuid4().hex},
        records=records,
    )
