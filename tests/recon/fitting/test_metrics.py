import numpy as np
import pytest
import torch

from recon.fitting.metrics import gaussian_window, photometric_loss, psnr, ssim
from trajectories.errors import InputError


def images(height=23, width=31, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(height, width, 3, generator=generator)
    noise = 0.1 * torch.randn(height, width, 3, generator=generator)
    return x, (x + noise).clamp(0, 1)


def test_psnr_by_hand():
    assert psnr(torch.full((4, 4, 3), 0.6), torch.full((4, 4, 3), 0.5)).item() == pytest.approx(20.0, abs=1e-4)


def test_ssim_of_equal_images_is_one():
    x, _ = images()
    assert ssim(x, x).item() == pytest.approx(1.0, abs=1e-6)


def test_ssim_of_flat_images_by_hand():
    # No variance: (2ab + C1) / (a^2 + b^2 + C1).
    value = ssim(torch.full((12, 12, 3), 0.2), torch.full((12, 12, 3), 0.6)).item()
    assert value == pytest.approx((2 * 0.12 + 1e-4) / (0.04 + 0.36 + 1e-4), abs=2e-4)


def test_ssim_against_a_direct_sum():
    x, y = images(13, 12)
    window = np.outer(gaussian_window().numpy(), gaussian_window().numpy()).astype(np.float64)
    values = []
    for i in range(3):
        for j in range(2):
            for c in range(3):
                a, b = (t[i : i + 11, j : j + 11, c].double().numpy() for t in (x, y))
                ma, mb = (window * a).sum(), (window * b).sum()
                va, vb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
                cov = (window * (a - ma) * (b - mb)).sum()
                values.append((2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4)))
    assert ssim(x, y).item() == pytest.approx(np.mean(values), abs=1e-5)


@pytest.mark.parametrize("size", [(23, 31), (11, 11), (12, 26), (40, 27), (14, 64)])
@pytest.mark.parametrize("weight", [0.0, 0.2, 1.0])
def test_fused_loss_agrees_with_plain_torch(weight, size):
    x, y = images(*size)
    x.requires_grad_()
    fused = photometric_loss(x, y, weight)
    plain = (1 - weight) * (x - y).abs().mean() + weight * (1 - ssim(x, y))
    torch.testing.assert_close(fused, plain, atol=1e-6, rtol=1e-5)
    (got,), (expected,) = (torch.autograd.grad(3.0 * loss, x) for loss in (fused, plain))
    torch.testing.assert_close(got, expected, atol=1e-5 * float(expected.abs().max()), rtol=1e-4)


def test_fused_loss_has_the_same_bits_on_any_number_of_threads():
    x, y = images(60, 45)
    x.requires_grad_()
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 1, 2, 3):
            torch.set_num_threads(threads)
            loss = photometric_loss(x, y)
            results.append((loss.detach(), *torch.autograd.grad(loss, x)))
    finally:
        torch.set_num_threads(before)
    for loss, gradient in results[1:]:
        assert torch.equal(loss, results[0][0])
        assert torch.equal(gradient, results[0][1])


def test_fused_gradient_is_a_slope():
    x, y = images(14, 15)
    step = 1e-2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1)).sign() * (x - y).abs().gt(0.03)
    slope = (photometric_loss(x + step / 2, y) - photometric_loss(x - step / 2, y)).item()
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(photometric_loss(x, y), x)
    assert slope == pytest.approx((gradient * step).sum().item(), rel=0.05, abs=1e-5)


def test_images_smaller_than_the_window():
    small = torch.zeros(10, 20, 3)
    with pytest.raises(InputError, match="11x11"):
        ssim(small, small)
    with pytest.raises(InputError, match="11x11"):
        photometric_loss(small, small)
