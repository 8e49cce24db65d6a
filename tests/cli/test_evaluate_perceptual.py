"""Perceptual metrics in `tempo evaluate`: with weights, and without."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tempo.cli.main import main
from tempo.records.files import sha256_of
from tests import reference_backbones

from .test_evaluate import tree

__all__ = ["tree"]


pytestmark = pytest.mark.usefixtures("without_backbones")


def words(tree: Path, *more: str, metrics: str = "psnr,lpips_alex") -> list[str]:
    on = ["--on", "davis", "--root", f"davis={tree}", "--metrics", metrics, *more]
    return ["evaluate", "average", "nearest", "--threads", "1", *on]


def backbones(folder: Path) -> list[str]:
    """The options that name random weights of both networks of FloLPIPS."""
    files = {name: reference_backbones.write(name, folder) for name in ("alexnet", "pwcnet")}
    return [word for name, file in files.items() for word in ("--backbone", f"{name}={file}")]


def test_weights_are_in_the_protocol_and_values_with_and_without_are_not_mixed(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tree)) == 0
    out = capsys.readouterr().out
    assert out.count("not computed") >= 2
    assert "lpips_alex is not computed: it looks through alexnet" in " ".join(out.split())

    file = reference_backbones.write("alexnet", tmp_path)
    assert main(words(tree, "--backbone", f"alexnet={file}", "--json")) == 0
    records = json.loads(capsys.readouterr().out)
    text = json.dumps(records)
    assert "alexnet (not one that torchvision publishes)" in text
    assert "not computed" not in text
    # The same once more is read from its record; without the weights the first one is.
    assert main(words(tree, "--backbone", f"alexnet={file}")) == 0
    with_weights = capsys.readouterr().out
    assert with_weights.count("recorded before") == 2 and "not computed" not in with_weights
    assert main(words(tree)) == 0
    assert capsys.readouterr().out.count("not computed") >= 2


@pytest.mark.slow
def test_flolpips_is_measured_per_clip_and_its_card_needs_both_networks(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = backbones(tmp_path)
    asked = words(tree, *given, "--card", "c.json", metrics="lpips_alex,flolpips")
    assert main(asked) == 0
    out = capsys.readouterr().out
    assert "flolpips" in out and "not computed" not in out
    for method in "average", "nearest":
        [folder] = Path("records/evaluations", method).glob("davis-*")
        clips = pd.read_parquet(folder / "clips.parquet")
        assert len(clips) == 3
        assert (clips["flolpips"] > 0).all() and (clips["flolpips"] != clips["lpips_alex"]).all()
        record = json.loads((folder / "evaluation.json").read_text())
        assert record["values"]["flolpips"] == pytest.approx(clips["flolpips"].mean())
        own = record["protocol"]["perceptual"]["flolpips"]
        assert own["flow_sha256"] == sha256_of(tmp_path / "pwcnet.pth")

    card = "c-average-davis-flolpips.json"
    assert "flow_sha256" in Path(card.replace(".json", ".md")).read_text()
    verify = ["evaluate", "--verify", card, "--root", f"davis={tree}", "--threads", "1"]
    assert main([*verify, *given]) == 0
    assert capsys.readouterr().out.startswith("Equal: FloLPIPS of average on davis")
    assert main([*verify, *given[:2]]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "it looks through pwcnet, whose weights are not given" in said
    assert "--backbone pwcnet=FILE" in said


def test_without_the_flow_network_lpips_is_measured_and_flolpips_is_not(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = backbones(tmp_path)[:2]
    assert main(words(tree, *given, "--json", metrics="lpips_alex,flolpips")) == 0
    [record, _] = json.loads(capsys.readouterr().out)
    assert record["values"].keys() == {"lpips_alex"}
    assert record["protocol"]["perceptual"].keys() == {"lpips_alex"}
    assert "pytorch-pwc's file" in record["not_applicable"]["flolpips"]


def test_another_network_in_place_of_the_flows_is_a_sentence(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [reference_backbones.write(name, tmp_path) for name in ("alexnet", "vgg16")]
    given = ["--backbone", f"alexnet={files[0]}", "--backbone", f"pwcnet={files[1]}"]
    assert main(words(tree, *given, metrics="psnr,flolpips")) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "is not PWC-Net as pytorch-pwc writes it" in said
    assert "moduleExtractor.moduleOne.0.weight is missing" in said
    assert not list(Path("records").rglob("evaluation.json"))


def test_a_wrong_option_is_a_sentence(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for given, said in (
        ("alexnet", "--backbone is NAME=FILE, not 'alexnet'"),
        ("alex=x.pth", "alexnet"),
        ("alexnet=nowhere.pth", "there is no file nowhere.pth"),
    ):
        assert main(words(tree, "--backbone", given)) == 2
        assert said in " ".join(capsys.readouterr().err.split())
