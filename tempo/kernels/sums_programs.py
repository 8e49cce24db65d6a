"""Triton programs of weighted sums on channels-last pictures, and of the Charbonnier loss.

Sums over pixels are made by chunk and added up in order, so that equal inputs give equal bits.
"""

from __future__ import annotations

# Triton reads the source of its functions; what it does not know has no annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
import triton
import triton.language as tl


@triton.jit(do_not_specialize=["size"])
def gated_sum(
    x,
    change,
    gate,
    start,
    scale,
    out,
    size,
    C: tl.constexpr,
    GROUP: tl.constexpr,
    LOOPS: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
    WIDE: tl.constexpr,
):
    """Write x + gate * change; with GROUP start + scale * (that - start)."""
    chunk, block, sample = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    channel = block * CHANNELS + tl.arange(0, CHANNELS)
    inside = channel < C
    share = tl.load(gate + sample * C + channel, mask=inside, other=0.0).to(WIDE)[None, :]
    if GROUP:
        part = tl.load(scale).to(WIDE)
    for loop in range(LOOPS):
        pixel = (chunk * LOOPS + loop) * PIXELS + tl.arange(0, PIXELS)
        used = (pixel < size)[:, None] & inside[None, :]
        place = (sample * size + pixel)[:, None] * C + channel[None, :]
        value = tl.load(x + place, mask=used, other=0.0).to(WIDE)
        value += share * tl.load(change + place, mask=used, other=0.0).to(WIDE)
        if GROUP:
            begun = tl.load(start + place, mask=used, other=0.0).to(WIDE)
            value = begun + part * (value - begun)
        tl.store(out + place, value.to(out.dtype.element_ty), mask=used)


@triton.jit(do_not_specialize=["size"])
def gated_sum_gradients(
    grad,
    x,
    change,
    gate,
    start,
    scale,
    to_x,
    to_change,
    to_start,
    gate_sums,
    scale_sums,
    size,
    C: tl.constexpr,
    GROUP: tl.constexpr,
    LOOPS: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
    WIDE: tl.constexpr,
):
    """Write the gradients of `gated_sum`; of the gate and the scale, sums over each chunk.

    `gate_sums` and `scale_sums` are [B, chunks, C]. Without GROUP the gradient of x is `grad`
    itself, and is not written.
    """
    chunk, block, sample = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    channel = block * CHANNELS + tl.arange(0, CHANNELS)
    inside = channel < C
    share = tl.load(gate + sample * C + channel, mask=inside, other=0.0).to(WIDE)[None, :]
    by_gate = tl.zeros((CHANNELS,), WIDE)
    by_scale = tl.zeros((CHANNELS,), WIDE)
    if GROUP:
        part = tl.load(scale).to(WIDE)
    for loop in range(LOOPS):
        pixel = (chunk * LOOPS + loop) * PIXELS + tl.arange(0, PIXELS)
        used = (pixel < size)[:, None] & inside[None, :]
        place = (sample * size + pixel)[:, None] * C + channel[None, :]
        pull = tl.load(grad + place, mask=used, other=0.0).to(WIDE)
        moved = tl.load(change + place, mask=used, other=0.0).to(WIDE)
        if GROUP:
            begun = tl.load(start + place, mask=used, other=0.0).to(WIDE)
            whole = tl.load(x + place, mask=used, other=0.0).to(WIDE) + share * moved
            by_scale += tl.sum(pull * (whole - begun), 0)
            tl.store(to_start + place, (pull - pull * part).to(to_x.dtype.element_ty), mask=used)
            pull = pull * part
            tl.store(to_x + place, pull.to(to_x.dtype.element_ty), mask=used)
        by_gate += tl.sum(pull * moved, 0)
        tl.store(to_change + place, (pull * share).to(to_x.dtype.element_ty), mask=used)
    out = (sample * tl.num_programs(0) + chunk) * C + channel
    tl.store(gate_sums + out, by_gate, mask=inside)
    if GROUP:
        tl.store(scale_sums + out, by_scale, mask=inside)


@triton.jit(do_not_specialize=["size"])
def blend(
    views,
    weights,
    out,
    size,
    pixel_step,
    channel_step,
    N: tl.constexpr,
    C: tl.constexpr,
    BY_PIXEL: tl.constexpr,
    LOOPS: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
    WIDE: tl.constexpr,
):
    """Write the sum over views of weight * value; the steps say how a picture lies in memory."""
    chunk, block, sample = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    channel = block * CHANNELS + tl.arange(0, CHANNELS)
    inside = channel < C
    for loop in range(LOOPS):
        pixel = (chunk * LOOPS + loop) * PIXELS + tl.arange(0, PIXELS)
        used = (pixel < size)[:, None] & inside[None, :]
        place = pixel.to(tl.int64)[:, None] * pixel_step + channel[None, :] * channel_step
        total = tl.zeros((PIXELS, CHANNELS), WIDE)
        for view in range(N):
            at = (sample * N + view) * size
            if BY_PIXEL:
                share = tl.load(weights + at + pixel, mask=pixel < size, other=0.0).to(WIDE)
                share = share[:, None]
            else:
                share = tl.load(weights + sample * N + view).to(WIDE)
            total += share * tl.load(views + at * C + place, mask=used, other=0.0).to(WIDE)
        tl.store(out + sample * size * C + place, total.to(out.dtype.element_ty), mask=used)


