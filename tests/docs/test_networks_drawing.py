"""The drawings of V2 and V3 are those that the script makes, and say what the presets build."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import draw_networks
import pytest

from tempo.spec.arch import ArchSpec


@pytest.mark.parametrize(("path", "text"), draw_networks.files().items(), ids=str)
def test_the_kept_drawing_is_the_one_made_now(path: Path, text: str) -> None:
    assert path.read_text() == text, "run: python docs/site/draw_networks.py"


def words(arch: ArchSpec, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(draw_networks, "preset", lambda _: arch)
    text = draw_networks.draw("tempo_v3", "A network", draw_networks.THEMES["light"])
    ElementTree.fromstring(text)
    return [unescape(each) for each in re.findall(r"<text[^>]*>([^<]*)<", text)]


def test_the_drawing_follows_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    arch = draw_networks.preset("tempo_v3").model_copy(
        update={"base_channels": 10, "blocks": ((1,), (), (2, 3), (4,))}
    )
    said = words(arch, monkeypatch)
    assert {
        "full size, 10 channels",
        "1/8, 30 channels",
        "1 block",
        "no blocks",
        "2 + 3 blocks",
    } <= {*said}


def test_no_text_is_wider_than_its_box() -> None:
    """At 0.55 of the size a letter, which is more than a sans-serif takes on average."""
    for text in draw_networks.files().values():
        root = ElementTree.fromstring(text)
        boxes = [each for each in root if each.tag.endswith("rect")]
        for each in root:
            if not each.tag.endswith("text") or each.get("text-anchor") != "middle":
                continue
            x, y = float(each.get("x", 0)), float(each.get("y", 0))
            around = [
                float(box.get("width", 0))
                for box in boxes
                if 0 <= x - float(box.get("x", 0)) <= float(box.get("width", 0))
                and 0 <= y - float(box.get("y", 0)) <= float(box.get("height", 0))
            ]
            assert len(around) == 1
            assert len(each.text or "") * 0.55 * float(each.get("font-size", 0)) < around[0]
