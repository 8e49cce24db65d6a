"""Compute fidelity metrics of a picture: PSNR, interpolation error and edge error.

All functions take a prediction and a target, float32 [B, 3, H, W] in [0, 1], and return float32
[B]: one value a picture. Predictions outside [0, 1] are clamped first, as in every evaluation.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad


def checked(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return both stacks in float32 (float64 if the target is), the prediction clamped to [0, 1].

    Raises:
        ValueError: unless both are [B, 3, H, W] of one shape.
    """
    if prediction.shape != target.shape or prediction.ndim != 4 or prediction.shape[1] != 3:
        raise ValueError(
            "a metric compares two stacks of shape [B, 3, H, W], "
            f"not {list(prediction.shape)} and {list(target.shape)}"
        )
    wide = torch.float64 if target.dtype == torch.float64 else torch.float32
    return prediction.to(wide).clamp(0, 1), target.to(wide)


LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G, B in the luma of ITU-R BT.601."""


def psnr(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio over RGB in dB, data range 1; inf if equal."""
    prediction, target = checked(prediction, target)
    # Summed in fp64: over half a million squares fp32 loses the sixth digit.
    error = (prediction - target).double().square().mean(dim=(1, 2, 3))
    return (-10 * error.log10()).to(prediction.dtype)


STEPS = 1024
"""Parts of a grey level that pictures are brought to before they are rounded."""


def grey_levels(pictures: Tensor) -> Tensor:
    """Return pictures in 0 to 1 as whole grey levels, 0 to 255, halves to the even level.

    That is the rounding of NumPy, PyTorch, OpenCV and scikit-image, and the one that makes pictures
    neither brighter nor darker. Before, 255 x is brought to the nearest 1024th: the mean of levels
    100 and 101 is 100.5 in exact arithmetic, and 100.49999 or 100.50001 in that of a machine, so
    that without this step each such half would fall by chance. Products are exact, in float64: in
    float32 they would fall a level apart for some pixels of a picture with all values in between.
    """
    levels = (pictures.double() * (255 * STEPS)).round_().mul_(1 / STEPS).round_()
    return levels.to(pictures.dtype)


def psnr_uint8(prediction: Tensor, target: Tensor) -> Tensor:
    """Return PSNR in dB after both pictures were rounded to 8 bits, see `grey_levels`."""
    prediction, target = checked(prediction, target)
    levels = [grey_levels(each).double() for each in (prediction, target)]
    error = (levels[0] - levels[1]).square().mean(dim=(1, 2, 3)) / 255**2
    return (-10 * error.log10()).to(prediction.dtype)


def interpolation_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute difference of the `grey_levels` of both pictures (0 to 255)."""
    prediction, target = checked(prediction, target)
    levels = [grey_levels(each) for each in (prediction, target)]
    return (levels[0] - levels[1]).abs().double().mean(dim=(1, 2, 3)).to(prediction.dtype)


def edge_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute difference of gradient magnitudes, in grey levels a pixel: [B].

    The gradient is that of luma (0 to 255) under the Sobel operator (Sobel and Feldman 1968),
    divided by 8 so that a ramp has its own slope; borders are replicated.
    """
    prediction, target = checked(prediction, target)
    gap = gradient_magnitude(prediction).sub_(gradient_magnitude(target)).abs_()
    return 255 * gap.mean(dim=(1, 2), dtype=torch.float64).to(target.dtype)


def gradient_magnitude(pictures: Tensor) -> Tensor:
    """Return the gradient magnitude of luma at each pixel: [B, 3, H, W] to [B, H, W]."""
    luma = torch.einsum("bchw,c->bhw", pictures, pictures.new_tensor(LUMA))
    luma = pad(luma[:, None], [1, 1, 1, 1], "replicate")[:, 0]
    down = luma[:, :-2] + 2 * luma[:, 1:-1] + luma[:, 2:]
    right = luma[:, :, :-2] + 2 * luma[:, :, 1:-1] + luma[:, :, 2:]
    across, along = down[:, :, 2:] - down[:, :, :-2], right[:, 2:] - right[:, :-2]
    return torch.hypot(across, along).div_(8)
