"""Gaussian splats to images, differentiable, on a GPU or on a CPU, behind gsplat's own function.

`rasterization` takes gsplat 1.5's arguments and gives its results: its docstring is the contract. Tensors on CUDA go to
gsplat. Tensors on a CPU become `RasterInputs` (inputs.py), which refuse what a CPU does not take, and are rendered by
Numba kernels (cpu.py: projection, binning, compositing). `reference.py` is the same in plain torch, for reading and for
tests; `strategies.py` makes gsplat's densification run on a CPU.

The kernels are compiled at the first call, which takes some fifteen seconds, and are kept for the next process;
`recon/kernels/compiled.py` says where, also for an install that cannot be written.
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

    On a CPU: float32, no leading batch dimensions beyond the cameras, pinhole without skew or distortion; anything else
    that gsplat offers is refused by name. `tile_size`, `channel_chunk` and `segmented` only tune gsplat's kernels and
    change nothing here. Gradients reach means, quats, scales, opacities, colors, backgrounds and viewmats. The same
    input gives the same bits, on any number of threads.

    Args:
        means: (N, 3), world.
        quats: (N, 4), w x y z, of any length.
        scales: (N, 3), standard deviations along the Gaussian's axes.
        opacities: (N,), in [0, 1].
        colors: (N, D) or (C, N, D) as they are shown; with `sh_degree`, coefficients (N, K, 3) or (C, N, K, 3).
        viewmats: (C, 4, 4), world to camera, x right, y down, z forward.
        Ks: (C, 3, 3), pixels; pixel centers lie at +0.5.
        width: of the images, pixels.
        height: of the images, pixels.
        near_plane: what is nearer is not drawn.
        far_plane: what is farther is not drawn.
        radius_clip: splats of this radius or less, in pixels, are not drawn.
        eps2d: added to the variances on the image, square pixels.
        sh_degree: of the spherical harmonics to use, 0 to 4 (the color is their sum + 0.5, at least 0), or None.
        packed: whether meta lists only the splats that are seen (M, ...) or all (C, N, ...).
        tile_size: for gsplat alone.
        backgrounds: (C, D), or None for black.
        render_mode: colors, summed depth D, expected depth ED, or both, depth last.
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
    arguments = dict(locals())
    arguments |= arguments.pop("distortion")
    if means.is_cuda:
        from gsplat import rasterization as on_cuda

        return on_cuda(**arguments)

    from recon.rasterize.cpu import render
    from recon.rasterize.inputs import RasterInputs

    return render(RasterInputs.of(arguments))
