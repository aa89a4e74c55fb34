"""Image metrics PSNR and SSIM, and the training loss of L1 and SSIM.

SSIM follows Wang et al. 2004: an 11x11 Gaussian window of sigma 1.5, constants 0.01^2 and 0.03^2, averaged over all
positions where the window is inside the image.
"""

# The definition of a Numba intrinsic has two more arguments than its call, which type checkers do not support.
# mypy: disable-error-code="call-arg, var-annotated"

from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from recon.kernels import kernel
from recon.kernels.lanes import WIDTH as LANES
from recon.kernels.lanes import fill, load, magnitude, store, total, where, workspace
from recon.kernels.threads import even_parts, run
from trajectories.errors import InputError

WINDOW = 11
MARGIN = WINDOW - 1  # an axis of n pixels has n - MARGIN window positions
SIGMA = 1.5
C1 = 0.01**2
C2 = 0.03**2

_ZERO, _ONE, _TWO, _C1, _C2 = (np.float32(number) for number in (0, 1, 2, C1, C2))
_LANE_NUMBERS = np.arange(LANES, dtype=np.float32)


def psnr(image: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of images in [0, 1], over all pixels together."""
    return -10.0 * torch.log10((image - target).square().mean().clamp_min(1e-12))


def gaussian_window(device: torch.device | str = "cpu") -> Tensor:
    """(11,) the one-dimensional window; it sums to 1."""
    x = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    window = torch.exp(-x.square() / (2 * SIGMA**2))
    return (window / window.sum()).float().to(device)


def ssim(image: Tensor, target: Tensor) -> Tensor:
    """Mean structural similarity; differentiable, in plain torch.

    Args:
        image, target: (..., H, W, 3) in [0, 1], H and W at least 11.

    Raises:
        InputError: the images are smaller than the window.
    """
    height, width = image.shape[-3:-1]
    if min(height, width) < WINDOW:
        raise InputError(f"SSIM needs images of at least {WINDOW}x{WINDOW} pixels; these are {width}x{height}.")
    x, y = (t.reshape(-1, height, width, 3).permute(0, 3, 1, 2) for t in (image, target))
    window = gaussian_window(image.device).to(image.dtype).expand(3, 1, 1, -1)

    def blur(t: Tensor) -> Tensor:
        # Channels as groups are seven times as fast on a CPU as channels as images.
        t = torch.nn.functional.conv2d(t, window.transpose(-1, -2), groups=3)
        return torch.nn.functional.conv2d(t, window, groups=3)

    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    cov = blur(x * y) - mean_x * mean_y
    similar = (2 * mean_x * mean_y + C1) * (2 * cov + C2)
    return (similar / ((mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2))).mean()


def photometric_loss(image: Tensor, target: Tensor, ssim_weight: float = 0.2) -> Tensor:
    """(1 - w) L1 + w (1 - SSIM), the loss of Kerbl et al. 2023, equation 7.

    On a CPU, two Numba kernels compute value and gradient; `ssim` above is their reference. Results are bitwise equal
    for any number of threads.

    Args:
        image: (H, W, 3); differentiable.
        target: (H, W, 3).
        ssim_weight: w.
    """
    if ssim_weight == 0.0:
        return (image - target).abs().mean()
    if image.is_cuda:
        return (1 - ssim_weight) * (image - target).abs().mean() + ssim_weight * (1 - ssim(image, target))
    if min(image.shape[:2]) < WINDOW:
        raise InputError(f"SSIM needs images of at least {WINDOW}x{WINDOW} pixels; these are {tuple(image.shape[:2])}.")
    loss: Tensor = _PhotometricLoss.apply(image, target, ssim_weight)  # type: ignore[no-untyped-call]
    return loss


class _PhotometricLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, image: Tensor, target: Tensor, ssim_weight: float) -> Tensor:  # type: ignore[override]
        height, width, channels = image.shape
        places = channels * (height - MARGIN) * (width - MARGIN)
        across = -(-width // LANES) * LANES
        x, y, gradient = torch.zeros(3, channels, height, across + LANES)
        x[:, :, :width], y[:, :, :width] = image.detach().permute(2, 0, 1), target.detach().permute(2, 0, 1)
        derivatives = torch.zeros(3, channels, height + MARGIN, across + 2 * LANES)
        similarities, distances = np.empty(channels * (height - MARGIN)), np.empty(channels * height)
        given = (x.numpy(), y.numpy(), gaussian_window().numpy())
        scale = np.float32(ssim_weight / places)
        run(_similarity, even_parts(len(similarities)), *given, width, scale, similarities, derivatives.numpy())
        scale = np.float32((1 - ssim_weight) / image.numel())
        run(_slope, even_parts(len(distances)), *given, derivatives.numpy(), scale, distances, gradient.numpy())
        ctx.save_for_backward(gradient[:, :, :width].permute(1, 2, 0))
        l1, similarity = distances.sum() / image.numel(), similarities.sum() / places
        return image.new_tensor((1 - ssim_weight) * l1 + ssim_weight * (1 - similarity))

    @staticmethod
    def backward(ctx, grad_loss: Tensor):  # type: ignore[override]
        (gradient,) = ctx.saved_tensors
        return grad_loss * gradient, None, None


# The kernels below process rows of zero-padded planes, sixteen pixels at a time; row numbers continue across channels.
# The window is symmetric, so the transpose of a blur is a blur of the zero-padded input.


@numba.njit(error_model="numpy")
def _along(columns, at, window):
    """Apply the window along a row of sums, at sixteen positions starting at `at`."""
    blurred = fill(_ZERO)
    for k in range(WINDOW):
        blurred = blurred + window[k] * load(columns, at + k)
    return blurred


@kernel
def _similarity(first, last, x, y, window, width, scale, similarities, derivatives):
    """SSIM, summed over each row of positions first..last, and `-scale` times its derivatives.

    The derivatives are with respect to the blurred x, x^2 and x y; `derivatives` (3, C, H + 10, ...) has a margin of
    ten rows and columns.
    """
    stride, rows = x.shape[2], x.shape[1] - MARGIN
    places = width - MARGIN
    xs, ys = x.reshape(-1), y.reshape(-1)
    by_mean, by_square, by_product = derivatives[0].reshape(-1), derivatives[1].reshape(-1), derivatives[2].reshape(-1)
    sum_x, sum_y, sum_xx = workspace(stride), workspace(stride), workspace(stride)
    sum_yy, sum_xy = workspace(stride), workspace(stride)
    lane = load(_LANE_NUMBERS, 0)
    for n in range(first, last):
        c, i = n // rows, n % rows
        top = (c * x.shape[1] + i) * stride
        for j in range(0, stride, LANES):
            s_x, s_y, s_xx, s_yy, s_xy = fill(_ZERO), fill(_ZERO), fill(_ZERO), fill(_ZERO), fill(_ZERO)
            for k in range(WINDOW):
                a, b = load(xs, top + k * stride + j), load(ys, top + k * stride + j)
                wa, wb = window[k] * a, window[k] * b
                s_x, s_y = s_x + wa, s_y + wb
                s_xx, s_yy, s_xy = s_xx + wa * a, s_yy + wb * b, s_xy + wa * b
            store(sum_x, j, s_x)
            store(sum_y, j, s_y)
            store(sum_xx, j, s_xx)
            store(sum_yy, j, s_yy)
            store(sum_xy, j, s_xy)
        summed = 0.0
        into = (c * derivatives.shape[2] + i + MARGIN) * derivatives.shape[3] + MARGIN
        for j in range(0, places, LANES):
            u, v = _along(sum_x, j, window), _along(sum_y, j, window)
            xx, yy, xy = _along(sum_xx, j, window), _along(sum_yy, j, window), _along(sum_xy, j, window)
            A1 = _TWO * (u * v) + _C1
            A2 = _TWO * (xy - u * v) + _C2
            B1 = u * u + v * v + _C1
            B2 = (xx - u * u) + (yy - v * v) + _C2
            inside = lane < np.float32(places - j)
            inverse = where(inside, _ONE / (B1 * B2), _ZERO)
            s = A1 * A2 * inverse
            summed += total(s)
            slope = _TWO * (u * s * (B2 - B1) - v * (A2 - A1)) * inverse
            store(by_mean, into + j, scale * slope)
            store(by_square, into + j, scale * s * (B1 * inverse))
            store(by_product, into + j, -scale * _TWO * A1 * inverse)
        similarities[n] = summed


@kernel
def _slope(first, last, x, y, window, derivatives, scale, distances, gradient):
    """Gradient of the loss in pixel rows first..last, and the sum of |x - y| of each row."""
    stride, deep = x.shape[2], derivatives.shape[3]
    xs, ys, gradients = x.reshape(-1), y.reshape(-1), gradient.reshape(-1)
    by_mean, by_square, by_product = derivatives[0].reshape(-1), derivatives[1].reshape(-1), derivatives[2].reshape(-1)
    sum_mean, sum_square, sum_product = workspace(deep), workspace(deep), workspace(deep)
    for n in range(first, last):
        c, i = n // x.shape[1], n % x.shape[1]
        top = (c * derivatives.shape[2] + i) * deep
        for j in range(0, deep, LANES):
            s_mean, s_square, s_product = fill(_ZERO), fill(_ZERO), fill(_ZERO)
            for k in range(WINDOW):
                w, at = window[k], top + k * deep + j
                s_mean = s_mean + w * load(by_mean, at)
                s_square = s_square + w * load(by_square, at)
                s_product = s_product + w * load(by_product, at)
            store(sum_mean, j, s_mean)
            store(sum_square, j, s_square)
            store(sum_product, j, s_product)
        distance = 0.0
        for j in range(0, stride - LANES, LANES):
            a, b = load(xs, n * stride + j), load(ys, n * stride + j)
            d = a - b
            distance += total(magnitude(d))
            sign = where(d > _ZERO, _ONE, where(d < _ZERO, -_ONE, _ZERO))
            slope = _along(sum_mean, j, window) + b * _along(sum_product, j, window) + scale * sign
            store(gradients, n * stride + j, slope + _TWO * a * _along(sum_square, j, window))
        distances[n] = distance
