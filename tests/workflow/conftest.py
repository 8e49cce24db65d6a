"""A smoke study carried out once through the public API, for all tests of this folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "ablations" / "v2_to_v3.yaml"


@pytest.fixture(scope="session")
def toured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of the study that the API's tour made, and what the tour printed."""
    folder = tmp_path_factory.mktemp("tour")
    script = Path(__file__).with_name("api_tour.py")
    done = subprocess.run(
        [sys.executable, str(script), str(SPEC), str(folder)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder, json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shipped specs, two pictures and a video, as the documentation has it."""
    folder = tmp_path_factory.mktemp("sandbox")
    for name in ("ablations", "experiments"):
        shutil.copytree(ROOT / name, folder / name)
    ramp = np.linspace(0, 255, 48, dtype=np.uint8)
    frames = [np.stack([np.roll(np.tile(ramp, (32, 1)), shift, 1)] * 3, 2) for shift in range(5)]
    Image.fromarray(frames[0]).save(folder / "a.png")
    Image.fromarray(frames[2]).save(folder / "b.png")
    with av.open(str(folder / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return folder
