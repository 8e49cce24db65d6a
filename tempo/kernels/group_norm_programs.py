"""Triton programs of a group normalisation with its activation, on channels-last pictures.

A picture is [P, C] in memory, P pixels. The forward pass reads it twice and writes it once: once
for the statistics, once for the values. The backward pass reads it twice with the gradient. Sums
over pixels are made by chunk and added up in order, so that equal inputs give equal bits.
"""

from __future__ import annotations

# Triton reads the source of its functions; what it does not know has no annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
import triton
import triton.language as tl

NONE = tl.constexpr(0)
GELU = tl.constexpr(1)
LEAKY_RELU = tl.constexpr(2)

ROOT_HALF = tl.constexpr(0.7071067811865476)
ROOT_HALF_PI = tl.constexpr(0.3989422804014327)
"""1 / sqrt(2 pi)."""


@triton.jit
def activated(z, ACT: tl.constexpr, SLOPE: tl.constexpr):
    """Return the activation of `z`: GELU with the error function, leaky ReLU, or `z`."""
    if ACT == GELU:
        return 0.5 * z * (1.0 + tl.erf(z * ROOT_HALF))
    if ACT == LEAKY_RELU:
        return tl.where(z > 0, z, z * SLOPE)
    return z


@triton.jit
def slope_at(z, ACT: tl.constexpr, SLOPE: tl.constexpr):
    """Return the derivative of the activation at `z`."""
    if ACT == GELU:
        return 0.5 * (1.0 + tl.erf(z * ROOT_HALF)) + z * tl.exp(-0.5 * z * z) * ROOT_HALF_PI
    if ACT == LEAKY_RELU:
        return tl.where(z > 0, 1.0, SLOPE)
    return tl.full(z.shape, 1.0, z.dtype)


@triton.jit(do_not_specialize=["size"])
def channel_moments(
    x,
    means,
    squares,
    size,
    C: tl.constexpr,
    LOOPS: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
    WIDE: tl.constexpr,
):
    """Write the mean and the sum of squared deviations of each channel over a chunk of pixels.

    Tiles are joined as Chan et al. (1979) join samples, so that no two large numbers are
    subtracted, whatever the mean is.
    """
    chunk, block, sample = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    channel = block * CHANNELS + tl.arange(0, CHANNELS)
    inside = channel < C
    mean = tl.zeros((CHANNELS,), WIDE)
    square = tl.zeros((CHANNELS,), WIDE)
    for loop in range(LOOPS):
        pixel = (chunk * LOOPS + loop) * PIXELS + tl.arange(0, PIXELS)
        used = (pixel < size)[:, None] & inside[None, :]
        place = (sample * size + pixel)[:, None] * C + channel[None, :]
        value = tl.load(x + place, mask=used, other=0.0).to(WIDE)
        start = chunk * LOOPS * PIXELS
        count = tl.maximum(tl.minimum(size - start, loop * PIXELS), 0).to(WIDE)
        here = tl.maximum(tl.minimum(size - start - loop * PIXELS, PIXELS), 0).to(WIDE)
        here_mean = tl.sum(value, 0) / tl.maximum(here, 1.0)
        # A sum of large values is rounded coarsely; that of what it missed is not.
        away = tl.where(used, value - here_mean[None, :], 0.0)
        here_mean += tl.sum(away, 0) / tl.maximum(here, 1.0)
        away = tl.where(used, value - here_mean[None, :], 0.0)
        joined = tl.maximum(count + here, 1.0)
        gap = here_mean - mean
        square += tl.sum(away * away, 0) + gap * gap * (count * here / joined)
        mean += gap * (here / joined)
    out = (sample * tl.num_programs(0) + chunk) * C + channel
    tl.store(means + out, mean, mask=inside)
    tl.store(squares + out, square, mask=inside)


