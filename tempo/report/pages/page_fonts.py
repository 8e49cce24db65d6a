"""Embed the page's typeface: STIX General, which matplotlib ships, with the letters used.

The figures are set in STIX too, so a page and its figures read as one. Licence: the STIX font
licence (LICENSE_STIX beside the fonts) allows embedding and subsetting.
"""

from __future__ import annotations

import base64
import io
import logging
from pathlib import Path

FACES = (
    ("STIXGeneral.ttf", 400, "normal"),
    ("STIXGeneralItalic.ttf", 400, "italic"),
    ("STIXGeneralBol.ttf", 700, "normal"),
)
"""File, CSS weight, CSS style."""


def _subset(path: Path, text: str) -> bytes:
    """Return the font in `path` as WOFF, with the glyphs of `text` alone."""
    from fontTools import subset  # type: ignore[import-untyped]

    logging.getLogger("fontTools.subset").setLevel(logging.ERROR)
    options = subset.Options(flavor="woff", hinting=False, layout_features=["*"])
    font = subset.load_font(str(path), options)
    cutter = subset.Subsetter(options)
    cutter.populate(text=text)
    cutter.subset(font)
    buffer = io.BytesIO()
    subset.save_font(font, buffer, options)
    return buffer.getvalue()


def font_faces(text: str) -> str:
    """Return `@font-face` rules of "Tempo Serif" for `text`; other characters fall back."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    letters = "".join(sorted(set(text) | set(map(chr, range(32, 127)))))
    rules = []
    for name, weight, style in FACES:
        data = base64.b64encode(_subset(folder / name, letters)).decode()
        rules.append(
            "@font-face { font-family: 'Tempo Serif'; "
            f"font-weight: {weight}; font-style: {style}; "
            f"src: url(data:font/woff;base64,{data}) format('woff'); }}"
        )
    return "\n".join(rules)
