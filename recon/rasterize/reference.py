"""Reference implementation of the rasterizer in plain torch: short, slow, for any float dtype.

Everything is differentiable by autograd. The fast CPU rasterizer is tested against this module and uses its constants.
Pixel centers are at +0.5. A splat's opacity at a pixel is alpha = min(0.999, o exp(-sigma)); values below 1/255 are
skipped. A pixel is finished before its transmittance falls to 1e-4 (Kerbl et al., "3D Gaussian Splatting", 2023,
section 6 and appendix C; gsplat 1.5.3).
"""

from typing import Any

import torch
from torch import Tensor

ALPHA_MIN = 1.0 / 255.0
ALPHA_MAX = 0.999
TRANSMITTANCE_MIN = 1e-4
EXTENT_SIGMAS = 3.33  # a splat of opacity 1 reaches alpha = 1/255 at 3.33 standard deviations
FIELD_MARGIN = 0.3  # the projection is linearized at most this far (in half images) outside the image


def rotation_matrices(quats: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of quaternions (..., 4), wxyz, of any length."""
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], -1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], -1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], -1),
    ]
    return torch.stack(rows, -2)


def spherical_harmonics(degree: int, directions: Tensor, coefficients: Tensor) -> Tensor:
    """Real spherical harmonics up to degree 4 (Sloan, "Efficient Spherical Harmonic Evaluation", JCGT 2013).

    Args:
        degree: 0 to 4; the first (degree + 1)**2 coefficients are used.
        directions: (..., 3), of any length.
        coefficients: (..., K, 3).

    Returns:
        (..., 3).
    """
    x, y, z = torch.nn.functional.normalize(directions, dim=-1).unbind(-1)
    basis = [torch.full_like(x, 0.28209479177387814)]
    if degree >= 1:
        basis += [-0.4886025119029199 * y, 0.4886025119029199 * z, -0.4886025119029199 * x]
    if degree >= 2:
        basis += [
            1.0925484305920792 * x * y,
            -1.0925484305920792 * y * z,
            0.31539156525252005 * (3 * z * z - 1),
            -1.0925484305920792 * x * z,
            0.5462742152960396 * (x * x - y * y),
        ]
    if degree >= 3:
        basis += [
            -0.5900435899266435 * y * (3 * x * x - y * y),
            2.890611442640554 * x * y * z,
            -0.4570457994644658 * y * (5 * z * z - 1),
            0.3731763325901154 * z * (5 * z * z - 3),
            -0.4570457994644658 * x * (5 * z * z - 1),
            1.445305721320277 * z * (x * x - y * y),
            -0.5900435899266435 * x * (x * x - 3 * y * y),
        ]
    if degree >= 4:
        basis += [
            2.5033429417967046 * x * y * (x * x - y * y),
            -1.7701307697799304 * y * z * (3 * x * x - y * y),
            0.9461746957575601 * x * y * (7 * z * z - 1),
            -0.6690465435572892 * y * z * (7 * z * z - 3),
            0.10578554691520431 * (35 * z**4 - 30 * z * z + 3),
            -0.6690465435572892 * x * z * (7 * z * z - 3),
            0.47308734787878004 * (x * x - y * y) * (7 * z * z - 1),
            -1.7701307697799304 * x * z * (x * x - 3 * y * y),
            0.6258357354491761 * (x * x * (x * x - 3 * y * y) - y * y * (3 * x * x - y * y)),
        ]
    return (torch.stack(basis, -1)[..., None] * coefficients[..., : len(basis), :]).sum(-2)


def project(
    means: Tensor, quats: Tensor, scales: Tensor, viewmats: Tensor, Ks: Tensor, width: int, height: int, eps2d: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Project Gaussians into cameras (Zwicker et al., "EWA Splatting", 2002).

    Args:
        means: (N, 3), world.
        quats: (N, 4) w, x, y, z.
        scales: (N, 3).
        viewmats: (C, 4, 4), world to camera.
        Ks: (C, 3, 3), pixels.
        width, height: image size in pixels.
        eps2d: added to both variances in the image, square pixels.

    Returns:
        Centers (C, N, 2) in pixels, depths (C, N), covariances (C, N, 2, 2) in square pixels, and the opacity factor
        (C, N) that compensates for the blur of `eps2d` (Yu et al., "Mip-Splatting", 2024).
    """
    rotation, translation = viewmats[:, None, :3, :3], viewmats[:, None, :3, 3]
    x, y, z = ((rotation @ means[:, :, None])[..., 0] + translation).unbind(-1)
    z = torch.where(z > 0, z, torch.ones_like(z))  # Gaussians behind are culled; this keeps gradients finite
    fx, fy, cx, cy = (Ks[:, None, i, j] for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))

    margin_x, margin_y = FIELD_MARGIN * 0.5 * width / fx, FIELD_MARGIN * 0.5 * height / fy
    slope_x = torch.minimum(torch.maximum(x / z, -cx / fx - margin_x), (width - cx) / fx + margin_x)
    slope_y = torch.minimum(torch.maximum(y / z, -cy / fy - margin_y), (height - cy) / fy + margin_y)
    zero = torch.zeros_like(z)
    jacobian = torch.stack(
        [torch.stack([fx / z, zero, -fx * slope_x / z], -1), torch.stack([zero, fy / z, -fy * slope_y / z], -1)], -2
    )
    half = jacobian @ rotation @ (rotation_matrices(quats) * scales[:, None, :])
    sharp = half @ half.transpose(-1, -2)
    covariances = sharp + eps2d * torch.eye(2, dtype=means.dtype)
    opacity_factor = (torch.linalg.det(sharp) / torch.linalg.det(covariances)).clamp_min(1e-12).sqrt()
    centers = torch.stack([fx * x / z + cx, fy * y / z + cy], -1)
    depths = (rotation @ means[:, :, None])[..., 2, 0] + translation[..., 2]
    return centers, depths, covariances, opacity_factor


