"""Every command of README, tutorial and how-to pages is executed; those of all pages are read."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from tempo.cli.main import COMMANDS, parser

from .blocks import EXECUTED, PAGES, ROOT, Block, blocks, commands

SHELL = {"bash", "console", "sh", "shell"}
SPEC = re.compile(r"(run_experiment\.py|\btempo (?:run|plan|retry --failed)) (\S+\.yaml)")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", EXECUTED, ids=name_of)
def test_commands_stand_in_blocks_that_can_be_executed(page: Path) -> None:
    """Indented blocks would be passed over."""
    outside = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    indented = re.findall(r"^ {4,}(?:\w+=\S+ )?(?:tempo|python|make) .*$", outside, re.MULTILINE)
    assert indented == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_shown_is_one_that_exists(page: Path) -> None:
    for command in commands(page):
        words = shlex.split(command.replace(" URI", " http://127.0.0.1:5000"))
        # What the shell does with the output is no word of the command.
        words = words[: words.index(">")] if ">" in words else words
        if words[0] == "python":
            words = ["run" if words[1] == "run_experiment.py" else "compare", *words[2:]]
        else:
            words = words[1:]
        try:
            parser(*COMMANDS).parse_args(words)
        except SystemExit as left:
            assert left.code == 0, f"{name_of(page)}: {command}"


def test_commands_are_found_in_both_kinds_of_blocks() -> None:
    """The test above cannot pass because it finds nothing."""
    found = {command for page in PAGES for command in commands(page)}
    assert "tempo stop se_dilation" in found, "an indented block, with a comment behind it"
    assert "tempo search show search_v3" in found, "a fenced block"
    assert len(found) > 60


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which both studies of the tutorial have run, at smoke size."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("experiments", "ablations"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("run_experiment.py", "compare.py"):
        shutil.copy(ROOT / name, folder)
    for page in ("tutorial/own_study.md", "how-to/own_parts.md"):
        for block in blocks(ROOT / "docs" / page):
            if block.title is not None:
                (folder / block.title).write_text(block.text)
    write_videos(folder / "my" / "videos")
    binaries = folder / "bin"
    binaries.mkdir()
    for name, words in {"python": "", "tempo": "-m tempo.cli.main"}.items():
        (binaries / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        (binaries / name).chmod(0o755)
    for spec in ("ablations/se_dilation.yaml", "deformable.yaml"):
        carry_out(folder, f"python run_experiment.py {spec}\n")
    return folder


def write_videos(folder: Path) -> None:
    """Write six videos of a sliding pattern, for the page on a reader's own videos."""
    folder.mkdir(parents=True)
    for number in range(6):
        blocks = np.random.default_rng(number).integers(0, 256, (6, 40, 3), dtype=np.uint8)
        wide = blocks.repeat(16, 0).repeat(16, 1)
        with av.open(str(folder / f"video_{number}.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.height, stream.width, stream.pix_fmt = 96, 160, "yuv420p"
            for k in range(12):
                shown = np.ascontiguousarray(wide[:, 4 * k : 4 * k + 160])
                frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())


def smoke(text: str, *, mirror: bool = False) -> str:
    """Return commands that do the same at smoke size; without `mirror`, MLflow is left out."""

    def shorter(found: re.Match[str]) -> str:
        mlflow = "" if mirror or "plan" in found[1] else " --mlflow off"
        return f"{found[0]} --profile smoke{mlflow}"

    text = text.replace('profile="demo"', 'profile="smoke"')
    return SPEC.sub(shorter, re.sub(r" --profile \w+", "", text))


def carry_out(folder: Path, text: str, *, mirror: bool = False) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", smoke(text, mirror=mirror)],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, f"{smoke(text, mirror=mirror)}\n{done.stdout[-3000:]}"


def as_shell(block: Block) -> str:
    if block.language == "python":
        return f"python - <<'END_OF_PYTHON'\n{block.text}END_OF_PYTHON\n"
    return block.text


@pytest.mark.slow
@pytest.mark.parametrize("page", EXECUTED, ids=name_of)
def test_the_commands_of_a_page_work(workspace: Path, page: Path) -> None:
    runnable = [
        block
        for block in blocks(page)
        if block.reason is None
        and block.language in SHELL | {"python"}
        and not (block.language == "python" and block.title)
    ]
    for block in runnable:
        carry_out(workspace, as_shell(block), mirror=page.name == "mlflow.md")
