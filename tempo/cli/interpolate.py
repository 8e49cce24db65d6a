"""Run `tempo interpolate`: new frames from a trained network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tempo.cli import shared_options as shared
from tempo.cli.render.live import make_observer
from tempo.core.errors import MissingError

EPILOG = """examples:
  tempo interpolate RUN_ID --video in.mp4 --x 2 -o out.mp4      twice the frames, sound kept
  tempo interpolate records/runs/RUN_ID --video in.mov --x 8 -o slow.mkv
  tempo interpolate my_weights.pt --video 4k.mp4 --x 2 -o out.mp4 --tile 512
  tempo interpolate RUN_ID --between a.png b.png -o middle.png
  tempo interpolate RUN_ID --between a.png b.png -n 7 -o frames/

A frame of the source keeps its time; across a scene cut it is held instead of blended.
"""


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
        metavar="X",
        help="with --video: frames out for one in, 2 to 16 (default: 2); n frames give "
        "(n - 1) X + 1",
    )
    parser.add_argument(
        "-n",
        type=shared.positive,
        metavar="N",
        help="with --between: pictures, evenly spaced in time (default: 1)",
    )
    parser.add_argument(
        "--cut",
        type=float,
        metavar="X",
        help="with --video: mean luma difference (0 to 255) above which the scene is taken to "
        "change (default: 36)",
    )
    parser.add_argument(
        "--crf",
        type=int,
        metavar="Q",
        help="with --video: quality of the encoder, 0 (lossless) to 51 (default: 17)",
    )
    parser.add_argument(
        "--allow-truncated",
        action="store_true",
        help="with --video: use what can be decoded of a file that is not whole",
    )
    add_inference(parser)
    shared.add_records(parser)
    parser.set_defaults(handler=execute)


def add_inference(parser: argparse.ArgumentParser) -> None:
    """Add on what, in which number format and in which pieces a network is run."""
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


def inference_options(options: argparse.Namespace) -> dict[str, Any]:
    """What `add_inference`'s options ask for."""
    names = ("device", "precision", "tile", "overlap", "threads")
    return {name: getattr(options, name) for name in names}


def execute(options: argparse.Namespace) -> int:
    """Write what was asked for; whole or not at all."""
    _check(options)
    observer = make_observer()
    common = {"records": options.records, "observer": observer, **inference_options(options)}
    if options.between:
        from tempo.workflow.interpolation import interpolate_pictures

        pictures, count = options.between, options.n or 1
        for path in interpolate_pictures(
            options.method, pictures, options.output, count=count, **common
        ):
            observer.note(str(path))
        return 0
    from tempo.workflow.interpolation import interpolate_video

    given = {
        "factor": options.x,
        "cut": options.cut,
        "crf": options.crf,
        "allow_truncated": options.allow_truncated or None,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    written = interpolate_video(options.method, options.video, options.output, **chosen, **common)
    for note in written.notes:
        observer.note(f"note: {note}")
    if written.cuts:
        after = ", ".join(map(str, written.cuts))
        observer.note(f"held across {len(written.cuts)} scene cuts (after frames {after}, from 0)")
    observer.note(f"{options.output}: {written.frames} frames from {written.read}")
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse options of the other kind of source.

    Raises:
        MissingError: naming the options and what they need.
    """
    pictures = options.between is not None
    needs = {
        "--x": options.x,
        "--cut": options.cut,
        "--crf": options.crf,
        "--allow-truncated": options.allow_truncated or None,
    }
    wrong = [name for name, given in needs.items() if pictures and given is not None]
    wrong += ["-n"] if not pictures and options.n is not None else []
    if wrong:
        kind = "--video" if pictures else "--between"
        raise MissingError(f"{', '.join(wrong)} needs {kind}")
