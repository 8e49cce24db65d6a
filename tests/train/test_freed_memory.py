"""Freed pages are kept: fewer page faults, and every bit of the training as before."""

import json
import platform
import subprocess
import sys
from typing import Any

import pytest

from tempo.train.hardware import freed_memory
from tempo.train.hardware.freed_memory import keep_freed_pages

GLIBC = sys.platform == "linux" and platform.libc_ver()[0] == "glibc"

TRAINING = """
import hashlib, json, resource, sys
import torch
from tempo.spec.study import RunConfig
from tempo.train.hardware import device, freed_memory, preflight

if sys.argv[1] == "returned":
    device.keep_freed_pages = lambda: False
recipe = {"batch": 8, "lr": 4e-3, "budget": {"steps": 1}, "precision": "fp32"}
arch = {"base_channels": 8, "blocks": [1, 1, 1, 1]}
data = {"kind": "procedural"}
parts = {"arch": arch, "recipe": recipe, "data": data, "runtime": {"device": "cpu"}}
config = RunConfig.model_validate(parts)
device.configure(torch.device("cpu"), 1, "fp32")
trainer = preflight.small_trainer(config, torch.device("cpu"))
batch = preflight.random_batch(8)
losses = [trainer.advance(batch, 0).loss for _ in range(3)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
losses += [trainer.advance(batch, 0).loss for _ in range(3)]
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
digest = hashlib.sha256()
for weights in trainer.model.state_dict().values():
    digest.update(weights.numpy().tobytes())
print(json.dumps({"losses": losses, "weights": digest.hexdigest(), "faults": faults}))
"""


def trained(pages: str) -> dict[str, Any]:
    """What a training of six steps ends with, in a process whose freed pages are kept or not."""
    command = [sys.executable, "-c", TRAINING, pages]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


@pytest.mark.slow
@pytest.mark.skipif(not GLIBC, reason="mallopt is glibc's")
def test_keeping_freed_pages_saves_page_faults_and_changes_no_bit() -> None:
    returned, kept = trained("returned"), trained("kept")
    assert kept["losses"] == returned["losses"]
    assert kept["weights"] == returned["weights"]
    assert kept["losses"][0] != kept["losses"][-1]
    assert returned["faults"] > 1000
    assert kept["faults"] < returned["faults"] / 4


@pytest.mark.skipif(not GLIBC, reason="mallopt is glibc's")
def test_glibc_accepts_the_settings() -> None:
    code = "from tempo.train.hardware.freed_memory import keep_freed_pages as keep; print(keep())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "True\n"


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freed_memory.sys, "platform", "darwin")
    assert keep_freed_pages() is False
    monkeypatch.undo()
    monkeypatch.setattr(freed_memory.platform, "libc_ver", lambda: ("", ""))
    assert keep_freed_pages() is False
