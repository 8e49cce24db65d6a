"""Build the training objective from the losses in the table `LOSSES`.

Every loss maps a prediction and a target, [B, 3, H, W] in 0..1 (the prediction not clamped), to one
value a sample, [B]; a batch's loss is their mean. A loss is 0 (Charbonnier and edge: a constant of
the order of eps) for equal pictures and larger otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from torch import Tensor, nn

from tempo.backbones.vgg_network import VggFeatures
from tempo.core.budget_course import Ramp
from tempo.core.errors import PluginError
from tempo.losses.distillation import Distillation
from tempo.losses.features import Perceptual, Style
from tempo.losses.reconstruction import (
    L1,
    Census,
    Charbonnier,
    Edge,
    Frequency,
    Gradient,
    Laplacian,
    Ssim,
)
from tempo.spec import losses as options_of
from tempo.spec.implementations import Implementations
from tempo.spec.options import Options

NOTHING: Mapping[str, Tensor] = {}
"""What is taught where there is no teacher."""

Teachers = Mapping[str, nn.Module]
"""The trained networks of a recipe's distillations, by how the spec names them."""

ALONE: Teachers = {}


class Objective(nn.Module):
    """Sum named loss terms under weights that may change over the budget.

    Every term maps two pictures [B, 3, H, W] to one value a sample [B], and the objective does too:
    the caller averages over samples, so that any division of a batch gives the same sum.
    """

    def __init__(self, terms: Mapping[str, nn.Module], weights: Mapping[str, Ramp]) -> None:
        super().__init__()
        self.terms = nn.ModuleDict(terms)
        self.weights = dict(weights)

    @property
    def smallest(self) -> int:
        """The shortest side of a picture, in pixels, that every term can measure."""
        sides = (each.smallest for each in self.modules() if isinstance(each, VggFeatures))
        return max(sides, default=1)

    def teach(self, frames: Tensor, times: Tensor, moment: Tensor) -> dict[str, Tensor]:
        """Return what the teachers of terms predict of frames [B, N, 3, H, W], by term."""
        return {
            name: term.teach(frames, times, moment)
            for name, term in self.terms.items()
            if isinstance(term, Distillation)
        }

    def forward(
        self,
        prediction: Tensor,
        target: Tensor,
        progress: float,
        taught: Mapping[str, Tensor] = NOTHING,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the objective [B] at `progress`, 0 to 1 of the budget, and its bare terms [B].

        `taught` is what `teach` returned for these samples, which stands in the target's place.
        """
        values = {
            name: cast(Tensor, term(prediction, taught.get(name, target)))
            for name, term in self.terms.items()
        }
        total = prediction.new_zeros(prediction.shape[0])
        for name, value in values.items():
            if value.shape != total.shape:
                raise PluginError(
                    f"the loss {name!r} must return one value a sample, a tensor of shape "
                    f"{list(total.shape)} for these {len(total)}, not one of shape "
                    f"{list(value.shape)}; take the mean over channels and pixels alone"
                )
            total = total + self.weights[name].at(progress) * value
        return total, {name: value.detach() for name, value in values.items()}


LOSSES: Implementations[Callable[..., nn.Module]] = Implementations(
    options_of.LOSSES,
    {
        options_of.Charbonnier: Charbonnier,
        options_of.L1: L1,
        options_of.Laplacian: Laplacian,
        options_of.Edge: Edge,
        options_of.Gradient: Gradient,
        options_of.Frequency: Frequency,
        options_of.Census: Census,
        options_of.Ssim: Ssim,
        options_of.Perceptual: Perceptual,
        options_of.Style: Style,
    },
)


def build_objective(options: Options, teachers: Teachers = ALONE) -> Objective:
    """Return the objective that a recipe's `loss` describes.

    Raises:
        MissingError: when a file of frozen weights is not there, or is another one.
        SpecError: when it is of no use for the loss.
    """
    if isinstance(options, options_of.Sum):
        parts = {term.loss.kind: _term(term.loss, teachers) for term in options.terms}
        weights = {
            term.loss.kind: Ramp(term.weight, term.final, term.start) for term in options.terms
        }
        return Objective(parts, weights)
    return Objective({options.kind: _term(options, teachers)}, {options.kind: Ramp()})


def _term(options: Options, teachers: Teachers) -> nn.Module:
    if isinstance(options, options_of.Distillation):
        return Distillation(LOSSES.make(options.loss), teachers[options.teacher])
    return LOSSES.make(options)
