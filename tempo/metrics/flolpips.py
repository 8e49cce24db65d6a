"""Compute FloLPIPS: perceptual distance, pooled where the motion of the output video is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tempo.core.errors import MissingError
from tempo.metrics.metric_weights import find_weights
from tempo.metrics.perceptual import load_flow, load_lpips
from tempo.metrics.temporal import Moment


def flolpips(moment: Moment) -> float | None:
    """Return FloLPIPS of a prediction (Danier et al. 2022): LPIPS weighted by errors of motion.

    The distances of the features of AlexNet are weighted by how long the difference is between the
    flow from the prediction to a neighbouring frame of the output video and the flow from the
    target to the true frame there; the mean of both neighbours. With one target between two inputs
    this is what the authors' code (github.com/danier97/flolpips) gives for a triplet.

    None where weights are not given, pictures are too small for AlexNet, or the flows agree
    everywhere though the pictures differ, so that there are no weights.
    """
    try:
        weights = find_weights("flolpips")
    except MissingError:
        return None  # An evaluation says why, once.
    assert weights.flow is not None
    device = torch.device(moment.device)
    lpips, network = load_lpips(weights, device), load_flow(weights.flow, device)
    output, truth = (_batch(each, device) for each in (moment.frame.output, moment.frame.truth))
    if min(truth.shape[-2:]) < lpips.smallest:
        return None
    distances = list(lpips.maps(output, truth))
    own, true = network.pyramid(output), network.pyramid(truth)
    found: list[float | None] = []
    for beside in moment.before, moment.after:
        near = network.pyramid(_batch(beside.output, device))
        # Of an input both are the same picture.
        same = beside.truth is beside.output
        true_near = near if same else network.pyramid(_batch(beside.truth, device))
        size = truth.shape[-2:]
        gap = network.flow(true, true_near, size) - network.flow(own, near, size)
        found.append(weighted(distances, gap))
    known = [each for each in found if each is not None]
    return sum(known) / len(known) if known else None


def _batch(picture: Tensor, device: torch.device) -> Tensor:
    return picture.to(device).float()[None]


def weighted(distances: Sequence[Tensor], gap: Tensor) -> float | None:
    """Return the sum over layers of distances averaged with the lengths of flow differences.

    None where differences are 0 everywhere and distances are not. The authors' code divides by 0
    there, also for a prediction that is equal to its target, which has no distance here.

    Args:
        distances: one map [1, h, w] a layer.
        gap: difference of flows [1, 2, H, W], resized to each layer before its length is taken.
    """
    total = 0.0
    for each in distances:
        near = F.interpolate(gap, each.shape[-2:], mode="bilinear", align_corners=False)
        length = near.square().sum(1).sqrt()
        if length.any():
            total += float((each * (length / length.sum())).sum())
        elif each.any():
            return None
    return total
