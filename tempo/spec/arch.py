"""ArchSpec: every choice that makes a TEMPO network, as data. Source: docs/models.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from tempo.spec.options import (
    NOT_RESULT,
    ListOf,
    Options,
    OptionsCatalog,
    Section,
    Slot,
    register,
    slot_of,
)

SCALES = 4
"""Feature scales: 1, 1/2, 1/4 and 1/8 of the frame."""

PLANS = {"compact": (1.0, 1.5, 2.0, 3.0), "doubling": (1.0, 2.0, 4.0, 8.0)}
"""Width plans: multipliers of `base_channels` per scale."""

# --- blocks ----------------------------------------------------------------------------------

BLOCKS: OptionsCatalog = OptionsCatalog("block")


class PreAct(Options):
    """norm-act-conv, norm-act-conv (V3; He et al. 2016, Identity Mappings)."""

    kind: Literal["pre_act"] = "pre_act"


class PostAct(Options):
    """conv-norm-act-conv-norm, add, act (V2; He et al. 2015)."""

    kind: Literal["post_act"] = "post_act"


class Swin(Options):
    """Windowed self-attention with shifted windows (Liu et al. 2021)."""

    kind: Literal["swin"] = "swin"
    window: int = Field(8, ge=2, le=32)
    heads: int = Field(4, ge=1)
    mlp_ratio: float = Field(2.0, gt=0)


for _options in (PreAct, PostAct, Swin):
    register(BLOCKS, _options)

# --- channel attention -----------------------------------------------------------------------

CHANNEL_ATTENTION: OptionsCatalog = OptionsCatalog("channel attention")


class NoChannelAttention(Options):
    kind: Literal["none"] = "none"


class SqueezeExcite(Options):
    """Squeeze-and-excitation (Hu et al. 2018)."""

    kind: Literal["squeeze_excite"] = "squeeze_excite"
    reduction: int = Field(8, ge=1)


for _options in (NoChannelAttention, SqueezeExcite):
    register(CHANNEL_ATTENTION, _options)


def _switch(value: Any) -> Any:
    """`se: true` and `se: false` mean the default squeeze-and-excitation and none."""
    if isinstance(value, bool):
        return "squeeze_excite" if value else "none"
    return value


# --- residual group --------------------------------------------------------------------------

RESIDUAL_GROUPS: OptionsCatalog = OptionsCatalog("residual group")


class PlainChain(Options):
    """No outer residual: the chain of blocks alone (V2)."""

    kind: Literal["none"] = "none"


class LearnableGroup(Options):
    """x0 + s * (chain(x0) - x0) with a learnable scale s (EDSR's residual scaling)."""

    kind: Literal["learnable"] = "learnable"
    init: float = 0.1


class FixedGroup(Options):
    """x0 + s * (chain(x0) - x0) with a constant s."""

    kind: Literal["fixed"] = "fixed"
    scale: float = 0.1


for _options in (PlainChain, LearnableGroup, FixedGroup):
    register(RESIDUAL_GROUPS, _options)

# --- conditioning ----------------------------------------------------------------------------

CONDITIONING: OptionsCatalog = OptionsCatalog("conditioning")


class NoConditioning(Options):
    kind: Literal["none"] = "none"


class Film(Options):
    """gamma * f + beta from the time encoding (Perez et al. 2018)."""

    kind: Literal["film"] = "film"
    init: Literal["identity", "seed"] = "identity"
    hidden_layers: int = Field(1, ge=0, le=4)


class FilmAttention(Options):
    """f + A * (FiLM(f) - f), with A a spatial attention map in (0, 1) (V3)."""

    kind: Literal["film_attention"] = "film_attention"
    init: Literal["identity", "seed"] = "identity"
    hidden_layers: int = Field(2, ge=0, le=4)
    reduction: int = Field(8, ge=1)


for _options in (NoConditioning, Film, FilmAttention):
    register(CONDITIONING, _options)

# --- time ------------------------------------------------------------------------------------

TIME_ENCODERS: OptionsCatalog = OptionsCatalog("time encoder")


class Sinusoidal(Options):
    """sin/cos features whose frequencies do not alias for dt in [-2, 2]."""

    kind: Literal["sinusoidal"] = "sinusoidal"
    octaves: int = Field(10, ge=1, le=16)
    channels: int = Field(64, ge=4)


class SinusoidalOctaves(Options):
    """The seed's integer octaves sin/cos(2 pi 2^k dt); they alias on whole and half dt."""

    kind: Literal["sinusoidal_octaves"] = "sinusoidal_octaves"
    octaves: int = Field(10, ge=1, le=16)
    channels: int = Field(64, ge=4)


class TimeTransformer(Options):
    """Self-attention over the times of all views and the target."""

    kind: Literal["transformer"] = "transformer"
    octaves: int = Field(10, ge=1, le=16)
    channels: int = Field(64, ge=4)
    heads: int = Field(4, ge=1)
    layers: int = Field(1, ge=1, le=4)


for _options in (Sinusoidal, SinusoidalOctaves, TimeTransformer):
    register(TIME_ENCODERS, _options)

TEMPORAL_WEIGHTS: OptionsCatalog = OptionsCatalog("temporal weighting")


class LearnedWeights(Options):
    """softmax(MLP(encoding) - alpha dt^2 + bonus of the nearest anchor on each side)."""

    kind: Literal["learned"] = "learned"


class LinearWeights(Options):
    """Linear interpolation between the two anchors around the target time."""

    kind: Literal["linear"] = "linear"


class UniformWeights(Options):
    kind: Literal["uniform"] = "uniform"


for _options in (LearnedWeights, LinearWeights, UniformWeights):
    register(TEMPORAL_WEIGHTS, _options)

# --- fusion of views -------------------------------------------------------------------------

FUSIONS: OptionsCatalog = OptionsCatalog("fusion")


class WeightedFusion(Options):
    """The sum of the views' features under the temporal weights."""

    kind: Literal["weighted"] = "weighted"


for _options in (WeightedFusion,):
    register(FUSIONS, _options)

# --- decoder, head, output -------------------------------------------------------------------

DECODERS: OptionsCatalog = OptionsCatalog("decoder")


class PlainDecoder(Options):
    """up, conv, blocks, conditioning, then the skip is concatenated (V2)."""

    kind: Literal["plain"] = "plain"
    refine: Annotated[tuple[int, int, int], ListOf] = (1, 1, 1)


class RefinedDecoder(Options):
    """up, conv-norm-act, skip concatenated, conv, blocks, conditioning (V3)."""

    kind: Literal["refined"] = "refined"
    refine: Annotated[tuple[int, int, int], ListOf] = (2, 2, 3)


for _options in (PlainDecoder, RefinedDecoder):
    register(DECODERS, _options)

HEADS: OptionsCatalog = OptionsCatalog("head")


class BlockHead(Options):
    """conv, blocks, conv (V2)."""

    kind: Literal["blocks"] = "blocks"
    blocks: int = Field(2, ge=0)


class TaperHead(Options):
    """convs C -> C -> C/2 -> 3 (V3)."""

    kind: Literal["taper"] = "taper"


for _options in (BlockHead, TaperHead):
    register(HEADS, _options)

OUTPUTS: OptionsCatalog = OptionsCatalog("output")


class ResidualBlend(Options):
    """Time-weighted blend of the inputs plus a residual whose last layer starts at zero."""

    kind: Literal["residual_blend"] = "residual_blend"


class Sigmoid(Options):
    """The picture itself, squashed into (0, 1), as in the seed."""

    kind: Literal["sigmoid"] = "sigmoid"


for _options in (ResidualBlend, Sigmoid):
    register(OUTPUTS, _options)

SCENE_CUTS: OptionsCatalog = OptionsCatalog("scene-cut gate")


class NoGate(Options):
    kind: Literal["none"] = "none"


class NearestGate(Options):
    """Falls back to the nearest frame where the anchors around the target differ too much."""

    kind: Literal["nearest"] = "nearest"
    threshold: float = Field(0.35, gt=0, le=1)
    softness: float = Field(0.05, gt=0)


for _options in (NoGate, NearestGate):
    register(SCENE_CUTS, _options)

NORMS: OptionsCatalog = OptionsCatalog("norm")


class GroupNorm(Options):
    """Group normalisation (Wu and He 2018); the group count is cut to divide the width."""

    kind: Literal["group"] = "group"
    groups: int = Field(8, ge=1)


class NoNorm(Options):
    kind: Literal["none"] = "none"


class Layer2d(Options):
    """Layer normalisation over channels at each pixel."""

    kind: Literal["layer2d"] = "layer2d"


for _options in (GroupNorm, NoNorm, Layer2d):
    register(NORMS, _options)

# --- the whole -------------------------------------------------------------------------------

Groups = tuple[int, ...]


def _blocks(value: Any) -> Any:
    """One number n as the seed counts, or four entries, as tuples of group sizes per scale."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not 3 <= value <= 12:
            raise ValueError(f"one number of blocks per scale is 3 to 12, not {value}")
        return ((value - 2,), (value,), (value,), (value, value))
    if isinstance(value, list | tuple) and len(value) == SCALES:
        return tuple(_groups(entry) for entry in value)
    raise ValueError(
        f"blocks is one number n (n-2, n, n, n+n per scale) or a list of {SCALES} entries, "
        "each a number or a list of group sizes"
    )


def _groups(entry: Any) -> Groups:
    sizes = entry if isinstance(entry, list | tuple) else (entry,)
    if not all(type(size) is int and 0 <= size <= 64 for size in sizes):
        raise ValueError(f"a number of blocks is a whole number from 0 to 64, not {entry!r}")
    return tuple(size for size in sizes if size)


class ArchSpec(Section):
    """A TEMPO network. The defaults are `tempo_v3`; `tempo.spec.presets` names other points."""

    base_channels: int = Field(64, ge=4, le=512)
    widths: Literal["compact", "doubling"] | Annotated[tuple[int, int, int, int], ListOf] = (
        "compact"
    )
    blocks: Annotated[tuple[Groups, Groups, Groups, Groups], BeforeValidator(_blocks)] = (
        (4,),
        (6,),
        (6,),
        (6, 6),
    )
    block: Annotated[Slot, slot_of(BLOCKS)] = PreAct()
    se: Annotated[Slot, slot_of(CHANNEL_ATTENTION), BeforeValidator(_switch)] = SqueezeExcite()
    dilations: Annotated[tuple[int, ...], ListOf] = (1, 1, 2, 1, 2, 1)
    residual_group: Annotated[Slot, slot_of(RESIDUAL_GROUPS)] = LearnableGroup()
    conditioning: Annotated[Slot, slot_of(CONDITIONING)] = FilmAttention()
    time_encoder: Annotated[Slot, slot_of(TIME_ENCODERS)] = Sinusoidal()
    temporal_weights: Annotated[Slot, slot_of(TEMPORAL_WEIGHTS)] = LearnedWeights()
    fusion: Annotated[Slot, slot_of(FUSIONS)] = WeightedFusion()
    guidance: bool = Field(False, description="coarser scales modulate the fusion of finer ones")
    decoder: Annotated[Slot, slot_of(DECODERS)] = RefinedDecoder()
    head: Annotated[Slot, slot_of(HEADS)] = TaperHead()
    output: Annotated[Slot, slot_of(OUTPUTS)] = ResidualBlend()
    scene_cut: Annotated[Slot, slot_of(SCENE_CUTS)] = NoGate()
    norm: Annotated[Slot, slot_of(NORMS)] = GroupNorm()
    activation: Literal["gelu", "leaky_relu"] = "gelu"
    checkpointing: bool = Field(
        False,
        description="recompute activations in the backward pass to save memory",
        json_schema_extra=NOT_RESULT,
    )

    @field_validator("dilations")
    @classmethod
    def _dilations(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or not all(1 <= dilation <= 16 for dilation in value):
            raise ValueError(f"dilations is a non-empty list of numbers from 1 to 16, not {value}")
        return value

    @property
    def channels(self) -> tuple[int, ...]:
        """Feature channels at each of the four scales, finest first."""
        if not isinstance(self.widths, str):
            return self.widths
        return tuple(round(self.base_channels * factor) for factor in PLANS[self.widths])
