"""Alpha compositing of splats and its gradient: one autograd Function over 16x16 tiles.

A splat here is (center, shape, opacity, feature). Its shape is not the inverse covariance (A, B, C) but (a, r, k) with
sigma = a/2 (dx + r dy)**2 + k/2 dy**2, that is a = A, r = B/A, k = C - B**2/A. This form needs fewer products per
pixel, is never negative, and has no cancellation for needle-shaped splats.

Backward runs back to front with one number per pixel and no buffer of channels. Let q = (gradient of the pixel) .
feature, T the transmittance in front of a splat, and rho the blended q of everything behind it: initially
(gradient . background - gradient of alpha), then rho + alpha (q - rho). The gradient of alpha is T (q - rho).
"""

# The definition of a Numba intrinsic has two more arguments than its call, which type checkers do not support.
# mypy: disable-error-code="call-arg, var-annotated"

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd.function import once_differentiable

from recon.kernels import kernel
from recon.kernels.lanes import any_lane, bits, exp_minus, fill, load, lowest, magnitude, store, total, where, workspace
from recon.kernels.threads import even_parts, run, weighted_parts
from recon.rasterize import binning
from recon.rasterize.binning import HALF_A, HALF_K, OPACITY, REACH, SHEAR, TILE, Bins, X, Y
from recon.rasterize.reference import ALPHA_MAX, ALPHA_MIN, TRANSMITTANCE_MIN

PIXELS = TILE * TILE
UNFINISHED = np.float32(2**30)  # the stop of a pixel that is not finished
CHECK_EVERY = 16  # splats between two checks of which rows of a tile are finished
GEOMETRY = 8  # gradients in a slot before the features: center 2, shape 3, opacity 1, |center| 2
IN_REGISTERS = 3  # features that the inner loops hold in registers; others are looped over, missing ones are zero
LANE_CENTERS = (np.arange(TILE) + 0.5).astype(np.float32)

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_MIN, _MAX, _END = np.float32(ALPHA_MIN), np.float32(ALPHA_MAX), np.float32(TRANSMITTANCE_MIN)
_LAST_LANE = np.float32(TILE - 1)


class Composite(torch.autograd.Function):
    """Composite splats to images. With `absgrad`, backward sets `centers.absgrad` to summed absolute gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        centers: Tensor,
        shapes: Tensor,
        opacities: Tensor,
        features: Tensor,
        backgrounds: Tensor | None,
        depths: Tensor,
        camera_starts: np.ndarray,
        width: int,
        height: int,
        absgrad: bool,
    ) -> tuple[Tensor, Tensor]:
        """Composite M splats.

        Args:
            centers: (..., 2) pixels; M splats when flattened.
            shapes: (M, 3), see above.
            opacities: (M,).
            features: (M, D).
            backgrounds: (C, D) or None.
            depths: (M,), used only for sorting.
            camera_starts: (C + 1,), the range of splats of each camera.
            width, height: image size in pixels.
            absgrad: whether backward sets `centers.absgrad`.

        Returns:
            (C, H, W, D) features and (C, H, W, 1) alphas.
        """
        cameras, channels = len(camera_starts) - 1, features.shape[-1]
        arrays = [t.detach().contiguous().numpy() for t in (centers.reshape(-1, 2), shapes, opacities, depths)]
        bins = binning.bin_splats(arrays[0], arrays[1], arrays[2], arrays[3], camera_starts, width, height)
        colors = features.detach().contiguous().numpy()
        if channels < IN_REGISTERS:
            colors = np.pad(colors, ((0, 0), (0, IN_REGISTERS - channels)))
        background = np.zeros((cameras, channels), np.float32)
        if backgrounds is not None:
            background[:] = backgrounds.detach().numpy()

        images = np.empty((cameras, height, width, channels), np.float32)
        alphas = np.empty((cameras, height, width, 1), np.float32)
        transmittances = np.empty((cameras, height, width), np.float32)
        stops = np.empty((cameras, height, width), np.float32)
        parts = weighted_parts(np.diff(bins.tile_starts) + 32)
        bin_arrays = (bins.records, bins.tile_starts, bins.ids, bins.tiles_x, bins.tiles_y)
        run(_blend, parts, *bin_arrays, LANE_CENTERS, colors, background, images, alphas, transmittances, stops)

        ctx.bins, ctx.parts, ctx.colors, ctx.background = bins, parts, colors, background
        ctx.transmittances, ctx.stops, ctx.absgrad = transmittances, stops, absgrad
        ctx.centers = centers  # the object that a strategy holds, for .absgrad
        return torch.from_numpy(images), torch.from_numpy(alphas)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_images: Tensor, grad_alphas: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients in the order of `forward`."""
        bins: Bins = ctx.bins
        v_images = grad_images.contiguous().numpy()
        v_alphas = grad_alphas.contiguous().numpy()
        slots = np.empty((len(bins.ids), GEOMETRY + ctx.colors.shape[-1]), np.float32)
        bin_arrays = (bins.records, bins.tile_starts, bins.ids, bins.slots, bins.tiles_x, bins.tiles_y)
        given = (ctx.colors, ctx.background, ctx.transmittances, ctx.stops, v_images, v_alphas, ctx.absgrad)
        run(_blend_backward, ctx.parts, *bin_arrays, LANE_CENTERS, *given, slots)

        count = len(bins.records)
        sums = [np.empty((count, n), np.float32) for n in (2, 3, 1, 2, ctx.background.shape[-1])]
        run(_gather, even_parts(count), bins.slot_starts, slots, *sums)
        v_centers, v_shapes, v_opacities, v_absolute, v_colors = (torch.from_numpy(s) for s in sums)
        shape = ctx.centers.shape
        if ctx.absgrad:
            ctx.centers.absgrad = v_absolute.reshape(shape)
        v_backgrounds = None
        if ctx.needs_input_grad[4]:
            through = np.einsum("chw,chwd->cd", ctx.transmittances, v_images, dtype=np.float64)
            v_backgrounds = torch.from_numpy(through.astype(np.float32))
        return v_centers.reshape(shape), v_shapes, v_opacities[:, 0], v_colors, v_backgrounds, *[None] * 5


