import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tempo.metrics.references import REFERENCES, average, nearest


def flat(*values):
    """Frames [1, N, 3, 2, 2] of the given constant values."""
    return torch.tensor(values).view(1, -1, 1, 1, 1).expand(1, len(values), 3, 2, 2)


def times(*values):
    return torch.tensor([values], dtype=torch.float32)


@pytest.mark.parametrize(
    ("time", "blend", "near"),
    [(0.0, 0.0, 0.0), (0.25, 0.25, 0.0), (0.5, 0.5, 0.0), (0.75, 0.75, 1.0), (1.0, 1.0, 1.0),
     (-0.5, 0.0, 0.0), (1.5, 1.0, 1.0)],
)  # fmt: skip
def test_two_frames(time, blend, near):
    frames = flat(0.0, 1.0)
    at = torch.tensor([time])
    assert average(frames, times(0.0, 1.0), at).unique().item() == pytest.approx(blend)
    assert nearest(frames, times(0.0, 1.0), at).unique().item() == near


def test_four_frames_use_the_two_around_the_target():
    frames, at = flat(9.0, 0.0, 1.0, 9.0), times(0.0, 0.3, 0.7, 1.0)
    assert average(frames, at, torch.tensor([0.6])).unique().item() == pytest.approx(0.75)
    assert nearest(frames, at, torch.tensor([0.6])).unique().item() == 1.0


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    target=st.floats(0.01, 0.99).filter(lambda t: abs(t - 0.5) > 1e-3),
)
def test_reversing_the_clip_gives_the_same_picture(seed, target):
    frames = torch.rand(2, 2, 3, 4, 5, generator=torch.Generator().manual_seed(seed))
    at = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    time = torch.full((2,), target)
    for method in REFERENCES.values():
        picture = method(frames, at, time)
        assert picture.shape == (2, 3, 4, 5)
        back = method(frames.flip(1), 1 - at.flip(1), 1 - time)
        torch.testing.assert_close(picture, back, atol=1e-6, rtol=0)


def test_samples_have_times_of_their_own():
    frames = flat(0.0, 1.0).expand(3, 2, 3, 2, 2)
    picture = average(frames, times(0.0, 1.0).expand(3, 2), torch.tensor([0.1, 0.5, 0.9]))
    assert picture[:, 0, 0, 0].tolist() == pytest.approx([0.1, 0.5, 0.9])
