"""A smoke study carried out once through the public API, for all tests of this folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "ablations" / "v2_to_v3.yaml"


TOUR = Path(__file__).with_name("api_tour.py")


@pytest.fixture(scope="session", params=["script", "kernel"])
def toured(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """The folder of the study that the API's tour made, and what the tour printed.

    The tour runs as a script in a fresh process, and as a cell of a notebook in a Jupyter kernel.
    """
    folder = tmp_path_factory.mktemp("tour")
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        printed = {"script": _script, "kernel": _cell}[request.param](folder)
    return folder, json.loads(printed.splitlines()[-1])


def _script(folder: Path) -> str:
    command = [sys.executable, str(TOUR), str(SPEC), str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def _cell(folder: Path) -> str:
    given = f"import sys\nsys.argv = ['tour', {str(SPEC)!r}, {str(folder)!r}]\n"
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(given + TOUR.read_text())]
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=240, kernel_name="python3", resources=resources).execute()
    outputs = notebook.cells[0].outputs
    return "".join(out.text for out in outputs if out.get("name") == "stdout")


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
