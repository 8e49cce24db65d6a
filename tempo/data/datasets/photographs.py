"""List the photographs inside the wheels of Tempo's dependencies, by split, and scale them.

Nothing is downloaded. Test has pictures of whole scenes, because their number limits what can be
decided; surfaces of one texture only train. Left out are drawings, tissue, retinas, and what is so
smooth that averaging two frames can hardly be beaten (moon, rocket).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from tempo.core.errors import MissingError
from tempo.data.cache.splits import SplitName
from tempo.data.clips import Pixels
from tempo.records.files import sha256_of

REDUCTIONS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Factors by which a photograph is made smaller before it is cut up."""

_sha256 = lru_cache(maxsize=64)(sha256_of)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Photograph:
    """Name a picture file inside an installed package."""

    name: str
    package: str
    file: str

    @property
    def path(self) -> Path:
        """The path of the file.

        Raises:
            MissingError: when the package, or the file inside it, is not installed.
        """
        spec = find_spec(self.package)
        if spec is None or spec.origin is None:
            raise MissingError(
                f"photograph {self.name!r} ships inside {self.package}, which is not installed; "
                f"pip install {self.distribution}"
            )
        path = Path(spec.origin).parent / self.file
        if not path.is_file():
            raise MissingError(
                f"photograph {self.name!r} should be at {path}, and is not: "
                f"this build of {self.distribution} left it out; reinstall it from PyPI"
            )
        return path

    @property
    def distribution(self) -> str:
        """The name by which pip installs the package."""
        return {"skimage": "scikit-image", "sklearn": "scikit-learn"}.get(
            self.package, self.package
        )

    def sha256(self) -> str:
        """Return the SHA-256 of the file's content, in hex."""
        return _sha256(self.path)


def _image(name: str, file: str) -> Photograph:
    return Photograph(name, "skimage", f"data/{file}")


PHOTOGRAPHS: dict[SplitName, tuple[Photograph, ...]] = {
    "train": (
        _image("astronaut", "astronaut.png"),
        _image("motorcycle", "motorcycle_left.png"),
        _image("brick", "brick.png"),
        _image("grass", "grass.png"),
        _image("gravel", "gravel.png"),
    ),
    "val": (
        _image("coins", "coins.png"),
        _image("hubble_deep_field", "hubble_deep_field.jpg"),
        _image("page", "page.png"),
        _image("text", "text.png"),
    ),
    "test": (
        Photograph("china", "sklearn", "datasets/images/china.jpg"),
        Photograph("flower", "sklearn", "datasets/images/flower.jpg"),
        _image("chelsea", "chelsea.png"),
        _image("coffee", "coffee.png"),
        _image("camera", "camera.png"),
        Photograph("grace_hopper", "matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
    ),
}
"""Each photograph belongs to one split only."""


@dataclass(frozen=True, slots=True)
class Reduction:
    """Hold a photograph at one size, to be sampled at any place.

    `spline` is float32 [3, H, W]: cubic B-spline coefficients of the RGB values (0 to 255), with
    mirror boundaries. `detail` is the summed-area table [H+1, W+1] of the luma gradient.
    """

    factor: float
    spline: Floats
    detail: npt.NDArray[np.float64]

    @property
    def size(self) -> tuple[int, int]:
        return self.spline.shape[1], self.spline.shape[2]

    def mean_detail(self, y: float, x: float, height: float, width: float) -> float:
        """Return mean absolute luma difference of neighbours in the box centred at (y, x)."""
        rows, cols = self.size
        top, bottom = (round(min(max(y + s * height / 2, 0), rows)) for s in (-1, 1))
        left, right = (round(min(max(x + s * width / 2, 0), cols)) for s in (-1, 1))
        table = self.detail
        total = table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
        return float(total / max(1, (bottom - top) * (right - left)))


def read_rgb(path: Path) -> Pixels:
    """Return the picture at `path` as uint8 [H, W, 3]; grey pictures get three equal channels."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@lru_cache(maxsize=64)
def reduction(photograph: Photograph, factor: float) -> Reduction:
    """Return the photograph reduced by `factor` with a Lanczos filter: sharp, without aliasing."""
    # Imported where it is needed: a run that reads a whole cache, as most do, starts without it.
    from scipy.ndimage import spline_filter

    image = Image.fromarray(read_rgb(photograph.path))
    if factor != 1:
        width, height = (round(side / factor) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    pixels = np.asarray(image, dtype=np.float64)
    planes = [spline_filter(pixels[..., c], 3, output=np.float64) for c in range(3)]
    return Reduction(factor, np.stack(planes).astype(np.float32), _detail(pixels))


def _detail(pixels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    change = np.zeros_like(luma)
    change[:, 1:] += np.abs(np.diff(luma, axis=1)) / 2
    change[1:] += np.abs(np.diff(luma, axis=0)) / 2
    return np.pad(change.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
