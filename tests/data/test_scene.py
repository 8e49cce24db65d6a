"""Laws of the renderer: what is known of the motion agrees with what is drawn."""

import dataclasses

import numpy as np
import pytest

from tempo.data.datasets import procedural
from tempo.data.datasets.photographs import PHOTOGRAPHS, reduction
from tempo.data.datasets.scene import Layer, Outline, Path, Scene
from tempo.spec.data import Procedural

CALM = Path(
    middle=(15.5, 15.5), shift=(0.0, 0.0), angle=0.0, turn=0.0, zoom=1.0, growth=0.0, bow=0.0,
    rush=0.0,
)  # fmt: skip
CIRCLE = Outline(radius=8.0, harmonics=())


@pytest.fixture(scope="module")
def texture():
    return reduction(PHOTOGRAPHS["test"][3], 2.0)


def scene_of(texture, back, front=None):
    layers = [Layer(texture=texture, anchor=(100.0, 100.0), path=back)]
    if front:
        layers.append(Layer(texture=texture, anchor=(50.0, 200.0), path=front, outline=CIRCLE))
    return Scene(size=(32, 32), layers=tuple(layers))


def test_a_shift_by_whole_pixels_moves_the_picture_exactly(texture):
    drawn = scene_of(texture, dataclasses.replace(CALM, shift=(0.0, 4.0)))
    start, middle, end = (drawn.render(time) for time in (0.0, 0.5, 1.0))
    np.testing.assert_array_equal(end[:, 4:], start[:, :-4])
    np.testing.assert_array_equal(middle[:, 2:], start[:, :-2])


def test_the_unmoved_texture_is_the_photograph_itself(texture):
    path = dataclasses.replace(CALM, middle=(16.0, 16.0))
    drawn = scene_of(texture, path).render(0.5)
    from PIL import Image

    image = Image.open(PHOTOGRAPHS["test"][3].path).convert("RGB")
    image = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(drawn, np.asarray(image)[84:116, 84:116])


def test_without_motion_every_frame_is_the_same(texture):
    drawn = scene_of(texture, CALM, CALM)
    frames = [drawn.render(time) for time in (0.0, 0.3, 1.0)]
    assert (frames[0] == frames[1]).all()
    assert (frames[0] == frames[2]).all()
    truth = drawn.truth(0.5)
    assert not truth.motion.any()
    assert not truth.hidden.any()


def test_known_motion_of_a_disc_before_a_still_background(texture):
    drawn = scene_of(texture, CALM, dataclasses.replace(CALM, shift=(0.0, 6.0)))
    truth = drawn.truth(0.5)
    speed = np.linalg.norm(truth.motion, axis=-1)
    rows, cols = np.mgrid[:32, :32] - 15.5
    disc = np.hypot(rows, cols) < 7.5
    np.testing.assert_allclose(speed[disc], 6.0)
    assert not speed[np.hypot(rows, cols) > 8.5].any()
    assert not truth.hidden[disc].any()
    # The disc sits 3 px to the left, then 3 px to the right of where it is at t = 1/2.
    covered = (np.hypot(rows, cols + 3) < 7.4) | (np.hypot(rows, cols - 3) < 7.4)
    beside = np.hypot(rows, cols) > 8.6
    assert truth.hidden[covered & beside].all()
    far = (np.hypot(rows, cols + 3) > 8.6) & (np.hypot(rows, cols - 3) > 8.6)
    assert not truth.hidden[far].any()


def test_the_covered_area_of_a_disc_is_exact_to_a_percent(texture):
    layer = Layer(texture=texture, anchor=(0.0, 0.0), path=CALM, outline=CIRCLE)
    points = np.stack(np.mgrid[:32, :32], -1).astype(float)
    for time, middle in ((0.0, 15.5), (0.5, 15.63)):
        path = dataclasses.replace(CALM, middle=(middle, 15.2))
        area = dataclasses.replace(layer, path=path).coverage(points, time).sum()
        assert area == pytest.approx(np.pi * 64, rel=0.01)


def test_outline_distance_matches_the_curve_found_by_search():
    outline = Outline(radius=10.0, harmonics=((2, 0.2, 0.3), (3, 0.1, 2.0)))
    angle = np.linspace(0, 2 * np.pi, 20001)
    radius = 10 * (1 + 0.2 * np.cos(2 * angle + 0.3) + 0.1 * np.cos(3 * angle + 2.0))
    curve = np.stack([radius * np.sin(angle), radius * np.cos(angle)], -1)
    random = np.random.default_rng(0)
    near = curve[random.integers(0, 20000, 50)] + random.uniform(-0.5, 0.5, (50, 2))
    true = np.linalg.norm(near[:, None] - curve, axis=-1).min(1)
    np.testing.assert_allclose(np.abs(outline.distance(near)), true, atol=0.06)
    assert outline.distance(np.zeros(2)) > 0
    assert outline.distance(np.array([0.0, outline.reach + 1])) < 0


@pytest.mark.parametrize("index", range(8))
def test_motion_of_composed_scenes_stays_within_its_level(index):
    options = Procedural(size=(48, 48), motion=(1.0, 5.0))
    _, made = procedural.compose(options, "test", index)
    level = procedural.level(options, index)
    speed = np.linalg.norm(made.truth(0.5).motion, axis=-1)
    # First-order bound: rotation and zoom are small, but not infinitely so.
    assert speed.max() <= level * 1.03
    assert 1.0 <= level <= 5.0


@pytest.mark.parametrize("index", [0, 5])
def test_points_follow_their_layer(index):
    _, made = procedural.compose(Procedural(size=(48, 48), motion=(2.0, 6.0)), "train", index)
    points = np.random.default_rng(index).uniform(0, 47, (20, 2))
    for layer in made.layers:
        back = layer.place(layer.offsets(points, 0.3), 0.3)
        np.testing.assert_allclose(back, points, atol=1e-9)


@pytest.mark.parametrize("index", [1, 6])
def test_a_warp_by_the_known_motion_explains_the_background(index):
    """Sampling the end frame where the truth says a pixel went gives back the start frame."""
    from scipy.ndimage import map_coordinates

    _, made = procedural.compose(Procedural(size=(64, 64), motion=(2.0, 4.0)), "test", index)
    truth = made.truth(0.0)
    start, end = made.render(0.0).astype(float), made.render(1.0).astype(float)
    rows, cols = np.mgrid[:64, :64]
    at = [rows + truth.motion[..., 0], cols + truth.motion[..., 1]]
    warped = np.stack([map_coordinates(end[..., c], at, order=3) for c in range(3)], -1)
    seen = ~truth.hidden
    inner = np.zeros_like(seen)
    inner[6:-6, 6:-6] = True
    from scipy.ndimage import binary_erosion

    seen = binary_erosion(seen, iterations=2) & inner
    before = np.abs(end - start)[seen].mean()
    after = np.abs(warped - start)[seen].mean()
    assert seen.mean() > 0.3
    assert after < 0.25 * before
