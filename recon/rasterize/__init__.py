"""Gaussian splats to images, differentiable, on a GPU or on a CPU, behind gsplat's own function.

`rasterization` takes gsplat 1.5's arguments and gives its results. Tensors on CUDA go to gsplat; tensors on a CPU go to
the Numba kernels of this package. `reference.py` is the same in plain torch, for reading and for tests;
`strategies.py` makes gsplat's densification run on a CPU.
"""

from typing import Any, Literal

import torch
from torch import Tensor

from trajectories.errors import InputError

__all__ = ["rasterization"]

RENDER_MODES = ("RGB", "D", "ED", "RGB+D", "RGB+ED")


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
    packed: bool = True,
    tile_size: int = 16,
    backgrounds: Tensor | None = None,
    render_mode: Literal["RGB", "D", "ED", "RGB+D", "RGB+ED"] = "RGB",
    sparse_grad: bool = False,
    absgrad: bool = False,
    rasterize_mode: Literal["classic", "antialiased"] = "classic",
    channel_chunk: int = 32,
    distributed: bool = False,
    camera_model: Literal["pinhole", "ortho", "fisheye", "ftheta"] = "pinhole",
    segmented: bool = False,
    covars: Tensor | None = None,
    with_ut: bool = False,
    with_eval3d: bool = False,
    **distortion: Any,
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Render N Gaussians into C pinhole cameras (gsplat 1.5.3, `gsplat.rasterization`).

    On a CPU: float32, no leading batch dimensions beyond the cameras, pinhole without skew or distortion, degrees up to
    3; anything else that gsplat offers is refused by name. `tile_size`, `channel_chunk` and `segmented` only tune
    gsplat's kernels and change nothing here. Gradients reach means, quats, scales, opacities, colors, backgrounds and
    viewmats. The same input gives the same bits, on any number of threads.

    Args:
        means: (N, 3), world.
        quats: (N, 4), w x y z, of any length.
        scales: (N, 3), standard deviations along the Gaussian's axes.
        opacities: (N,), in [0, 1].
        colors: (N, D) or (C, N, D) as they are shown; with `sh_degree`, coefficients (N, K, 3) or (C, N, K, 3).
        viewmats: (C, 4, 4), world to camera, x right, y down, z forward.
        Ks: (C, 3, 3), pixels; pixel centres lie at +0.5.
        width: of the images, pixels.
        height: of the images, pixels.
        near_plane: what is nearer is not drawn.
        far_plane: what is farther is not drawn.
        radius_clip: splats of this radius or less, in pixels, are not drawn.
        eps2d: added to the variances on the image, square pixels.
        sh_degree: of the spherical harmonics to use (the colour is their sum + 0.5, at least 0), or None.
        packed: whether meta lists only the splats that are seen (M, ...) or all (C, N, ...).
        tile_size: for gsplat alone.
        backgrounds: (C, D), or None for black.
        render_mode: colours, summed depth D, expected depth ED, or both, depth last.
        sparse_grad: for gsplat alone.
        absgrad: whether backward leaves absolute gradients on `meta["means2d"].absgrad`.
        rasterize_mode: "antialiased" dims splats for the blur of `eps2d`.
        channel_chunk: for gsplat alone.
        distributed: for gsplat alone.
        camera_model: "pinhole"; others for gsplat alone.
        segmented: for gsplat alone.
        covars: for gsplat alone.
        with_ut: for gsplat alone.
        with_eval3d: for gsplat alone.
        **distortion: gsplat's distortion and rolling shutter arguments, for gsplat alone.

    Returns:
        Images (C, H, W, X), alphas (C, H, W, 1) and meta. On a CPU meta holds what gsplat's strategies read and more:
        `means2d` (not a leaf: `retain_grad` works), `radii` (int32, two a splat, 0: not seen), `depths`, `opacities`,
        `conics` (detached), `batch_ids`, `camera_ids` and `gaussian_ids` (None unless packed), `width`, `height`,
        `n_batches`, `n_cameras`; gsplat's lists of tile intersections are left out.

    Raises:
        InputError: for an argument that a CPU does not take, or a shape or type that is wrong.
    """
    if means.is_cuda:
        from gsplat import rasterization as gsplat_rasterization

        arguments = dict(locals())
        for name in ("distortion", "gsplat_rasterization"):
            arguments.pop(name)
        return gsplat_rasterization(**arguments, **distortion)

    for name, given in (
        ("sparse_grad", sparse_grad),
        ("distributed", distributed),
        ("covars", covars is not None),
        ("with_ut", with_ut),
        ("with_eval3d", with_eval3d),
        *((name, value is not None) for name, value in distortion.items()),
    ):
        if given:
            raise InputError(f"{name} is not available for rasterization on a CPU; leave it out or use CUDA tensors.")
    if camera_model != "pinhole":
        raise InputError(f"camera_model {camera_model!r} is not available on a CPU; use 'pinhole' or CUDA tensors.")
    if rasterize_mode not in ("classic", "antialiased"):
        raise InputError(f"rasterize_mode is {rasterize_mode!r}; use 'classic' or 'antialiased'.")
    if render_mode not in RENDER_MODES:
        raise InputError(f"render_mode is {render_mode!r}; use one of {', '.join(RENDER_MODES)}.")
    if not 0 < near_plane < far_plane:
        raise InputError(f"near_plane {near_plane} and far_plane {far_plane} must be 0 < near_plane < far_plane.")
    _check(means, quats, scales, opacities, colors, viewmats, Ks, width, height, sh_degree, backgrounds, render_mode)
    return _on_cpu(
        means,
        quats,
        scales,
        opacities,
        colors,
        viewmats,
        Ks,
        int(width),
        int(height),
        (float(near_plane), float(far_plane), float(radius_clip), float(eps2d)),
        sh_degree,
        packed,
        tile_size,
        backgrounds,
        render_mode,
        absgrad,
        rasterize_mode == "antialiased",
    )


def _check(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    sh_degree: int | None,
    backgrounds: Tensor | None,
    render_mode: str,
) -> None:
    """Refuse shapes and types that the CPU kernels do not take."""
    tensors = {"means": means, "quats": quats, "scales": scales, "opacities": opacities}
    tensors |= {"colors": colors, "viewmats": viewmats, "Ks": Ks}
    if backgrounds is not None:
        tensors["backgrounds"] = backgrounds
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32:
            raise InputError(f"{name} has type {tensor.dtype}; rasterization on a CPU takes float32.")
        if tensor.device.type != "cpu":
            raise InputError(f"{name} is on {tensor.device} while means is on the CPU; move it there.")
    if means.dim() != 2 or means.shape[-1] != 3:
        raise InputError(f"means has shape {tuple(means.shape)}; on a CPU it must be (N, 3).")
    if viewmats.dim() != 3 or viewmats.shape[1:] != (4, 4):
        raise InputError(f"viewmats has shape {tuple(viewmats.shape)}; on a CPU it must be (C, 4, 4).")
    count, cameras = len(means), len(viewmats)
    fixed = [("quats", (count, 4)), ("scales", (count, 3)), ("opacities", (count,)), ("Ks", (cameras, 3, 3))]
    for name, shape in fixed:
        if tuple(tensors[name].shape) != shape:
            raise InputError(f"{name} has shape {tuple(tensors[name].shape)}; it must be {shape}.")
    if width < 1 or height < 1:
        raise InputError(f"the image size {width}x{height} is empty; width and height must be at least 1.")
    if bool((Ks[:, 0, 1] != 0).any()):
        raise InputError("Ks has skew, which rasterization on a CPU does not take; set Ks[:, 0, 1] to 0.")
    if sh_degree is None:
        if tuple(colors.shape[:-1]) not in ((count,), (cameras, count)):
            raise InputError(f"colors has shape {tuple(colors.shape)}; without sh_degree it must be ([C,] N, D).")
        channels = colors.shape[-1]
    else:
        if sh_degree not in range(4):
            raise InputError(f"sh_degree is {sh_degree}; rasterization on a CPU takes None or 0 to 3.")
        if tuple(colors.shape[:-2]) not in ((count,), (cameras, count)) or colors.shape[-1] != 3:
            raise InputError(f"colors has shape {tuple(colors.shape)}; with sh_degree it must be ([C,] N, K, 3).")
        if colors.shape[-2] < (sh_degree + 1) ** 2:
            needed = (sh_degree + 1) ** 2
            raise InputError(f"colors has {colors.shape[-2]} coefficients; sh_degree {sh_degree} needs {needed}.")
        channels = 3
    if backgrounds is not None and render_mode.startswith("RGB") and tuple(backgrounds.shape) != (cameras, channels):
        raise InputError(f"backgrounds has shape {tuple(backgrounds.shape)}; it must be {(cameras, channels)}.")


def _on_cpu(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    clips: tuple[float, float, float, float],
    sh_degree: int | None,
    packed: bool,
    tile_size: int,
    backgrounds: Tensor | None,
    render_mode: str,
    absgrad: bool,
    antialiased: bool,
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Project, then blend: two autograd Functions with `means2d` between them."""
    import numpy as np

    from recon.rasterize.compositing import Composite
    from recon.rasterize.projection import RAW_COLORS, Project, View

    count, cameras = len(means), len(viewmats)
    degree = RAW_COLORS if sh_degree is None else sh_degree
    view = View(Ks.detach().double().numpy(), width, height, *clips, antialiased, degree, packed)
    matrices = viewmats.double()
    eyes = torch.linalg.inv(matrices)[:, :3, 3]
    means2d, shapes, shown, features, depths, radii, camera_ids, gaussian_ids = Project.apply(
        means, quats, scales, opacities, colors, matrices, eyes, view
    )
    if packed:
        starts = np.searchsorted(camera_ids.numpy(), np.arange(cameras + 1))
    else:
        starts = np.arange(cameras + 1) * count
        means2d, radii = means2d.reshape(cameras, count, 2), radii.reshape(cameras, count, 2)

    beyond = backgrounds
    if render_mode in ("D", "ED"):
        features, beyond = depths[:, None], None
    elif render_mode in ("RGB+D", "RGB+ED"):
        features = torch.cat([features, depths[:, None]], -1)
        beyond = None if backgrounds is None else torch.nn.functional.pad(backgrounds, (0, 1))
    images, alphas = Composite.apply(
        means2d, shapes, shown, features, beyond, depths.detach(), starts, width, height, absgrad
    )
    if render_mode in ("ED", "RGB+ED"):
        images = torch.cat([images[..., :-1], images[..., -1:] / alphas.clamp_min(1e-10)], -1)

    a, r, k = shapes.detach().unbind(-1)
    layout = (len(gaussian_ids),) if packed else (cameras, count)
    meta = {
        "batch_ids": torch.zeros_like(camera_ids) if packed else None,
        "camera_ids": camera_ids if packed else None,
        "gaussian_ids": gaussian_ids if packed else None,
        "radii": radii,
        "means2d": means2d,
        "depths": depths.reshape(layout),
        "conics": torch.stack([a, a * r, k + a * r * r], -1).reshape(*layout, 3),
        "opacities": shown.reshape(layout),
        "width": width,
        "height": height,
        "tile_size": tile_size,
        "tile_width": -(-width // tile_size),
        "tile_height": -(-height // tile_size),
        "n_batches": 1,
        "n_cameras": cameras,
    }
    return images, alphas, meta
