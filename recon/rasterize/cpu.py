"""Rasterize on a CPU: projection and compositing, two autograd Functions with `means2d` between them."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recon.rasterize.compositing import Composite
from recon.rasterize.inputs import RasterInputs
from recon.rasterize.projection import RAW_COLORS, Project, Viewpoint


def render(scene: RasterInputs) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Images (C, H, W, X), alphas (C, H, W, 1) and meta, as documented in `recon.rasterize.rasterization`."""
    N, C = len(scene.means), len(scene.viewmats)
    viewmats = scene.viewmats.double()
    eyes = torch.linalg.inv(viewmats)[:, :3, 3]
    means2d, shapes, opacities, colors, depths, radii, camera_ids, gaussian_ids = Project.apply(
        scene.means, scene.quats, scene.scales, scene.opacities, scene.colors, viewmats, eyes, _view(scene)
    )
    if scene.packed:
        camera_starts = np.searchsorted(camera_ids.numpy(), np.arange(C + 1))
        layout: tuple[int, ...] = (len(gaussian_ids),)
    else:
        camera_starts = np.arange(C + 1) * N
        layout = (C, N)
        means2d, radii = means2d.reshape(C, N, 2), radii.reshape(C, N, 2)

    features, backgrounds = _features(scene, colors, depths)
    size = (scene.width, scene.height)
    images, alphas = Composite.apply(
        means2d, shapes, opacities, features, backgrounds, depths.detach(), camera_starts, *size, scene.absgrad
    )
    if scene.render_mode.endswith("ED"):
        expected = images[..., -2:-1] / images[..., -1:].clamp_min(1e-10)
        images = torch.cat([images[..., :-2], expected], -1)

    a, r, k = shapes.detach().unbind(-1)
    meta = {
        "batch_ids": torch.zeros_like(camera_ids) if scene.packed else None,
        "camera_ids": camera_ids if scene.packed else None,
        "gaussian_ids": gaussian_ids if scene.packed else None,
        "radii": radii,
        "means2d": means2d,
        "depths": depths.reshape(layout),
        "conics": torch.stack([a, a * r, k + a * r * r], -1).reshape(*layout, 3),
        "opacities": opacities.reshape(layout),
        "width": scene.width,
        "height": scene.height,
        "tile_size": scene.tile_size,
        "tile_width": -(-scene.width // scene.tile_size),
        "tile_height": -(-scene.height // scene.tile_size),
        "n_batches": 1,
        "n_cameras": C,
    }
    return images, alphas, meta


def _view(scene: RasterInputs) -> Viewpoint:
    return Viewpoint(
        Ks=scene.Ks.detach().double().numpy(),
        width=scene.width,
        height=scene.height,
        near_plane=float(scene.near_plane),
        far_plane=float(scene.far_plane),
        radius_clip=float(scene.radius_clip),
        eps2d=float(scene.eps2d),
        antialiased=scene.rasterize_mode == "antialiased",
        degree=RAW_COLORS if scene.sh_degree is None else scene.sh_degree,
        packed=scene.packed,
    )


def _features(scene: RasterInputs, colors: Tensor, depths: Tensor) -> tuple[Tensor, Tensor | None]:
    """The features to blend (M, X) and their backgrounds: colors, then depth, then 1 for expected depth."""
    channels = [colors] if scene.render_mode.startswith("RGB") else []
    backgrounds = scene.backgrounds if channels else None
    if scene.render_mode != "RGB":
        channels.append(depths[:, None])
    if scene.render_mode.endswith("ED"):
        # It blends to alpha, more precisely than 1 - transmittance, which is too inexact to divide faint depths by.
        channels.append(torch.ones_like(depths)[:, None])
    features = torch.cat(channels, -1)
    if backgrounds is not None:
        backgrounds = torch.nn.functional.pad(backgrounds, (0, features.shape[-1] - backgrounds.shape[-1]))
    return features, backgrounds
