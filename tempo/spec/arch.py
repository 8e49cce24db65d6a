"""Define ArchSpec: every choice that makes a TEMPO network. Source: docs/models.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from tempo.spec import arch_slots as slots
from tempo.spec.options import NOT_RESULT, ListOf, Section, Slot, slot_of
from tempo.spec.yaml.value_tree import shown

SCALES = 4
"""Feature scales: 1, 1/2, 1/4 and 1/8 of the frame."""

PLANS = {"compact": (1.0, 1.5, 2.0, 3.0), "doubling": (1.0, 2.0, 4.0, 8.0)}
"""Width plans: multipliers of `base_channels` per scale."""


def _switch(value: Any) -> Any:
    """Read `se: true` as the default squeeze-and-excitation and `se: false` as none."""
    if isinstance(value, bool):
        return "squeeze_excite" if value else "none"
    return value


Groups = tuple[int, ...]


def _blocks(value: Any) -> Any:
    """Return group sizes per scale from one number n (n-2, n, n, n+n) or from four entries."""
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
        raise ValueError(f"a number of blocks is a whole number from 0 to 64, not {shown(entry)}")
    return tuple(size for size in sizes if size)


class ArchSpec(Section):
    """A TEMPO network. The defaults are `tempo_v3`; `tempo.spec.presets` names other points."""

    base_channels: int = Field(64, ge=4, le=512)
    """feature channels at the finest scale"""
    widths: Literal["compact", "doubling"] | Annotated[tuple[int, int, int, int], ListOf] = (
        "compact"
    )
    """channels per scale over `base_channels`: compact is 1, 1.5, 2, 3, doubling 1, 2, 4, 8; or
    four numbers of channels"""
    blocks: Annotated[
        tuple[Groups, Groups, Groups, Groups],
        BeforeValidator(_blocks, json_schema_input_type=int | list[int | list[int]]),
    ] = (
        (4,),
        (6,),
        (6,),
        (6, 6),
    )
    """blocks per scale, finest first: a number n stands for n - 2, n, n, n + n; or four entries,
    each a number or a list of group sizes"""
    block: Annotated[Slot, slot_of(slots.BLOCKS)] = slots.PreAct()
    """what the chains of encoder and decoder are made of"""
    se: Annotated[
        Slot,
        slot_of(slots.CHANNEL_ATTENTION),
        BeforeValidator(
            _switch,
            json_schema_input_type=bool | Annotated[Slot, slot_of(slots.CHANNEL_ATTENTION)],
        ),
    ] = slots.SqueezeExcite()
    """channel attention in every convolution block; true and false stand for squeeze_excite and
    none"""
    dilations: Annotated[tuple[int, ...], ListOf] = (1, 1, 2, 1, 2, 1)
    """dilation of each block's first convolution, repeated over a chain"""
    residual_group: Annotated[Slot, slot_of(slots.RESIDUAL_GROUPS)] = slots.LearnableGroup()
    """outer residual around a chain of blocks"""
    conditioning: Annotated[Slot, slot_of(slots.CONDITIONING)] = slots.FilmAttention()
    """how features are told the time"""
    time_encoder: Annotated[Slot, slot_of(slots.TIME_ENCODERS)] = slots.Sinusoidal()
    """how a time becomes a code"""
    temporal_weights: Annotated[Slot, slot_of(slots.TEMPORAL_WEIGHTS)] = slots.LearnedWeights()
    """how much each view counts at the target time"""
    motion: Annotated[Slot, slot_of(slots.MOTIONS)] = slots.NoMotion()
    """whether optical flow aligns the frames with the target time before they are encoded"""
    fusion: Annotated[Slot, slot_of(slots.FUSIONS)] = slots.WeightedFusion()
    """how the features of several views become one"""
    guidance: bool = Field(False, description="coarser scales modulate the fusion of finer ones")
    decoder: Annotated[Slot, slot_of(slots.DECODERS)] = slots.RefinedDecoder()
    """how fused features go back to full size"""
    head: Annotated[Slot, slot_of(slots.HEADS)] = slots.TaperHead()
    """the layers from the finest features to the picture"""
    output: Annotated[Slot, slot_of(slots.OUTPUTS)] = slots.ResidualBlend()
    """what the head's result is added to"""
    scene_cut: Annotated[Slot, slot_of(slots.SCENE_CUTS)] = slots.NoGate()
    """what is shown where the scene changes between the frames"""
    norm: Annotated[Slot, slot_of(slots.NORMS)] = slots.GroupNorm()
    """normalisation beside the convolutions"""
    activation: Literal["gelu", "leaky_relu"] = "gelu"
    """the nonlinearity of all blocks"""
    checkpointing: Literal["auto"] | bool = Field(
        False,
        description="recompute activations in the backward pass to save memory; auto does so "
        "where the batch does not fit into memory otherwise",
        json_schema_extra=NOT_RESULT,
    )

    @field_validator("dilations")
    @classmethod
    def _dilations(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or not all(1 <= dilation <= 16 for dilation in value):
            raise ValueError(
                f"dilations is a non-empty list of numbers from 1 to 16, not {list(value)}"
            )
        return value

    @property
    def channels(self) -> tuple[int, ...]:
        """Return the feature channels at each of the four scales, finest first."""
        if not isinstance(self.widths, str):
            return self.widths
        return tuple(round(self.base_channels * factor) for factor in PLANS[self.widths])
