"""How far a picture is from the true one: PSNR and interpolation error.

All functions take a prediction and a target, float32 [B, 3, H, W] in [0, 1], and return float32
[B]: one value a picture. Predictions outside [0, 1] are clamped first, as in every evaluation.
"""

from __future__ import annotations

from torch import Tensor

from tempo.metrics.picture_checks import checked


def psnr(prediction: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB over RGB, data range 1; inf where pictures are equal."""
    prediction, target = checked(prediction, target)
    # Summed in fp64: over half a million squares fp32 loses the sixth digit.
    error = (prediction - target).double().square().mean(dim=(1, 2, 3))
    return (-10 * error.log10()).to(prediction.dtype)


def psnr_uint8(prediction: Tensor, target: Tensor) -> Tensor:
    """PSNR in dB after both pictures were rounded to 8 bits."""
    prediction, target = checked(prediction, target)
    levels = [(each * 255).round().double() for each in (prediction, target)]
    error = (levels[0] - levels[1]).square().mean(dim=(1, 2, 3)) / 255**2
    return (-10 * error.log10()).to(prediction.dtype)


def interpolation_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of the rounded 8-bit pictures, in grey levels (0 to 255)."""
    prediction, target = checked(prediction, target)
    levels = [(each * 255).round() for each in (prediction, target)]
    return (levels[0] - levels[1]).abs().double().mean(dim=(1, 2, 3)).to(prediction.dtype)
