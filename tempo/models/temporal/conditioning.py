"""Condition features [M, C, H, W] on a time code [M, time_channels]."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from tempo.models.layers import Parameterless, conv
from tempo.spec import arch_slots as slots
from tempo.spec.implementations import Implementations

IDENTITY_STD = 0.01
"""Spread of the last layer's weights: time changes features from the start, but only a little."""
SEED_STD = 0.001
"""The same after the seed's global re-initialisation, which leaves gamma itself near 0.002."""


class NoConditioning(Parameterless):
    """Return the features unchanged, blind to time."""

    reads_time: ClassVar[bool] = False

    def forward(self, features: Tensor, code: Tensor) -> Tensor:
        return features


class Film(nn.Module):
    """gamma * f + beta, both read from the time code (Perez et al. 2018)."""

    def __init__(
        self, options: slots.Film | slots.FilmAttention, channels: int, time_channels: int
    ) -> None:
        super().__init__()
        self.identity = options.init == "identity"
        hidden: list[nn.Module] = []
        for _ in range(options.hidden_layers):
            hidden += [nn.Linear(time_channels, time_channels), nn.GELU()]
        self.hidden = nn.Sequential(*hidden)
        self.last = nn.Linear(time_channels, 2 * channels)

    def initialise(self, generator: torch.Generator) -> None:
        """Start with gamma near 1 and beta near 0; with `seed`, both near 0: features vanish."""
        std = IDENTITY_STD if self.identity else SEED_STD
        nn.init.normal_(self.last.weight, 0.0, std, generator=generator)
        nn.init.zeros_(self.last.bias)
        if self.identity:
            nn.init.ones_(self.last.bias[: self.last.out_features // 2])

    def forward(self, features: Tensor, code: Tensor) -> Tensor:
        scales: Tensor = self.last(self.hidden(code))
        gamma, beta = scales.to(features.dtype)[..., None, None].chunk(2, 1)
        return torch.addcmul(beta, features, gamma)


class FilmAttention(nn.Module):
    """f + A * (FiLM(f) - f), A a map in (0, 1) read from the features (V3)."""

    def __init__(self, options: slots.FilmAttention, channels: int, time_channels: int) -> None:
        super().__init__()
        self.film = Film(options, channels, time_channels)
        hidden = max(1, channels // options.reduction)
        self.attention = nn.Sequential(
            conv(channels, hidden, 1), nn.GELU(), conv(hidden, 1, 1), nn.Sigmoid()
        )

    def forward(self, features: Tensor, code: Tensor) -> Tensor:
        return torch.lerp(features, self.film(features, code), self.attention(features))


CONDITIONING: Implementations[Callable[..., nn.Module]] = Implementations(
    slots.CONDITIONING,
    {slots.NoConditioning: NoConditioning, slots.Film: Film, slots.FilmAttention: FilmAttention},
)
