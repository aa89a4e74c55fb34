"""How much two images differ: PSNR and SSIM, and the training loss made of L1 and SSIM.

SSIM is Wang et al. 2004: an 11x11 Gaussian window of sigma 1.5, constants 0.01^2 and 0.03^2, averaged over the places
where the window fits into the image.
"""

from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from trajectories.errors import InputError

WINDOW = 11
SIGMA = 1.5
C1 = 0.01**2
C2 = 0.03**2


def psnr(image: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of images in [0, 1], over all of their pixels together."""
    return -10.0 * torch.log10((image - target).square().mean().clamp_min(1e-12))


def gaussian_window(device: torch.device | str = "cpu") -> Tensor:
    """(11,) the window along one axis; sums to 1."""
    x = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    window = torch.exp(-x.square() / (2 * SIGMA**2))
    return (window / window.sum()).float().to(device)


def ssim(image: Tensor, target: Tensor) -> Tensor:
    """Mean structural similarity; differentiable, in plain torch.

    Args:
        image, target: (..., H, W, 3) in [0, 1], H and W at least 11.

    Raises:
        InputError: images smaller than the window.
    """
    height, width = image.shape[-3:-1]
    if min(height, width) < WINDOW:
        raise InputError(f"SSIM needs images of at least {WINDOW}x{WINDOW} pixels; these are {width}x{height}.")
    x, y = (t.reshape(-1, height, width, 3).permute(0, 3, 1, 2).reshape(-1, 1, height, width) for t in (image, target))
    window = gaussian_window(image.device).to(image.dtype)

    def blur(t: Tensor) -> Tensor:
        t = torch.nn.functional.conv2d(t, window.view(1, 1, -1, 1))
        return torch.nn.functional.conv2d(t, window.view(1, 1, 1, -1))

    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    cov = blur(x * y) - mean_x * mean_y
    similar = (2 * mean_x * mean_y + C1) * (2 * cov + C2)
    return (similar / ((mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2))).mean()


def photometric_loss(image: Tensor, target: Tensor, ssim_weight: float = 0.2) -> Tensor:
    """(1 - w) L1 + w (1 - SSIM), the loss of Kerbl et al. 2023, equation 7.

    On a CPU, value and gradient come from one pass in Numba; `ssim` above is its reference.

    Args:
        image: (H, W, 3); its gradient is computed.
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
        x, y = (t.detach().permute(2, 0, 1).contiguous().numpy() for t in (image, target))
        l1, similarity, gradient = _l1_and_ssim(x, y, gaussian_window().numpy(), np.float32(ssim_weight))
        ctx.save_for_backward(torch.from_numpy(gradient))
        return image.new_tensor((1 - ssim_weight) * l1 + ssim_weight * (1 - similarity))

    @staticmethod
    def backward(ctx, grad_loss: Tensor):  # type: ignore[override]
        (gradient,) = ctx.saved_tensors
        return grad_loss * gradient.permute(1, 2, 0), None, None


@numba.njit(cache=True, fastmath={"reassoc", "contract"})
def _blur(source, rows, result, window):
    """Valid separable convolution: (H, W) -> (H-10, W-10) through `rows` (H-10, W)."""
    n = len(window)
    for i in range(result.shape[0]):
        for j in range(source.shape[1]):
            rows[i, j] = np.float32(0.0)
        for k in range(n):
            w = window[k]
            for j in range(source.shape[1]):
                rows[i, j] += w * source[i + k, j]
        for j in range(result.shape[1]):
            result[i, j] = np.float32(0.0)
        for k in range(n):
            w = window[k]
            for j in range(result.shape[1]):
                result[i, j] += w * rows[i, j + k]


@numba.njit(cache=True, fastmath={"reassoc", "contract"})
def _spread(source, rows, result, window):
    """The transpose of `_blur`: (H-10, W-10) -> (H, W)."""
    n = len(window)
    result[:] = np.float32(0.0)
    for i in range(source.shape[0]):
        for j in range(result.shape[1]):
            rows[i, j] = np.float32(0.0)
        for k in range(n):
            w = window[k]
            for j in range(source.shape[1]):
                rows[i, j + k] += w * source[i, j]
        for k in range(n):
            w = window[k]
            for j in range(result.shape[1]):
                result[i + k, j] += w * rows[i, j]


@numba.njit(cache=True, fastmath={"reassoc", "contract"})
def _l1_and_ssim(x, y, window, ssim_weight):
    """L1 and SSIM of (C, H, W) float32 images, and the gradient of the weighted loss with respect to x."""
    C, H, W = x.shape
    h, w = H - len(window) + 1, W - len(window) + 1
    rows = np.empty((h, W), np.float32)
    product = np.empty((H, W), np.float32)
    blurred = np.empty((5, h, w), np.float32)
    mx, my, xx, yy, xy = blurred[0], blurred[1], blurred[2], blurred[3], blurred[4]
    spread = np.empty((H, W), np.float32)
    gradient = np.empty_like(x)
    c1, c2 = np.float32(C1), np.float32(C2)
    one, two = np.float32(1.0), np.float32(2.0)
    per_place = ssim_weight / np.float32(C * h * w)
    per_pixel = (one - ssim_weight) / np.float32(C * H * W)
    l1, similarity = 0.0, 0.0
    for c in range(C):
        a, b = x[c], y[c]
        _blur(a, rows, mx, window)
        _blur(b, rows, my, window)
        product[:] = a * a
        _blur(product, rows, xx, window)
        product[:] = b * b
        _blur(product, rows, yy, window)
        product[:] = a * b
        _blur(product, rows, xy, window)
        for i in range(h):
            total = np.float32(0.0)
            for j in range(w):
                u, v = mx[i, j], my[i, j]
                A1 = two * u * v + c1
                A2 = two * (xy[i, j] - u * v) + c2
                B1 = u * u + v * v + c1
                B2 = xx[i, j] + yy[i, j] - u * u - v * v + c2
                inverse = one / (B1 * B2)
                s = A1 * A2 * inverse
                total += s
                # Derivatives of -s with respect to the blurred x, x^2 and x y; they take the places of those.
                mx[i, j] = -per_place * (two * v * (A2 - A1) - two * u * s * (B2 - B1)) * inverse
                xx[i, j] = per_place * s / B2
                xy[i, j] = -per_place * two * A1 * inverse
            similarity += float(total)
        _spread(mx, rows, spread, window)
        g = gradient[c]
        g[:] = spread
        _spread(xx, rows, spread, window)
        g += two * a * spread
        _spread(xy, rows, spread, window)
        g += b * spread
        for i in range(H):
            total = np.float32(0.0)
            for j in range(W):
                difference = a[i, j] - b[i, j]
                total += abs(difference)
                g[i, j] += per_pixel * np.sign(difference)
            l1 += float(total)
    return l1 / (C * H * W), similarity / (C * h * w), gradient
