"""Render a scene of flat layers in smooth motion at any time, with its true motion and occlusion.

Every frame is drawn from the layers at its own time; no frame is a warp of another. A layer's
texture is the cubic B-spline through a photograph's pixels, so it can be sampled anywhere
(Unser 1999, Splines: a perfect fit); it is never shrunk by more than a few percent, so sampling
does not alias. A layer's outline is a smooth closed curve, blended over one pixel by the area it
covers to first order: the signed distance to the curve, clipped to half a pixel on either side.
Colours are blended as stored (sRGB values), there is no motion blur, and the result is rounded to
8 bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tempo.data.clips import Pixels
from tempo.data.datasets.photographs import Floats, Reduction

Point = npt.NDArray[np.float64]
"""(y, x), or an array whose last axis is (y, x)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """Describe a layer's position, rotation and scale over the time t in [0, 1].

    Between the outer frames the layer's centre moves by `shift` pixels, turns by `turn` radians
    and grows by a factor exp(`growth`). On the way it bows sideways by `bow` times `shift` at
    most, and speeds up or slows down by `rush` (0 is constant speed).
    """

    middle: tuple[float, float]
    shift: tuple[float, float]
    angle: float
    turn: float
    zoom: float
    growth: float
    bow: float
    rush: float

    def centre(self, time: float) -> Point:
        """Return (y, x) of the layer's centre, in frame pixels."""
        done = _eased(time, self.rush) - 0.5
        aside = self.bow * (1 - 4 * done * done)
        shift = np.array(self.shift)
        return np.array(self.middle) + done * shift + aside * np.array([-shift[1], shift[0]])

    def linear(self, time: float) -> npt.NDArray[np.float64]:
        """Return the 2 x 2 matrix from texture offsets to frame offsets, both (y, x)."""
        done = _eased(time, self.rush) - 0.5
        angle = self.angle + done * self.turn
        zoom = self.zoom * math.exp(done * self.growth)
        cos, sin = zoom * math.cos(angle), zoom * math.sin(angle)
        return np.array([[cos, -sin], [sin, cos]])


