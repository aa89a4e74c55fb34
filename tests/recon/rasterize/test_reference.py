"""The plain torch reference against values by hand, and its gradients against finite differences."""

import math

import numpy as np
import pytest
import torch
from gsplat.cuda._torch_impl import _spherical_harmonics as gsplat_spherical_harmonics

from recon.rasterize import reference


def one_splat(opacity, **options):
    """A round Gaussian of standard deviation 0.1 at depth 2, seen at the middle of the pixel (2, 1) of a 4x3 image."""
    return reference.rasterization(
        means=torch.tensor([[0.0, 0.0, 2.0]], dtype=torch.float64),
        quats=torch.tensor([[2.0, 0.0, 0.0, 0.0]], dtype=torch.float64),
        scales=torch.full((1, 3), 0.1, dtype=torch.float64),
        opacities=torch.tensor([opacity], dtype=torch.float64),
        colors=torch.tensor([[0.25, 0.5, 1.0]], dtype=torch.float64),
        viewmats=torch.eye(4, dtype=torch.float64)[None],
        Ks=torch.tensor([[[10.0, 0.0, 2.5], [0.0, 10.0, 1.5], [0.0, 0.0, 1.0]]], dtype=torch.float64),
        width=4,
        height=3,
        **options,
    )


def test_one_gaussian_by_hand():
    background = torch.tensor([[1.0, 1.0, 1.0]], dtype=torch.float64)
    image, alpha, _ = one_splat(0.5, backgrounds=background)
    # 10 pixels / 2 m * 0.1 m = 0.5 pixels; the blur adds 0.3 to the variance 0.25.
    beside = 0.5 * math.exp(-0.5 / 0.55)
    assert alpha[0, 1, 2, 0].item() == pytest.approx(0.5, abs=1e-12)
    assert alpha[0, 1, 1, 0].item() == pytest.approx(beside, abs=1e-12)
    assert alpha[0, 0, 2, 0].item() == pytest.approx(beside, abs=1e-12)
    assert image[0, 1, 2].tolist() == pytest.approx([0.625, 0.75, 1.0], abs=1e-12)
    assert alpha[0, 1, 0, 0].item() == pytest.approx(0.5 * math.exp(-2 / 0.55), abs=1e-12)


def test_what_is_fainter_than_one_in_255_is_not_drawn():
    _, alpha, _ = one_splat(1.02 / 255)
    assert torch.count_nonzero(alpha) == 1
    assert torch.count_nonzero(one_splat(0.98 / 255)[1]) == 0


def test_antialiasing_dims_by_the_root_of_the_ratio_of_areas():
    _, alpha, _ = one_splat(0.5, rasterize_mode="antialiased")
    assert alpha[0, 1, 2, 0].item() == pytest.approx(0.5 * 0.25 / 0.55, abs=1e-12)


def test_depths():
    summed, _, _ = one_splat(0.5, render_mode="D")
    both, _, _ = one_splat(0.5, render_mode="RGB+ED")
    assert summed[0, 1, 2].tolist() == pytest.approx([1.0], abs=1e-12)
    assert both[0, 1, 2].tolist() == pytest.approx([0.125, 0.25, 0.5, 2.0], abs=1e-12)


def test_a_pixel_ends_before_its_transmittance_falls_to_one_in_ten_thousand():
    pixel = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    covariances = torch.eye(2, dtype=torch.float64).repeat(4, 1, 1)
    features = torch.eye(4, dtype=torch.float64)
    opacities = torch.tensor([1.0, 0.8, 0.6, 0.5], dtype=torch.float64)
    feature, covered = reference.composite(pixel.repeat(4, 1), covariances, opacities, features, pixel)
    # 0.001, then 0.0002, then 0.00008: neither the third nor any splat behind it is drawn.
    assert feature[0].tolist() == pytest.approx([0.999, 0.0008, 0.0, 0.0], abs=1e-15)
    assert covered.item() == pytest.approx(0.9998, abs=1e-15)


def test_spherical_harmonics_are_orthonormal():
    """Checked with a quadrature that is exact for their products: Gauss-Legendre in z, even steps in azimuth."""
    heights, weights = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(8))
    z, azimuth = torch.meshgrid(heights, torch.arange(16.0, dtype=heights.dtype) * (2 * math.pi / 16), indexing="ij")
    radius = (1 - z**2).sqrt()
    directions = torch.stack([radius * azimuth.cos(), radius * azimuth.sin(), z], -1).reshape(-1, 3)
    area = (weights[:, None] * torch.ones(16) * (2 * math.pi / 16)).reshape(-1)
    identity = torch.eye(25, dtype=torch.float64)
    values = torch.stack([reference.spherical_harmonics(4, directions, row[:, None])[:, 0] for row in identity])
    assert torch.allclose((values * area) @ values.T, identity, atol=1e-12)


@pytest.mark.parametrize("degree", range(5))
def test_spherical_harmonics_agree_with_gsplat(degree):
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(2, 50, 3, dtype=torch.float64, generator=generator)
    coefficients = torch.randn(2, 50, 25, 3, dtype=torch.float64, generator=generator)
    ours = reference.spherical_harmonics(degree, directions, coefficients)
    # gsplat writes its constants with 13 to 16 digits.
    assert torch.allclose(ours, gsplat_spherical_harmonics(degree, directions, coefficients), atol=1e-11)


@pytest.mark.slow
def test_spherical_harmonics_by_finite_differences():
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(3, 3, dtype=torch.float64, generator=generator).requires_grad_()
    coefficients = torch.randn(3, 25, 3, dtype=torch.float64, generator=generator).requires_grad_()
    assert torch.autograd.gradcheck(lambda d, k: reference.spherical_harmonics(4, d, k), (directions, coefficients))


@pytest.mark.slow
def test_gradients_by_finite_differences(make_scene):
    scene = make_scene(count=3, cameras=1, width=4, height=3, seed=2)
    scene = scene.with_(means=scene.means * 0.2 + torch.tensor([0.0, 0.0, 2.0]), opacities=scene.opacities * 0.5 + 0.3)
    names = ("means", "quats", "scales", "opacities", "colors", "viewmats", "backgrounds")
    scene = scene.with_(colors=scene.colors[:, :4])
    inputs = [getattr(scene, n).double().requires_grad_() for n in names]

    def rasterize(means, quats, scales, opacities, colors, viewmats, backgrounds):
        parameters = (means, quats, scales, opacities, colors, viewmats, scene.Ks.double(), 4, 3)
        images, alphas, _ = reference.rasterization(
            *parameters, sh_degree=1, backgrounds=backgrounds, render_mode="RGB+D", rasterize_mode="antialiased"
        )
        return images, alphas

    assert torch.autograd.gradcheck(rasterize, inputs)
