"""`tempo interpolate`: new frames from a trained network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tempo.cli import options as shared
from tempo.cli.console import make_console
from tempo.cli.progress import advancing
from tempo.core.errors import MissingError, StoppedError

if TYPE_CHECKING:
    from tempo.train.evaluation.clip_evaluation import Predictor
    from tempo.train.inference.network_inference import InferenceSettings

EPILOG = """examples:
  tempo interpolate RUN_ID --video in.mp4 --x 2 -o out.mp4      twice the frames, sound kept
  tempo interpolate records/runs/RUN_ID --video in.mov --x 8 -o slow.mkv
  tempo interpolate my_weights.pt --video 4k.mp4 --x 2 -o out.mp4 --tile 512
  tempo interpolate RUN_ID --between a.png b.png -o middle.png
  tempo interpolate RUN_ID --between a.png b.png -n 7 -o frames/

A frame of the source keeps its time; across a scene cut it is held instead of blended.
"""

FACTORS = (2, 4, 8)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Put new frames between those of a video, or between two pictures."
    parser.epilog = EPILOG
    parser.add_argument(
        "method",
        metavar="CHECKPOINT|RUN",
        help="a checkpoint or weights file, a run's folder or id, a study of one run, a reference "
        "(average, nearest ...), or package.module:callable",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--video", type=Path, metavar="FILE", help="a video file")
    source.add_argument(
        "--between", type=Path, nargs=2, metavar="PICTURE", help="two pictures of one size"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="PATH",
        help="a video (.mp4, .mkv, .mov, .webm), a picture, or a folder for several pictures",
    )
    parser.add_argument(
        "--x",
        type=int,
        choices=FACTORS,
        default=None,
        help="with --video: frames out for one in (default: 2); n frames give (n - 1) x + 1",
    )
    parser.add_argument(
        "-n",
        type=shared.positive,
        default=None,
        metavar="N",
        help="with --between: pictures, evenly spaced in time (default: 1)",
    )
    parser.add_argument(
        "--cut",
        type=float,
        default=None,
        metavar="X",
        help="with --video: mean luma difference (0 to 255) above which the scene is taken to "
        "change (default: 36)",
    )
    parser.add_argument(
        "--crf",
        type=int,
        default=None,
        metavar="Q",
        help="with --video: quality of the encoder, 0 (lossless) to 51 (default: 17)",
    )
    add_inference(parser)
    shared.add_records(parser)
    parser.set_defaults(handler=execute)


def add_inference(parser: argparse.ArgumentParser) -> None:
    """On what, in which number format and in which pieces a network is run."""
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16", "fp16"),
        default="fp32",
        help="inside the network (default: %(default)s)",
    )
    parser.add_argument(
        "--tile",
        type=shared.positive,
        metavar="SIDE",
        help="cut larger frames into overlapping tiles of this side, a multiple of 8 "
        "(default: whole frames)",
    )
    parser.add_argument(
        "--overlap",
        type=shared.positive,
        metavar="PX",
        help="pixels that neighbouring tiles share, a multiple of 8 (default: a quarter of SIDE)",
    )
    parser.add_argument(
        "--threads", type=shared.positive, metavar="N", help="CPU threads (default: all cores)"
    )


def inference(options: argparse.Namespace) -> InferenceSettings:
    """What `add_inference`'s options ask for."""
    from tempo.train.inference.network_inference import make_inference

    return make_inference(
        device=options.device,
        precision=options.precision,
        tile=options.tile,
        overlap=options.overlap,
        threads=options.threads,
    )


def execute(options: argparse.Namespace) -> int:
    """Write what was asked for; whole or not at all."""
    _check(options)
    from tempo.records.layout import Store
    from tempo.train.evaluation.method_names import find_one
    from tempo.train.run.stop_request import listening

    method = find_one(options.method, Store(options.records))
    try:
        with listening() as stop, stop.at_once():
            setting = inference(options)
            predict = setting.predictor(method)
            if options.between:
                return _between(options, predict, setting)
            return _video(options, predict, setting)
    except StoppedError as stopped:
        raise StoppedError(f"stopped; {options.output} was not finished") from stopped


def _check(options: argparse.Namespace) -> None:
    pictures = options.between is not None
    needs = {"--x": options.x, "--cut": options.cut, "--crf": options.crf}
    wrong = [name for name, given in needs.items() if pictures and given is not None]
    wrong += ["-n"] if not pictures and options.n is not None else []
    if wrong:
        kind = "--video" if pictures else "--between"
        raise MissingError(f"{', '.join(wrong)} needs {kind}")
    if options.crf is not None and not 0 <= options.crf <= 51:
        raise MissingError(f"--crf is from 0 to 51, not {options.crf}")


def _video(options: argparse.Namespace, predict: Predictor, setting: InferenceSettings) -> int:
    from tempo.train.inference.interpolation import InterpolationSettings, interpolate_video

    console = make_console()
    settings = InterpolationSettings(
        factor=options.x or 2,
        cut=36.0 if options.cut is None else options.cut,
        crf=17 if options.crf is None else options.crf,
    )
    with advancing(console, options.video.name, "frames") as advance:
        written = interpolate_video(
            predict, options.video, options.output, settings, setting.device, advance
        )
    for note in written.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    if written.cuts:
        after = ", ".join(map(str, written.cuts))
        line = f"held across {len(written.cuts)} scene cuts (after frames {after}, from 0)"
        console.print(line, markup=False, soft_wrap=True)
    line = f"{options.output}: {written.frames} frames from {written.read}"
    console.print(line, markup=False, soft_wrap=True)
    return 0


def _between(options: argparse.Namespace, predict: Predictor, setting: InferenceSettings) -> int:
    from tempo.train.inference.interpolation import between_pictures

    console = make_console()
    count = options.n or 1
    with advancing(console, "between", "pictures") as advance:
        paths = between_pictures(
            predict, options.between, options.output, count, setting.device, advance
        )
    for path in paths:
        console.print(str(path), markup=False, soft_wrap=True)
    return 0
