"""The example notebook of the documentation, executed in a real Jupyter kernel."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from .conftest import ROOT

NOTEBOOK = ROOT / "docs" / "first_study.ipynb"


@pytest.mark.slow
def test_the_example_notebook_runs_from_its_first_cell_to_its_last(
    sandbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    kept = nbformat.read(NOTEBOOK, as_version=4)
    fresh = nbformat.from_dict(kept)
    folder = sandbox / "notebook"
    folder.mkdir(exist_ok=True)
    for name in ("ablations", "experiments"):
        (folder / name).symlink_to(sandbox / name)
    NotebookClient(fresh, timeout=200, resources={"metadata": {"path": str(folder)}}).execute()
    for cell, before in zip(fresh.cells, kept.cells, strict=True):
        if cell.cell_type == "code":
            # What is kept for readers was made by the very same cells.
            assert cell.source == before.source and before.outputs is not None
    shown = [out for cell in fresh.cells if cell.cell_type == "code" for out in cell.outputs]
    pages = [out for out in shown if "text/html" in out.get("data", {})]
    pictures = [out for out in shown if "image/png" in out.get("data", {})]
    assert len(pages) >= 4 and pictures
    assert (folder / "reports" / "v2_to_v3" / "index.html").is_file()
