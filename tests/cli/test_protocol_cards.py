"""Protocol cards as a user writes, reads and verifies them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tempo as api
from tempo.cli.main import main
from tempo.metrics.metric_weights import use_backbones
from tests import reference_backbones

from .test_evaluate import tree

__all__ = ["tree"]


pytestmark = pytest.mark.usefixtures("without_backbones")


def on(tree: Path, *more: str) -> list[str]:
    return ["--on", "davis", "--root", f"davis={tree}", *more]


def verified(
    tree: Path, card: str, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["evaluate", "--verify", card, "--root", f"davis={tree}", *more])
    return code, " ".join("".join(capsys.readouterr()).split())


def test_a_card_says_what_its_number_means_and_the_number_is_found_again(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = on(tree, "--metrics", "psnr", "--tta", "flips", "--round", "--card", "out/card.json")
    assert main(["evaluate", "average", *words]) == 0
    assert "wrote out/card.json and card.md" in capsys.readouterr().err
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    record = json.loads(
        next((tmp_path / "records").glob("evaluations/average/*/evaluation.json")).read_text()
    )
    assert card["value"] == record["values"]["psnr"]
    assert card["protocol"] == record["protocol"]
    assert card["protocol_hash"] == record["protocol_hash"]
    for field in ("split_digest", "colour_space", "prediction", "padding", "tiling"):
        assert card["protocol"][field]
    page = (tmp_path / "out" / "card.md").read_text()
    for text in (f"{card['value']:.2f} dB", card["protocol"]["split_digest"], "mean of 4"):
        assert text in page

    before = sorted(path for path in (tmp_path / "records").rglob("*"))
    code, said = verified(tree, "out/card.json", capsys)
    assert code == 0, said
    assert "Equal: PSNR of average on davis is" in said and "exactly as the card says" in said
    assert sorted(path for path in (tmp_path / "records").rglob("*")) == before


def test_several_numbers_are_a_card_each(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = on(tree, "--metrics", "psnr,ssim", "--card", "c.json")
    assert main(["evaluate", "average", "nearest", *words]) == 0
    names = {path.name for path in tmp_path.glob("*.json")}
    assert names == {
        f"c-{method}-davis-{metric}.json"
        for method in ("average", "nearest")
        for metric in ("psnr", "ssim")
    }
    for name in sorted(names):
        assert verified(tree, name, capsys)[0] == 0


def test_another_number_other_pictures_and_another_protocol_are_told_apart(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "average", *on(tree, "--metrics", "psnr", "--card", "c.json")]) == 0
    card = json.loads((tmp_path / "c.json").read_text())

    def changed(**values: object) -> None:
        (tmp_path / "d.json").write_text(json.dumps(card | values))

    changed(value=card["value"] + 0.5)
    code, said = verified(tree, "d.json", capsys)
    assert code == 1 and "Differs" in said and "a difference of -0.5 dB" in said
    changed(value=card["value"] + 1e-5)
    code, said = verified(tree, "d.json", capsys)
    assert code == 0 and "within 0.001" in said
    changed(protocol=card["protocol"] | {"arithmetic": "float16"})
    code, said = verified(tree, "d.json", capsys)
    assert code == 1 and "not under the same protocol" in said
    assert "arithmetic is float32 here, and float16 in the card" in said
    changed(identity={"method": "average", "tempo": "0.0"})
    code, said = verified(tree, "d.json", capsys)
    assert code == 0 and "The method is not the same: tempo is" in said

    path = tree / "scene" / "00003.png"
    Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    code, said = verified(tree, "c.json", capsys)
    assert code == 1 and "the clips are others: split_digest" in said


def test_a_perceptual_number_needs_its_own_weights_again(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backbone = f"alexnet={reference_backbones.write('alexnet', tmp_path)}"
    words = on(tree, "--metrics", "psnr,lpips_alex", "--backbone", backbone, "--card", "c.json")
    assert main(["evaluate", "average", *words]) == 0
    card = "c-average-davis-lpips_alex.json"
    assert "backbone_sha256" in Path(card.replace(".json", ".md")).read_text()
    # The card of PSNR owes nothing to these weights.
    use_backbones({})
    assert verified(tree, "c-average-davis-psnr.json", capsys)[0] == 0
    code, said = verified(tree, card, capsys)
    assert code == 1 and "cannot be computed here" in said and "--backbone alexnet=FILE" in said
    assert verified(tree, card, capsys, "--backbone", backbone)[0] == 0


def test_what_cannot_be_verified_is_a_sentence(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.json").write_text("{}")
    code, said = verified(tree, "c.json", capsys)
    assert code == 2 and "c.json is no protocol card" in said
    assert verified(tree, "nowhere.json", capsys)[0] == 2
    (tmp_path / "c.json").write_text('{"format": 99}')
    assert "verify it with a newer one" in verified(tree, "c.json", capsys)[1]
    assert main(["evaluate", "average"]) == 2
    assert "needs what to judge" in capsys.readouterr().err
    assert main(["evaluate", "average", "--verify", "c.json"]) == 2
    assert "says itself" in capsys.readouterr().err
    assert main(["evaluate", "--verify", "c.json", "--tta", "flips"]) == 2
    assert "--tta does not go with --verify" in capsys.readouterr().err
    assert main(["evaluate", "average", *on(tree, "--card", "c.txt")]) == 2
    assert "a protocol card is written as a .json file" in " ".join(capsys.readouterr().err.split())


def test_a_python_function_has_no_card_and_options_stand_in_the_card(tree: Path) -> None:
    def first(frames, times, moment):  # type: ignore[no-untyped-def]
        return frames[:, 0]

    silent = api.SilentObserver()
    found = api.evaluate(first, on="davis", roots={"davis": tree}, metrics="psnr", observer=silent)
    with pytest.raises(api.SpecError, match="it is a Python function"):
        found.save_cards("c.json")
    found = api.evaluate(
        "average", on="davis", roots={"davis": tree}, metrics="psnr", observer=silent
    )
    [path] = found.save_cards("c.json")
    assert api.verify_card(path, roots={"davis": tree}, observer=silent).difference == 0
    with pytest.raises(api.SpecError, match="tta stands in the card"):
        api.verify_card(path, tta="flips")