@njit(error_model="numpy")
def _reached(lane, first_dx, center_y, half_a, shear, half_k, reach):
    """The rows of a tile, as bits, where sigma <= `reach` between the first and the last pixel center."""
    dy = lane - center_y
    left = shear * dy + first_dx
    near = max(max(left, -_LAST_LANE - left), _ZERO)
    return bits(half_k * dy * dy + half_a * near * near <= reach)


@kernel
def _blend(
    first,
    last,
    records,
    tile_starts,
    ids,
    tiles_x,
    tiles_y,
    lane_centers,
    colors,
    background,
    images,
    alphas,
    transmittances,
    stops,
):
    """Blend tiles first..last. A pixel's stop is the index, in its tile's list, of the splat that finished it."""
    height, width, channels = images.shape[1:]
    padded = colors.shape[1]
    transmittance = workspace(PIXELS)
    stop = workspace(PIXELS)
    blended = workspace(padded * PIXELS)
    lane = load(lane_centers, 0)  # of the pixels in a row, and of the rows
    for tile in range(first, last):
        camera, place = tile // (tiles_x * tiles_y), tile % (tiles_x * tiles_y)
        top, left = place // tiles_x * TILE, place % tiles_x * TILE
        tall, wide = min(TILE, height - top), min(TILE, width - left)
        transmittance[:] = 1
        blended[:] = 0
        stop[:] = -1
        for row in range(tall):
            stop[row * TILE : row * TILE + wide] = UNFINISHED

        start, end = tile_starts[tile], tile_starts[tile + 1]
        live = 0
        for i in range(start, end):
            if (i - start) % CHECK_EVERY == 0:
                live = 0
                for row in range(tall):
                    if any_lane(load(stop, row * TILE) >= UNFINISHED):
                        live |= 1 << row
                if live == 0:
                    break
            m = ids[i]
            half_a, shear, half_k = records[m, HALF_A], records[m, SHEAR], records[m, HALF_K]
            opacity, reach = records[m, OPACITY], records[m, REACH]
            dx = lane - (records[m, X] - np.float32(left))
            first_dx = _HALF - (records[m, X] - np.float32(left))
            center_y = records[m, Y] - np.float32(top)
            color0, color1, color2 = colors[m, 0], colors[m, 1], colors[m, 2]
            rows = live & _reached(lane, first_dx, center_y, half_a, shear, half_k, reach)
            while rows != 0:
                row = lowest(rows)
                rows &= rows - 1
                dy = lane_centers[row] - center_y
                base, shift = half_k * dy * dy, shear * dy
                u = dx + shift
                alpha = min(opacity * exp_minus(half_a * u * u + base), _MAX)
                ended = load(stop, row * TILE)
                before = load(transmittance, row * TILE)
                after = before * (_ONE - alpha)
                drawn = (alpha >= _MIN) & (ended >= UNFINISHED)
                ending = drawn & (after <= _END)
                if any_lane(ending):
                    store(stop, row * TILE, where(ending, np.float32(i - start), ended))
                drawn = drawn & (after > _END)
                weight = where(drawn, alpha * before, _ZERO)
                store(transmittance, row * TILE, where(drawn, after, before))
                at = row * TILE
                store(blended, at, load(blended, at) + weight * color0)
                store(blended, at + PIXELS, load(blended, at + PIXELS) + weight * color1)
                store(blended, at + 2 * PIXELS, load(blended, at + 2 * PIXELS) + weight * color2)
                for channel in range(IN_REGISTERS, padded):
                    at = channel * PIXELS + row * TILE
                    store(blended, at, load(blended, at) + weight * colors[m, channel])

        for row in range(tall):
            for column in range(wide):
                pixel = row * TILE + column
                y, x = top + row, left + column
                remaining = transmittance[pixel]
                transmittances[camera, y, x] = remaining
                stops[camera, y, x] = stop[pixel]
                alphas[camera, y, x, 0] = _ONE - remaining
                for channel in range(channels):
                    images[camera, y, x, channel] = (
                        blended[channel * PIXELS + pixel] + remaining * background[camera, channel]
                    )