@triton.jit(do_not_specialize=["size", "chunks"])
def group_statistics(
    means,
    squares,
    mean,
    deviation,
    size,
    chunks,
    EPS: tl.constexpr,
    C: tl.constexpr,
    GROUPS: tl.constexpr,
    SPAN: tl.constexpr,
    WIDTH: tl.constexpr,
    CHUNKS: tl.constexpr,
    WIDE: tl.constexpr,
):
    """Write a group's mean and 1 / sqrt(variance + EPS) from the moments of its channels.

    SPAN: pixels of a chunk; WIDTH, CHUNKS: powers of two that hold a group and all chunks.
    """
    sample, group = tl.program_id(0).to(tl.int64), tl.program_id(1)
    chunk, member = tl.arange(0, CHUNKS), tl.arange(0, WIDTH)
    used = (chunk < chunks)[:, None] & (member < C // GROUPS)[None, :]
    place = (sample * chunks + chunk)[:, None] * C + (group * (C // GROUPS) + member)[None, :]
    own = tl.load(means + place, mask=used, other=0.0)
    square = tl.load(squares + place, mask=used, other=0.0)
    pixels = tl.minimum(tl.maximum(size - chunk * SPAN, 0), SPAN).to(WIDE)[:, None]
    total = (size * (C // GROUPS)).to(WIDE)
    centre = tl.sum(tl.sum(own * pixels, 1), 0) / total
    missed = tl.where(used, own - centre, 0.0)
    centre += tl.sum(tl.sum(missed * pixels, 1), 0) / total
    away = tl.where(used, own - centre, 0.0)
    variance = tl.sum(tl.sum(square + away * away * pixels, 1), 0) / total
    tl.store(mean + sample * GROUPS + group, centre)
    tl.store(deviation + sample * GROUPS + group, 1.0 / tl.sqrt(variance + EPS))


@triton.jit(do_not_specialize=["size"])
def normalised(
    x,
    y,
    weight,
    bias,
    mean,
    deviation,
    size,
    C: tl.constexpr,
    GROUPS: tl.constexpr,
    ACT: tl.constexpr,
    SLOPE: tl.constexpr,
    LOOPS: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
    WIDE: tl.constexpr,
):
    """Write act((x - mean) * deviation * weight + bias), rounded once."""
    chunk, block, sample = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    channel = block * CHANNELS + tl.arange(0, CHANNELS)
    inside = channel < C
    group = sample * GROUPS + channel // (C // GROUPS)
    centre = tl.load(mean + group, mask=inside, other=0.0)
    scale = tl.load(deviation + group, mask=inside, other=0.0)
    scale *= tl.load(weight + channel, mask=inside, other=0.0).to(WIDE)
    shift = tl.load(bias + channel, mask=inside, other=0.0).to(WIDE)
    for loop in range(LOOPS):
        pixel = (chunk * LOOPS + loop) * PIXELS + tl.arange(0, PIXELS)
        used = (pixel < size)[:, None] & inside[None, :]
        place = (sample * size + pixel)[:, None] * C + channel[None, :]
        value = tl.load(x + place, mask=used, other=0.0).to(WIDE)
        z = (value - centre[None, :]) * scale[None, :] + shift[None, :]
        tl.store(y + place, activated(z, ACT, SLOPE).to(y.dtype.element_ty), mask=used)


@triton.jit(do_not_specialize=["size", "chunks_in_all"])
def gradient_sums(
    grad,
    x,
    weight,
    bias,
    mean,
    deviation,
    sums,
    size,
    chunks_in_all,
    C: tl.constexpr,
    GROUPS: tl.constexpr,
    ACT: tl.constexpr,
    SLOPE: tl.constexpr,
    LOOPS: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
    WIDE: tl.constexpr,
):
    """Write, of each channel over a chunk, the sums of dz and of dz times the normalised input.

    dz is the gradient behind the activation; `sums` is [2, B, chunks, C].
    """
    chunk, block, sample = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    channel = block * CHANNELS + tl.arange(0, CHANNELS)
    inside = channel < C
    group = sample * GROUPS + channel // (C // GROUPS)
    centre = tl.load(mean + group, mask=inside, other=0.0)[None, :]
    scale = tl.load(deviation + group, mask=inside, other=0.0)[None, :]
    gain = tl.load(weight + channel, mask=inside, other=0.0).to(WIDE)[None, :]
    shift = tl.load(bias + channel, mask=inside, other=0.0).to(WIDE)[None, :]
    plain = tl.zeros((CHANNELS,), WIDE)
    along = tl.zeros((CHANNELS,), WIDE)
    for loop in range(LOOPS):
        pixel = (chunk * LOOPS + loop) * PIXELS + tl.arange(0, PIXELS)
        used = (pixel < size)[:, None] & inside[None, :]
        place = (sample * size + pixel)[:, None] * C + channel[None, :]
        unit = (tl.load(x + place, mask=used, other=0.0).to(WIDE) - centre) * scale
        pull = tl.load(grad + place, mask=used, other=0.0).to(WIDE)
        pull *= slope_at(unit * gain + shift, ACT, SLOPE)
        plain += tl.sum(pull, 0)
        along += tl.sum(pull * unit, 0)
    out = (sample * tl.num_programs(0) + chunk) * C + channel
    tl.store(sums + out, plain, mask=inside)
    tl.store(sums + chunks_in_all * C + out, along, mask=inside)


@triton.jit(do_not_specialize=["size", "batch", "chunks"])
def group_means(
    sums,
    weight,
    means,
    size,
    batch,
    chunks,
    C: tl.constexpr,
    GROUPS: tl.constexpr,
    WIDTH: tl.constexpr,
    CHUNKS: tl.constexpr,
    WIDE: tl.constexpr,
):
    """Write a group's means of weight * dz and of weight * dz times the normalised input.

    `means` is [2, B, GROUPS].
    """
    sample, group = tl.program_id(0).to(tl.int64), tl.program_id(1)
    chunk, member = tl.arange(0, CHUNKS), tl.arange(0, WIDTH)
    channel = group * (C // GROUPS) + member
    inside = member < C // GROUPS
    used = (chunk < chunks)[:, None] & inside[None, :]
    place = (sample * chunks + chunk)[:, None] * C + channel[None, :]
    gain = tl.load(weight + channel, mask=inside, other=0.0).to(WIDE)
    plain = tl.sum(tl.load(sums + place, mask=used, other=0.0), 0)
    half = batch * chunks * C
    along = tl.sum(tl.load(sums + half + place, mask=used, other=0.0), 0)
    total = (size * (C // GROUPS)).to(WIDE)
    out = means + sample * GROUPS + group
    tl.store(out, tl.sum(plain * gain, 0) / total)
    tl.store(out + batch * GROUPS, tl.sum(along * gain, 0) / total)


@triton.jit(do_not_specialize=["size", "batch"])
def input_gradient(
    grad,
    x,
    out,
    weight,
    bias,
    mean,
    deviation,
    means,
    size,
    batch,
    C: tl.constexpr,
    GROUPS: tl.constexpr,
    ACT: tl.constexpr,
    SLOPE: tl.constexpr,
    LOOPS: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
    WIDE: tl.constexpr,
):
    """Write deviation * (weight * dz - mean of it - unit * mean of it times unit)."""
    chunk, block, sample = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    channel = block * CHANNELS + tl.arange(0, CHANNELS)
    inside = channel < C
    group = sample * GROUPS + channel // (C // GROUPS)
    centre = tl.load(mean + group, mask=inside, other=0.0)[None, :]
    scale = tl.load(deviation + group, mask=inside, other=0.0)[None, :]
    level = tl.load(means + group, mask=inside, other=0.0)[None, :]
    lean = tl.load(means + batch * GROUPS + group, mask=inside, other=0.0)[None, :]
    gain = tl.load(weight + channel, mask=inside, other=0.0).to(WIDE)[None, :]
    shift = tl.load(bias + channel, mask=inside, other=0.0).to(WIDE)[None, :]
    for loop in range(LOOPS):
        pixel = (chunk * LOOPS + loop) * PIXELS + tl.arange(0, PIXELS)
        used = (pixel < size)[:, None] & inside[None, :]
        place = (sample * size + pixel)[:, None] * C + channel[None, :]
        unit = (tl.load(x + place, mask=used, other=0.0).to(WIDE) - centre) * scale
        pull = tl.load(grad + place, mask=used, other=0.0).to(WIDE)
        pull *= slope_at(unit * gain + shift, ACT, SLOPE)
        value = scale * (pull * gain - level - unit * lean)
        tl.store(out + place, value.to(out.dtype.element_ty), mask=used)