def _eased(time: float, rush: float) -> float:
    return time + rush * time * (1 - time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """Describe the closed curve r(a) = radius * (1 + sum of harmonics), in texture pixels.

    A harmonic is (k, amplitude, phase) of a cosine in k * a, in ascending k.
    """

    radius: float
    harmonics: tuple[tuple[int, float, float], ...]

    @property
    def reach(self) -> float:
        """The largest distance of the curve from its centre."""
        return self.radius * (1 + sum(abs(a) for _, a, _ in self.harmonics))

    def distance(self, offset: Point) -> npt.NDArray[np.float64]:
        """Return the signed distance to the curve, to first order; positive inside."""
        rho = np.hypot(offset[..., 0], offset[..., 1])
        # Powers of exp(i a) give every harmonic's cosine and sine without trigonometry.
        turn = (offset[..., 1] + 1j * offset[..., 0]) / np.maximum(rho, 1e-9)
        curve, slope = np.ones_like(rho), np.zeros_like(rho)
        power, reached = turn, 1
        for k, amplitude, phase in self.harmonics:
            while reached < k:
                power, reached = power * turn, reached + 1
            wave = power * (amplitude * complex(math.cos(phase), math.sin(phase)))
            curve += wave.real
            slope -= k * wave.imag
        slant = self.radius * slope / np.maximum(rho, 0.25 * self.radius)
        distance: npt.NDArray[np.float64] = self.radius * curve - rho
        return distance / np.sqrt(1 + slant * slant)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Draw a piece of a photograph around `anchor` (y, x); the background has no outline."""

    texture: Reduction
    anchor: tuple[float, float]
    path: Path
    outline: Outline | None = None

    def offsets(self, points: Point, time: float) -> Point:
        """Return texture offsets from the anchor of frame points [..., 2] at `time`."""
        inverse = np.linalg.inv(self.path.linear(time))
        return (points - self.path.centre(time)) @ inverse.T

    def place(self, offsets: Point, time: float) -> Point:
        """Return frame points of texture offsets [..., 2] at `time`: the inverse of `offsets`."""
        return offsets @ self.path.linear(time).T + self.path.centre(time)

    def coverage(self, points: Point, time: float) -> npt.NDArray[np.float64]:
        """Return share of each unit pixel at `points` [..., 2] that the layer covers, 0 to 1."""
        if self.outline is None:
            return np.ones(points.shape[:-1])
        zoom = math.sqrt(abs(np.linalg.det(self.path.linear(time))))
        inside = self.outline.distance(self.offsets(points, time)) * zoom
        return np.clip(0.5 + inside, 0.0, 1.0)

    def box(self, time: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return (top, bottom, left, right) of the pixels the layer can touch; may be empty."""
        height, width = size
        if self.outline is None:
            return 0, height, 0, width
        zoom = math.sqrt(abs(np.linalg.det(self.path.linear(time))))
        reach = self.outline.reach * zoom + 1
        y, x = self.path.centre(time)
        top, left = max(0, math.floor(y - reach)), max(0, math.floor(x - reach))
        bottom, right = min(height, math.ceil(y + reach) + 1), min(width, math.ceil(x + reach) + 1)
        return top, max(top, bottom), left, max(left, right)

    def sample(self, time: float, box: tuple[int, int, int, int]) -> Floats:
        """Return RGB values, float32 [3, h, w], of the layer's texture in a box of the frame."""
        from scipy.ndimage import affine_transform

        top, bottom, left, right = box
        inverse = np.linalg.inv(self.path.linear(time))
        start = np.array([top, left]) - self.path.centre(time)
        offset = np.array(self.anchor) + inverse @ start
        out = np.empty((3, bottom - top, right - left), np.float32)
        for plane, target in zip(self.texture.spline, out, strict=True):
            affine_transform(
                plane, inverse, offset, output=target, order=3, mode="mirror", prefilter=False
            )
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Hold the true motion and occlusion of the picture at one time.

    `motion` is float64 [H, W, 2]: how far, as (dy, dx) in pixels, the surface seen at each pixel
    moves from the frame at time 0 to the frame at time 1. `hidden` is bool [H, W]: that surface
    lies outside the picture or behind a nearer layer in at least one of those two frames.
    """

    motion: npt.NDArray[np.float64]
    hidden: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Stack layers from back to front over a background that fills the picture."""

    size: tuple[int, int]
    layers: tuple[Layer, ...]

    def render(self, time: float) -> Pixels:
        """Return the picture at `time` in [0, 1]: uint8 [H, W, 3]."""
        canvas = self.layers[0].sample(time, (0, self.size[0], 0, self.size[1]))
        for layer in self.layers[1:]:
            top, bottom, left, right = box = layer.box(time, self.size)
            if top == bottom or left == right:
                continue
            share = layer.coverage(_grid(*box), time).astype(np.float32)
            below = canvas[:, top:bottom, left:right]
            below += share * (layer.sample(time, box) - below)
        pixels = np.rint(np.clip(canvas, 0, 255)).astype(np.uint8)
        return np.ascontiguousarray(pixels.transpose(1, 2, 0))

    def truth(self, time: float) -> Truth:
        """Return the motion and the hidden surfaces of the picture at `time`."""
        points = _grid(0, self.size[0], 0, self.size[1])
        motion = np.zeros((*self.size, 2))
        hidden = np.zeros(self.size, np.bool_)
        for number, layer, seen in self._visible(points, time):
            offsets = layer.offsets(points[seen], time)
            ends = [layer.place(offsets, end) for end in (0.0, 1.0)]
            motion[seen] = ends[1] - ends[0]
            hidden[seen] = np.logical_or(
                self._hides(ends[0], number, 0.0), self._hides(ends[1], number, 1.0)
            )
        return Truth(motion=motion, hidden=hidden)

    def _visible(
        self, points: Point, time: float
    ) -> list[tuple[int, Layer, npt.NDArray[np.bool_]]]:
        """Return each layer with the pixels where it is the front one."""
        free = np.ones(self.size, np.bool_)
        found = []
        for number in range(len(self.layers) - 1, -1, -1):
            seen = free & (self.layers[number].coverage(points, time) >= 0.5)
            free &= ~seen
            found.append((number, self.layers[number], seen))
        return found

    def _hides(self, points: Point, number: int, time: float) -> npt.NDArray[np.bool_]:
        """Return whether points of layer `number` cannot be seen in the frame at `time`."""
        edge = np.array(self.size) - 0.5
        hidden: npt.NDArray[np.bool_] = np.any((points < -0.5) | (points > edge), axis=-1)
        for layer in self.layers[number + 1 :]:
            hidden |= layer.coverage(points, time) >= 0.5
        return hidden


def _grid(top: int, bottom: int, left: int, right: int) -> Point:
    rows, cols = np.mgrid[top:bottom, left:right]
    return np.stack([rows, cols], -1).astype(np.float64)