@kernel
def _blend_backward(
    first,
    last,
    records,
    tile_starts,
    ids,
    slots,
    tiles_x,
    tiles_y,
    lane_centers,
    colors,
    background,
    transmittances,
    stops,
    v_images,
    v_alphas,
    absgrad,
    slot_grads,
):
    """Write the gradients of each splat-tile intersection of tiles first..last to its slot."""
    height, width, channels = v_images.shape[1:]
    padded = colors.shape[1]
    transmittance = workspace(PIXELS)
    stop = workspace(PIXELS)
    behind = workspace(PIXELS)
    v_pixels = workspace(padded * PIXELS)
    v_color = workspace(padded * TILE)
    row_stops = workspace(TILE)
    lane = load(lane_centers, 0)  # of the pixels in a row, and of the rows
    for tile in range(first, last):
        camera, place = tile // (tiles_x * tiles_y), tile % (tiles_x * tiles_y)
        top, left = place // tiles_x * TILE, place % tiles_x * TILE
        start, end = tile_starts[tile], tile_starts[tile + 1]
        transmittance[:] = 1
        stop[:] = -1
        behind[:] = 0
        v_pixels[:] = 0
        row_stops[:] = 0
        final = 0
        for row in range(min(TILE, height - top)):
            for column in range(min(TILE, width - left)):
                pixel = row * TILE + column
                y, x = top + row, left + column
                remaining = transmittances[camera, y, x]
                through = -v_alphas[camera, y, x, 0]
                for channel in range(channels):
                    v = v_images[camera, y, x, channel]
                    v_pixels[channel * PIXELS + pixel] = v
                    through += v * background[camera, channel]
                transmittance[pixel] = remaining
                behind[pixel] = through
                stop[pixel] = stops[camera, y, x]
                row_stops[row] = max(row_stops[row], stop[pixel])
            final = max(final, min(np.int64(row_stops[row]), end - start))

        for i in range(start + final, end):
            slot_grads[slots[i]] = 0
        for i in range(start + final - 1, start - 1, -1):
            m, slot = ids[i], slots[i]
            half_a, shear, half_k = records[m, HALF_A], records[m, SHEAR], records[m, HALF_K]
            opacity, reach = records[m, OPACITY], records[m, REACH]
            dx = lane - (records[m, X] - np.float32(left))
            first_dx = _HALF - (records[m, X] - np.float32(left))
            center_y = records[m, Y] - np.float32(top)
            order = i - start
            color0, color1, color2 = colors[m, 0], colors[m, 1], colors[m, 2]
            s_sum, s_y, s_yy = fill(_ZERO), fill(_ZERO), fill(_ZERO)
            s_u, s_uy, s_uu = fill(_ZERO), fill(_ZERO), fill(_ZERO)
            v_color0, v_color1, v_color2 = fill(_ZERO), fill(_ZERO), fill(_ZERO)
            abs_x, abs_y = fill(_ZERO), fill(_ZERO)
            for channel in range(IN_REGISTERS, padded):
                store(v_color, channel * TILE, _ZERO)
            touched = False
            rows = bits(load(row_stops, 0) > np.float32(order))
            rows &= _reached(lane, first_dx, center_y, half_a, shear, half_k, reach)
            while rows != 0:
                row = lowest(rows)
                rows &= rows - 1
                dy = lane_centers[row] - center_y
                base, shift = half_k * dy * dy, shear * dy
                at = row * TILE
                u = dx + shift
                strength = opacity * exp_minus(half_a * u * u + base)
                alpha = min(strength, _MAX)
                drawn = (alpha >= _MIN) & (load(stop, at) > np.float32(order))
                if not any_lane(drawn):
                    continue
                touched = True
                alpha = where(drawn, alpha, _ZERO)
                before = load(transmittance, at) / (_ONE - alpha)
                store(transmittance, at, before)
                weight = alpha * before
                v0, v1, v2 = load(v_pixels, at), load(v_pixels, at + PIXELS), load(v_pixels, at + 2 * PIXELS)
                v_color0, v_color1, v_color2 = v_color0 + weight * v0, v_color1 + weight * v1, v_color2 + weight * v2
                q = v0 * color0 + v1 * color1 + v2 * color2
                for channel in range(IN_REGISTERS, padded):
                    v = load(v_pixels, channel * PIXELS + at)
                    q = q + v * colors[m, channel]
                    store(v_color, channel * TILE, load(v_color, channel * TILE) + weight * v)
                rho = load(behind, at)
                ahead = rho - q
                store(behind, at, rho - alpha * ahead)
                s = where(strength <= _MAX, weight * ahead, _ZERO)
                su = s * u
                s_sum, s_y, s_yy = s_sum + s, s_y + s * dy, s_yy + s * (dy * dy)
                s_u, s_uy, s_uu = s_u + su, s_uy + su * dy, s_uu + su * u
                if absgrad:
                    along = su * (half_a + half_a)
                    abs_x = abs_x + magnitude(along)
                    abs_y = abs_y + magnitude(along * shear + s * (dy * (half_k + half_k)))

            if not touched:
                slot_grads[slot] = 0
                continue
            a, k = half_a + half_a, half_k + half_k
            sum_u, sum_y = total(s_u), total(s_y)
            slot_grads[slot, 0] = -a * sum_u
            slot_grads[slot, 1] = -(a * shear * sum_u + k * sum_y)
            slot_grads[slot, 2] = _HALF * total(s_uu)
            slot_grads[slot, 3] = a * total(s_uy)
            slot_grads[slot, 4] = _HALF * total(s_yy)
            slot_grads[slot, 5] = -total(s_sum) / opacity
            slot_grads[slot, 6] = total(abs_x) if absgrad else _ZERO
            slot_grads[slot, 7] = total(abs_y) if absgrad else _ZERO
            slot_grads[slot, GEOMETRY] = total(v_color0)
            slot_grads[slot, GEOMETRY + 1] = total(v_color1)
            slot_grads[slot, GEOMETRY + 2] = total(v_color2)
            for channel in range(IN_REGISTERS, padded):
                slot_grads[slot, GEOMETRY + channel] = total(load(v_color, channel * TILE))


@kernel
def _gather(first, last, slot_starts, slot_grads, v_centers, v_shapes, v_opacities, v_absolute, v_colors):
    """Sum each splat's slots in order."""
    channels = v_colors.shape[1]
    sums = np.empty(GEOMETRY + channels, np.float32)
    for m in range(first, last):
        sums[:] = 0
        for slot in range(slot_starts[m], slot_starts[m + 1]):
            for n in range(GEOMETRY + channels):
                sums[n] += slot_grads[slot, n]
        v_centers[m, 0], v_centers[m, 1] = sums[0], sums[1]
        v_shapes[m, 0], v_shapes[m, 1], v_shapes[m, 2] = sums[2], sums[3], sums[4]
        v_opacities[m, 0] = sums[5]
        v_absolute[m, 0], v_absolute[m, 1] = sums[6], sums[7]
        for channel in range(channels):
            v_colors[m, channel] = sums[GEOMETRY + channel]
