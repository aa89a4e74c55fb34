"""Differentiable rasterization of Gaussian splats on a GPU or a CPU, with the interface of gsplat.

`rasterization` has the arguments and results of gsplat 1.5; its docstring is the contract. CUDA tensors are passed to
gsplat. CPU tensors become `RasterInputs` (inputs.py), which refuse what the CPU does not support, and are rendered by
Numba kernels (cpu.py: projection, binning, compositing). `reference.py` is the same method in plain torch, for reading
and for tests. `strategies.py` runs gsplat's densification strategies on a CPU.

The kernels are compiled at the first call, which takes about fifteen seconds, and are cached on disk for the next
process; `recon/kernels/compiled.py` describes where.
"""

from typing import Any, Literal

from torch import Tensor

__all__ = ["rasterization"]


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

    On a CPU: float32, no leading batch dimensions except the cameras, pinhole cameras without skew or distortion; other
    options of gsplat raise an error that names them. `tile_size`, `channel_chunk` and `segmented` only tune gsplat's
    kernels and have no effect here. The result is differentiable with respect to means, quats, scales, opacities,
    colors, backgrounds and viewmats. Results are deterministic and bitwise equal for any number of threads.

    Args:
        means: (N, 3), world.
        quats: (N, 4), w x y z, of any length.
        scales: (N, 3), standard deviations along the Gaussian's axes.
        opacities: (N,), in [0, 1].
        colors: (N, D) or (C, N, D) colors; with `sh_degree`, coefficients (N, K, 3) or (C, N, K, 3).
        viewmats: (C, 4, 4), world to camera, x right, y down, z forward.
        Ks: (C, 3, 3), pixels; pixel centers are at +0.5.
        width: image width in pixels.
        height: image height in pixels.
        near_plane: smallest z-depth that is drawn.
        far_plane: largest z-depth that is drawn.
        radius_clip: splats of this radius or less, in pixels, are not drawn.
        eps2d: added to the variances in the image, square pixels.
        sh_degree: degree of the spherical harmonics, 0 to 4 (the color is their sum + 0.5, at least 0), or None.
        packed: whether meta lists only the visible splats (M, ...) or all (C, N, ...).
        tile_size: CUDA only.
        backgrounds: (C, D), or None for black.
        render_mode: colors, accumulated depth D, expected depth ED, or colors and depth, with the depth last.
        sparse_grad: CUDA only.
        absgrad: whether backward sets absolute gradients as `meta["means2d"].absgrad`.
        rasterize_mode: "antialiased" reduces opacities to compensate for the blur of `eps2d`.
        channel_chunk: CUDA only.
        distributed: CUDA only.
        camera_model: "pinhole"; others CUDA only.
        segmented: CUDA only.
        covars: CUDA only.
        with_ut: CUDA only.
        with_eval3d: CUDA only.
        **distortion: gsplat's distortion and rolling shutter arguments, CUDA only.

    Returns:
        Images (C, H, W, X), alphas (C, H, W, 1) and meta. On a CPU meta holds what gsplat's strategies read and more:
        `means2d` (not a leaf: `retain_grad` works), `radii` (int32, two per splat, 0: not visible), `depths`,
        `opacities`, `conics` (detached), `batch_ids`, `camera_ids` and `gaussian_ids` (None unless packed), `width`,
        `height`, `n_batches`, `n_cameras`; gsplat's lists of tile intersections are left out.

    Raises:
        InputError: an argument that is not supported on a CPU, or a wrong shape or type.
    """
    arguments = dict(locals())
    arguments |= arguments.pop("distortion")
    if means.is_cuda:
        from gsplat import rasterization as on_cuda

        return on_cuda(**arguments)

    from recon.rasterize.cpu import render
    from recon.rasterize.inputs import RasterInputs

    return render(RasterInputs.of(arguments))