@triton.jit(do_not_specialize=["size"])
def blend_gradients(
    grad,
    views,
    weights,
    to_views,
    to_weights,
    size,
    pixel_step,
    channel_step,
    N: tl.constexpr,
    C: tl.constexpr,
    BY_PIXEL: tl.constexpr,
    TO_VIEWS: tl.constexpr,
    BLOCKS: tl.constexpr,
    LOOPS: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
    WIDE: tl.constexpr,
):
    """Write the gradients of `blend`; a program sees all channels of its pixels.

    Of the weights, BY_PIXEL a value each, [B, N, P]; otherwise sums over chunks, [B, N, chunks].
    """
    chunk, sample = tl.program_id(0), tl.program_id(2).to(tl.int64)
    for view in range(N):
        at = (sample * N + view) * size
        total = tl.zeros((PIXELS,), WIDE)
        for loop in range(LOOPS):
            pixel = (chunk * LOOPS + loop) * PIXELS + tl.arange(0, PIXELS)
            own = tl.zeros((PIXELS,), WIDE)
            if BY_PIXEL:
                share = tl.load(weights + at + pixel, mask=pixel < size, other=0.0).to(WIDE)
                share = share[:, None]
            else:
                share = tl.load(weights + sample * N + view).to(WIDE)
            for block in range(BLOCKS):
                channel = block * CHANNELS + tl.arange(0, CHANNELS)
                used = (pixel < size)[:, None] & (channel < C)[None, :]
                place = pixel.to(tl.int64)[:, None] * pixel_step + channel[None, :] * channel_step
                pull = tl.load(grad + sample * size * C + place, mask=used, other=0.0).to(WIDE)
                value = tl.load(views + at * C + place, mask=used, other=0.0).to(WIDE)
                own += tl.sum(pull * value, 1)
                if TO_VIEWS:
                    out = (pull * share).to(to_views.dtype.element_ty)
                    tl.store(to_views + at * C + place, out, mask=used)
            if BY_PIXEL:
                kind = to_weights.dtype.element_ty
                tl.store(to_weights + at + pixel, own.to(kind), mask=pixel < size)
            total += own
        if not BY_PIXEL:
            out = (sample * N + view) * tl.num_programs(0) + chunk
            tl.store(to_weights + out, tl.sum(total, 0))


@triton.jit(do_not_specialize=["size"])
def charbonnier(
    prediction,
    target,
    sums,
    size,
    EPS: tl.constexpr,
    LOOPS: tl.constexpr,
    VALUES: tl.constexpr,
    WIDE: tl.constexpr,
):
    """Write the sum of sqrt(d^2 + eps^2) over each chunk of a sample, [B, chunks]."""
    chunk, sample = tl.program_id(0), tl.program_id(1).to(tl.int64)
    total = tl.zeros((VALUES,), WIDE)
    for loop in range(LOOPS):
        value = (chunk * LOOPS + loop) * VALUES + tl.arange(0, VALUES)
        used = value < size
        place = sample * size + value
        gap = tl.load(prediction + place, mask=used, other=0.0).to(WIDE)
        gap -= tl.load(target + place, mask=used, other=0.0).to(WIDE)
        total += tl.where(used, tl.sqrt(gap * gap + EPS * EPS), 0.0)
    tl.store(sums + sample * tl.num_programs(0) + chunk, tl.sum(total, 0))


@triton.jit(do_not_specialize=["size"])
def charbonnier_gradient(
    grad,
    prediction,
    target,
    out,
    size,
    EPS: tl.constexpr,
    LOOPS: tl.constexpr,
    VALUES: tl.constexpr,
    WIDE: tl.constexpr,
):
    """Write grad * d / sqrt(d^2 + eps^2), `grad` one value a sample."""
    chunk, sample = tl.program_id(0), tl.program_id(1).to(tl.int64)
    pull = tl.load(grad + sample).to(WIDE)
    for loop in range(LOOPS):
        value = (chunk * LOOPS + loop) * VALUES + tl.arange(0, VALUES)
        used = value < size
        place = sample * size + value
        gap = tl.load(prediction + place, mask=used, other=0.0).to(WIDE)
        gap -= tl.load(target + place, mask=used, other=0.0).to(WIDE)
        slope = gap / tl.sqrt(tl.where(used, gap * gap + EPS * EPS, 1.0))
        tl.store(out + place, (pull * slope).to(out.dtype.element_ty), mask=used)
