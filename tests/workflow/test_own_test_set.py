"""A test set of a plug-in is evaluated like those of Tempo, from Python and the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import tempo
from tempo.cli.main import main
from tempo.core.plugins.parts import remove_part
from tests.moving_noise import sequence

PLUGIN = """
from tempo.data.testsets.testset import Facts, Item, triplets
from tempo.plugins import register_named


def find(facts, root):
    every = triplets(sorted(root.glob("*.png")))
    return [Item(id=t.stem, source="lab", inputs=(a, b), target=t) for a, t, b in every]


facts = Facts(
    name="lab", title="Frames of the lab", folder="lab", inputs="even frames -> odd frames",
    rounding="both", reference="this lab", help="the root holds numbered .png files", find=find,
)
register_named("test set", "lab", facts)
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a plug-in and the pictures of its test set."""
    monkeypatch.chdir(tmp_path)
    Path("lab_sets.py").write_text(PLUGIN)
    sequence(Path("frames"), frames=7)
    yield tmp_path
    remove_part("test set", "lab")


@pytest.mark.usefixtures("lab")
def test_a_test_set_of_a_plugin_is_evaluated(capsys: pytest.CaptureFixture[str]) -> None:
    found = tempo.evaluate(
        "average",
        on="lab",
        roots={"lab": "frames"},
        metrics="psnr",
        plugins=["./lab_sets.py"],
        observer=tempo.SilentObserver(),
    )
    (record,) = found.records
    assert (record.test_set, record.clips) == ("lab", 3)
    words = ["evaluate", "average", "--on", "lab", "--root", "lab=frames", "--metrics", "psnr"]
    assert main([*words, "--plugin", "./lab_sets.py", "--csv"]) == 0
    assert f"{record.values['psnr']:.3f}" in capsys.readouterr().out


def test_a_plugin_that_is_not_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "average", "--on", "davis", "--plugin", "./absent.py"]) == 2
    assert "there is no plug-in file" in capsys.readouterr().err
