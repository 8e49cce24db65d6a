"""List the kinds that can fill each slot of an ArchSpec, with their options.

`tempo.models` registers the class that implements each kind under its options class."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tempo.spec.options import ListOf, Options, kinds


class PreAct(Options):
    """norm-act-conv, norm-act-conv (V3; He et al. 2016, Identity Mappings)."""

    kind: Literal["pre_act"] = "pre_act"


class PostAct(Options):
    """conv-norm-act-conv-norm, add, act (V2; He et al. 2015)."""

    kind: Literal["post_act"] = "post_act"


class Swin(Options):
    """Windowed self-attention with shifted windows (Liu et al. 2021)."""

    kind: Literal["swin"] = "swin"
    window: int = Field(8, ge=2, le=32, description="side of a window, in pixels of the scale")
    heads: int = Field(4, ge=1, le=256, description="most attention heads")
    mlp_ratio: float = Field(2.0, gt=0, le=64, description="hidden over feature channels")


BLOCKS = kinds("block", PreAct, PostAct, Swin)


class NoChannelAttention(Options):
    """No channel attention (V2)."""

    kind: Literal["none"] = "none"


class SqueezeExcite(Options):
    """Squeeze-and-excitation (Hu et al. 2018)."""

    kind: Literal["squeeze_excite"] = "squeeze_excite"
    reduction: int = Field(8, ge=1, le=4096, description="features over hidden channels")


CHANNEL_ATTENTION = kinds("channel attention", NoChannelAttention, SqueezeExcite)


class PlainChain(Options):
    """No outer residual: the chain of blocks alone (V2)."""

    kind: Literal["none"] = "none"


class LearnableGroup(Options):
    """x0 + s * (chain(x0) - x0) with a learnable scale s (EDSR's residual scaling)."""

    kind: Literal["learnable"] = "learnable"
    init: float = Field(0.1, description="where the scale s starts")


class FixedGroup(Options):
    """x0 + s * (chain(x0) - x0) with a constant s."""

    kind: Literal["fixed"] = "fixed"
    scale: float = Field(0.1, description="the constant s")


RESIDUAL_GROUPS = kinds("residual group", PlainChain, LearnableGroup, FixedGroup)


class NoConditioning(Options):
    """The features are not told the time; only the temporal weights are."""

    kind: Literal["none"] = "none"


class Film(Options):
    """gamma * f + beta from the time encoding (Perez et al. 2018)."""

    kind: Literal["film"] = "film"
    init: Literal["identity", "seed"] = Field(
        "identity", description="identity starts as no change; seed as a plain random layer"
    )
    hidden_layers: int = Field(1, ge=0, le=4, description="layers before gamma and beta")


class FilmAttention(Options):
    """f + A * (FiLM(f) - f), with A a spatial attention map in (0, 1) (V3)."""

    kind: Literal["film_attention"] = "film_attention"
    init: Literal["identity", "seed"] = Field(
        "identity", description="identity starts as no change; seed as a plain random layer"
    )
    hidden_layers: int = Field(2, ge=0, le=4, description="layers before gamma and beta")
    reduction: int = Field(8, ge=1, le=4096, description="features over the map's hidden channels")


CONDITIONING = kinds("conditioning", NoConditioning, Film, FilmAttention)


class Sinusoidal(Options):
    """sin/cos features whose frequencies do not alias for dt in [-2, 2]."""

    kind: Literal["sinusoidal"] = "sinusoidal"
    octaves: int = Field(
        10,
        ge=1,
        le=16,
        description="frequencies, doubling from 1/8 cycle on",
    )
    channels: int = Field(64, ge=4, le=4096, description="width of a time code")


class SinusoidalOctaves(Options):
    """The seed's integer octaves sin/cos(2 pi 2^k dt); they alias on whole and half dt."""

    kind: Literal["sinusoidal_octaves"] = "sinusoidal_octaves"
    octaves: int = Field(
        10,
        ge=1,
        le=16,
        description="frequencies, doubling from 1 cycle on",
    )
    channels: int = Field(64, ge=4, le=4096, description="width of a time code")


class TimeTransformer(Options):
    """Self-attention over the times of all views and the target."""

    kind: Literal["transformer"] = "transformer"
    octaves: int = Field(
        10,
        ge=1,
        le=16,
        description="frequencies, doubling from 1/8 cycle on",
    )
    channels: int = Field(64, ge=4, le=4096, description="width of a time code")
    heads: int = Field(4, ge=1, le=256, description="most attention heads")
    layers: int = Field(1, ge=1, le=4, description="transformer layers")


TIME_ENCODERS = kinds("time encoder", Sinusoidal, SinusoidalOctaves, TimeTransformer)


class LearnedWeights(Options):
    """softmax(MLP(encoding) - alpha dt^2 + bonus of the nearest anchor on each side)."""

    kind: Literal["learned"] = "learned"


class LinearWeights(Options):
    """Linear interpolation between the two anchors around the target time."""

    kind: Literal["linear"] = "linear"


class UniformWeights(Options):
    """Every view weighs the same, whatever its time."""

    kind: Literal["uniform"] = "uniform"


TEMPORAL_WEIGHTS = kinds("temporal weighting", LearnedWeights, LinearWeights, UniformWeights)


class NoMotion(Options):
    """The frames as they are: no optical flow (V2 and V3)."""

    kind: Literal["none"] = "none"


class FlowMotion(Options):
    """Frames warped to the target time by a light coarse-to-fine optical flow, with a mask."""

    kind: Literal["flow"] = "flow"
    channels: int = Field(32, ge=4, le=512, description="feature channels of the flow head")
    levels: int = Field(
        3, ge=1, le=6, description="scales of the flow: 1/2 of the frame, and halves of that"
    )
    iterations: int = Field(1, ge=1, le=8, description="corrections of the flow at each scale")


MOTIONS = kinds("motion", NoMotion, FlowMotion)


class WeightedFusion(Options):
    """The sum of the views' features under the temporal weights."""

    kind: Literal["weighted"] = "weighted"


class WindowAttention(Options):
    """The weighted sum plus attention over all views inside square windows."""

    kind: Literal["window_attention"] = "window_attention"
    window: int = Field(8, ge=2, le=32, description="side of a window, in pixels of the scale")
    heads: int = Field(4, ge=1, le=256, description="most attention heads")


class DeformableAttention(Options):
    """The weighted sum plus attention to learned places, at any distance (Zhu et al. 2021)."""

    kind: Literal["deformable_attention"] = "deformable_attention"
    points: int = Field(4, ge=1, le=16, description="places that a head looks at in each view")
    heads: int = Field(4, ge=1, le=256, description="most attention heads")


FUSIONS = kinds("fusion", WeightedFusion, WindowAttention, DeformableAttention)


class PlainDecoder(Options):
    """up, conv, blocks, conditioning, then the skip is concatenated (V2)."""

    kind: Literal["plain"] = "plain"
    refine: Annotated[tuple[int, int, int], ListOf] = Field(
        (1, 1, 1), description="blocks of each stage, coarsest first"
    )


class RefinedDecoder(Options):
    """up, conv-norm-act, skip concatenated, conv, blocks, conditioning (V3)."""

    kind: Literal["refined"] = "refined"
    refine: Annotated[tuple[int, int, int], ListOf] = Field(
        (2, 2, 3), description="blocks of each stage, coarsest first"
    )


DECODERS = kinds("decoder", PlainDecoder, RefinedDecoder)


class BlockHead(Options):
    """conv, blocks, conv (V2)."""

    kind: Literal["blocks"] = "blocks"
    blocks: int = Field(2, ge=0, le=64, description="blocks between the two convolutions")


class TaperHead(Options):
    """convs C -> C -> C/2 -> 3 (V3)."""

    kind: Literal["taper"] = "taper"


HEADS = kinds("head", BlockHead, TaperHead)


class ResidualBlend(Options):
    """Time-weighted blend of the inputs plus a residual whose last layer starts at zero."""

    kind: Literal["residual_blend"] = "residual_blend"


class Sigmoid(Options):
    """The picture itself, squashed into (0, 1), as in the seed."""

    kind: Literal["sigmoid"] = "sigmoid"


OUTPUTS = kinds("output", ResidualBlend, Sigmoid)


class NoGate(Options):
    """No gate: the output is shown as it is."""

    kind: Literal["none"] = "none"


class NearestGate(Options):
    """Falls back to the nearest frame where the anchors around the target differ too much."""

    kind: Literal["nearest"] = "nearest"
    threshold: float = Field(
        0.35,
        gt=0,
        le=1,
        description="mean |difference| of the two frames at which the nearest counts half",
    )
    softness: float = Field(0.05, gt=0, description="how gradual the change is")


SCENE_CUTS = kinds("scene-cut gate", NoGate, NearestGate)


class GroupNorm(Options):
    """Group normalisation (Wu and He 2018).

    The group count is cut to divide the width into groups of four channels at least.
    """

    kind: Literal["group"] = "group"
    groups: int = Field(8, ge=1, le=4096, description="most groups of channels")


class NoNorm(Options):
    """No normalisation; convolutions then carry a bias."""

    kind: Literal["none"] = "none"


class Layer2d(Options):
    """Layer normalisation over channels at each pixel."""

    kind: Literal["layer2d"] = "layer2d"


NORMS = kinds("norm", GroupNorm, NoNorm, Layer2d)