def composite(
    centers: Tensor, covariances: Tensor, opacities: Tensor, features: Tensor, pixels: Tensor
) -> tuple[Tensor, Tensor]:
    """Blend splats, sorted front to back, at some pixels.

    Args:
        centers: (G, 2).
        covariances: (G, 2, 2).
        opacities: (G,).
        features: (G, D).
        pixels: (P, 2), the pixels' centers.

    Returns:
        (P, D) features and (P,) alphas.
    """
    offset = pixels[None] - centers[:, None]
    sigma = 0.5 * torch.einsum("gpi,gij,gpj->gp", offset, torch.linalg.inv(covariances), offset)
    alpha = (opacities[:, None] * torch.exp(-sigma)).clamp_max(ALPHA_MAX)
    alpha = torch.where((sigma >= 0) & (alpha >= ALPHA_MIN), alpha, torch.zeros_like(alpha))
    after = torch.cumprod(1 - alpha, 0)
    before = torch.cat([torch.ones_like(after[:1]), after[:-1]])
    weights = torch.where(after > TRANSMITTANCE_MIN, alpha * before, torch.zeros_like(alpha))
    return torch.einsum("gp,gd->pd", weights, features), weights.sum(0)


def rasterization(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    near_plane: float = 0.01,
    far_plane: float = 1e10,
    radius_clip: float = 0.0,
    eps2d: float = 0.3,
    sh_degree: int | None = None,
    backgrounds: Tensor | None = None,
    render_mode: str = "RGB",
    rasterize_mode: str = "classic",
    block: int = 16,
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Render Gaussians; arguments and results as in `recon.rasterize.rasterization`.

    `block` is the side, in pixels, of the squares that are blended at once; it affects memory, not the result.
    """
    centers, depths, covariances, opacity_factor = project(means, quats, scales, viewmats, Ks, width, height, eps2d)
    shown = opacities * opacity_factor if rasterize_mode == "antialiased" else opacities.expand(depths.shape)

    if sh_degree is None:
        features = colors.expand(*depths.shape, colors.shape[-1])
    else:
        directions = means - torch.linalg.inv(viewmats)[:, None, :3, 3]
        features = (spherical_harmonics(sh_degree, directions, colors) + 0.5).clamp_min(0)
    if render_mode in ("D", "ED"):
        features = depths[..., None]
    elif render_mode in ("RGB+D", "RGB+ED"):
        features = torch.cat([features, depths[..., None]], -1)

    with torch.no_grad():
        reach = (2 * (shown / ALPHA_MIN).clamp_min(1).log()).sqrt().clamp_max(EXTENT_SIGMAS)
        radii = torch.ceil(reach[..., None] * covariances.diagonal(dim1=-2, dim2=-1).sqrt())
        size = torch.tensor([width, height])
        visible = (depths >= near_plane) & (depths <= far_plane) & (shown >= ALPHA_MIN) & (radii > radius_clip).any(-1)
        visible &= (radii > 0).all(-1) & ((centers + radii > 0) & (centers - radii < size)).all(-1)
        radii = torch.where(visible[..., None], radii, torch.zeros_like(radii))

    images, alpha_images = [], []
    for camera in range(len(viewmats)):
        index = torch.nonzero(visible[camera])[:, 0]
        index = index[torch.argsort(depths[camera, index], stable=True)]
        mean, radius = centers[camera, index], radii[camera, index]
        image = torch.zeros(height, width, features.shape[-1], dtype=means.dtype)
        alpha = torch.zeros(height, width, 1, dtype=means.dtype)
        for top in range(0, height, block):
            for left in range(0, width, block):
                bottom, right = min(top + block, height), min(left + block, width)
                low, high = torch.tensor([left, top]), torch.tensor([right, bottom])
                inside = index[((mean + radius > low) & (mean - radius < high)).all(-1)]
                y, x = torch.meshgrid(torch.arange(top, bottom), torch.arange(left, right), indexing="ij")
                pixels = torch.stack([x, y], -1).reshape(-1, 2).to(means.dtype) + 0.5
                drawn = [t[camera, inside] for t in (centers, covariances, shown, features)]
                feature, opacity = composite(drawn[0], drawn[1], drawn[2], drawn[3], pixels)
                image[top:bottom, left:right] = feature.reshape(bottom - top, right - left, -1)
                alpha[top:bottom, left:right] = opacity.reshape(bottom - top, right - left, 1)
        images.append(image)
        alpha_images.append(alpha)
    rendered, alphas = torch.stack(images), torch.stack(alpha_images)

    if backgrounds is not None and render_mode not in ("D", "ED"):
        background = torch.nn.functional.pad(backgrounds, (0, features.shape[-1] - backgrounds.shape[-1]))
        rendered = rendered + background[:, None, None] * (1 - alphas)
    if render_mode in ("ED", "RGB+ED"):
        expected = rendered[..., -1:] / alphas.clamp_min(1e-10)
        rendered = torch.cat([rendered[..., :-1], expected], -1)
    return rendered, alphas, {"means2d": centers, "radii": radii.int(), "depths": depths}
