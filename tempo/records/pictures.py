"""Check the pictures that runs kept, before anything shows them."""

from __future__ import annotations

import warnings
from pathlib import Path

from tempo.core.errors import RecordError
from tempo.records.files import MIB, open_file
from tempo.records.json_text import one_line

LARGEST_FILE = 256 * MIB
MOST_PIXELS = 2**26
"""Twice the pixels of an 8K frame: a small file can claim billions of pixels."""


def picture_size(path: Path) -> tuple[int, int]:
    """Return width and height of a picture that was read to its end.

    Raises:
        RecordError: when it is absent, no picture, broken, or larger than `MOST_PIXELS`.
    """
    from PIL import Image, UnidentifiedImageError

    with open_file(path, LARGEST_FILE) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of pictures that are large: they are judged here.
        try:
            with Image.open(file) as image:
                width, height = image.size
                if width * height > MOST_PIXELS:
                    raise RecordError(f"{path} claims {width} x {height} pixels, which is too many")
                image.convert("RGB")
        except RecordError:
            raise
        except UnidentifiedImageError as error:
            raise RecordError(f"{path} is no picture: it has the form of no known kind") from error
        except Exception as error:
            # The decoders raise whatever the damage leads to.
            raise RecordError(
                f"{path} is no picture that can be read ({one_line(error)})"
            ) from error
    return width, height
