"""Cut the typeface of the page out of the STIX fonts that matplotlib ships.

    python tests/report/make_fonts.py       writes tempo/report/templates/serif-*.woff

The page embeds these files as they are, so that no page pays for cutting them anew.
The licence (SIL Open Font License) asks that a changed font bears another name.
"""

from __future__ import annotations

import io
import logging
from pathlib import Path

import matplotlib

FACES = {
    "STIXGeneral.ttf": "serif-regular.woff",
    "STIXGeneralItalic.ttf": "serif-italic.woff",
    "STIXGeneralBol.ttf": "serif-bold.woff",
}
NAME = "Tempo Serif"
RANGES = (
    *((0x20, 0x7E), (0xA0, 0x17F), (0x391, 0x3A9), (0x3B1, 0x3C9)),  # Latin, Greek
    *((0x2009, 0x200A), (0x2010, 0x2014), (0x2018, 0x201E), (0x2020, 0x2022), (0x2026, 0x2026)),
    *((0x202F, 0x202F), (0x2032, 0x2033), (0x2039, 0x203A), (0x20AC, 0x20AC)),  # punctuation
    *((0x2190, 0x2195), (0x2202, 0x2202), (0x2206, 0x2206), (0x2211, 0x2212), (0x221A, 0x221A)),
    *((0x221E, 0x221E), (0x2248, 0x2248), (0x2260, 0x2260), (0x2264, 0x2265)),  # mathematics
    *((0x25A0, 0x25A1), (0x25B2, 0x25B5), (0x25BC, 0x25BF), (0x25C6, 0x25C7)),  # marks
    *((0x25CB, 0x25CB), (0x25CF, 0x25CF)),
)


def cut(path: Path) -> bytes:
    """Return the font in `path` as WOFF with the glyphs of `RANGES`, under a name of its own."""
    from fontTools import subset  # type: ignore[import-untyped]

    logging.getLogger("fontTools").setLevel(logging.ERROR)
    options = subset.Options(flavor="woff", hinting=False, layout_features=["*"])
    font = subset.load_font(str(path), options)
    font.recalcTimestamp = False
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=[code for low, high in RANGES for code in range(low, high + 1)])
    cutter.subset(font)
    for record in font["name"].names:
        if record.nameID in {1, 3, 4, 6, 16, 18}:
            record.string = NAME.replace(" ", "") if record.nameID == 6 else NAME
    buffer = io.BytesIO()
    subset.save_font(font, buffer, options)
    return buffer.getvalue()


def main() -> None:
    """Write the three faces and their licence beside the page's templates."""
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    templates = Path(__file__).parents[2] / "tempo" / "report" / "templates"
    for source, target in FACES.items():
        (templates / target).write_bytes(cut(fonts / source))
    (templates / "serif-licence.txt").write_bytes((fonts / "LICENSE_STIX").read_bytes())


if __name__ == "__main__":
    main()
