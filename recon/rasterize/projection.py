"""Projection of Gaussians into cameras: one autograd Function for geometry and color, with a hand-derived gradient.

The formulas are those of `reference.project` and `reference.spherical_harmonics`. Geometry is computed in float64,
which costs nothing here and keeps needle-shaped splats precise; color in float32. One thread sums each Gaussian's
gradient over the cameras, so results are bitwise equal for any number of threads.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd.function import once_differentiable

from recon.kernels import kernel
from recon.kernels.threads import even_parts, run
from recon.rasterize.reference import ALPHA_MIN, EXTENT_SIGMAS, FIELD_MARGIN

BLOCK = 512  # Gaussians per partial sum of the camera gradients; constant, so that the order of summation is constant
COEFFICIENTS = 25  # number of spherical harmonics up to degree 4
RAW_COLORS = -1  # the degree if colors are given instead of spherical harmonics


@dataclass(frozen=True)
class Viewpoint:
    """Intrinsics, image size and options of the projection.

    Attributes:
        Ks: (C, 3, 3) float64.
        width, height: image size in pixels.
        near_plane, far_plane, radius_clip, eps2d: as in `rasterization`.
        antialiased: whether opacities are reduced to compensate for the blur of `eps2d`.
        degree: degree of the spherical harmonics, or RAW_COLORS.
        packed: whether to return only the visible splats; otherwise one per camera and Gaussian.
    """

    Ks: np.ndarray
    width: int
    height: int
    near_plane: float
    far_plane: float
    radius_clip: float
    eps2d: float
    antialiased: bool
    degree: int
    packed: bool

    def slopes(self) -> np.ndarray:
        """(C, 4): the smallest and the largest x/z, then y/z, at which the projection is linearized."""
        size = np.array([self.width, self.height], np.float64)
        focal, center = self.Ks[:, [0, 1], [0, 1]], self.Ks[:, :2, 2]
        margin = FIELD_MARGIN * 0.5 * size / focal
        ends = np.stack([-center / focal - margin, (size - center) / focal + margin], -1)
        return ends.reshape(-1, 4)


class Project(torch.autograd.Function):
    """Project Gaussians to M splats: the visible ones if packed, else all N of the first camera, and so on."""

    @staticmethod
    def forward(
        ctx: Any,
        means: Tensor,
        quats: Tensor,
        scales: Tensor,
        opacities: Tensor,
        colors: Tensor,
        viewmats: Tensor,
        eyes: Tensor,
        view: Viewpoint,
    ) -> tuple[Tensor, ...]:
        """Project N Gaussians into C cameras.

        Args:
            means: (N, 3) float32; also quats (N, 4), scales (N, 3), opacities (N,).
            colors: (N, D) or (C, N, D), or coefficients (N, K, 3) or (C, N, K, 3).
            viewmats: (C, 4, 4) float64, world to camera.
            eyes: (C, 3) float64, the cameras' positions in the world.
            view: intrinsics, image size and options.

        Returns:
            centers (M, 2), shapes (M, 3) as in `compositing`, opacities (M,), colors (M, D), depths (M,),
            radii (M, 2) int32 (0: not visible), and (M,) int64 camera and Gaussian of each.
        """
        arrays = [t.detach().contiguous().numpy() for t in (means, quats, scales, opacities)]
        matrices, eye_array = viewmats.detach().contiguous().numpy(), eyes.detach().contiguous().numpy()
        cameras, count = len(matrices), len(arrays[0])
        table, per_camera = _color_table(colors, view.degree)

        centers, shapes = np.zeros((cameras, count, 2), np.float32), np.zeros((cameras, count, 3), np.float32)
        shown, depths = np.zeros((cameras, count), np.float32), np.zeros((cameras, count), np.float32)
        radii = np.zeros((cameras, count, 2), np.int32)
        clips = (view.width, view.height, view.near_plane, view.far_plane, view.radius_clip, view.antialiased)
        geometry = (centers, shapes, shown, depths, radii)
        run(_project, even_parts(count), *arrays, matrices, view.Ks, view.slopes(), view.eps2d, *clips, *geometry)

        visible = np.flatnonzero(radii[:, :, 0])
        places = np.full(cameras * count, -1, np.int32)
        if view.packed:
            places[visible] = np.arange(len(visible), dtype=np.int32)
            flat = [a.reshape(cameras * count, *a.shape[2:])[visible] for a in geometry]
            gaussian_ids, camera_ids = visible % max(count, 1), visible // max(count, 1)
        else:
            places[visible] = visible
            flat = [a.reshape(cameras * count, *a.shape[2:]) for a in geometry]
            gaussian_ids, camera_ids = np.tile(np.arange(count), cameras), np.repeat(np.arange(cameras), count)
        splat_colors = np.zeros((len(flat[0]), table.shape[1] if view.degree == RAW_COLORS else 3), np.float32)
        color_arguments = (visible, places, table, per_camera, view.degree, arrays[0], eye_array)
        run(_color, even_parts(len(visible)), *color_arguments, splat_colors)

        ctx.save_for_backward(means, quats, scales, opacities, colors, viewmats, eyes)
        ctx.view, ctx.places, ctx.splat_colors = view, places, splat_colors
        out = [torch.from_numpy(a) for a in (*flat[:3], splat_colors, *flat[3:], camera_ids, gaussian_ids)]
        ctx.mark_non_differentiable(*out[5:])
        return tuple(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        """Gradients in the order of `forward`."""
        view: Viewpoint = ctx.view
        saved = ctx.saved_tensors
        arrays = [t.contiguous().numpy() for t in saved[:4]]
        matrices, eyes = (t.contiguous().numpy() for t in saved[5:])
        count, cameras = len(arrays[0]), len(matrices)
        table, per_camera = _color_table(saved[4], view.degree)
        v_splats = [g.contiguous().numpy() for g in grads[:5]]
        v_means, v_quats, v_scales, v_opacities = (np.empty_like(a) for a in arrays)
        v_table = np.empty_like(table)
        blocks = -(-count // BLOCK)
        v_cameras = np.zeros((blocks, cameras, 15), np.float64)
        run(
            _project_backward,
            even_parts(blocks),
            *arrays,
            matrices,
            view.Ks,
            view.slopes(),
            view.eps2d,
            view.antialiased,
            ctx.places,
            table,
            per_camera,
            view.degree,
            eyes,
            ctx.splat_colors,
            *v_splats,
            v_means,
            v_quats,
            v_scales,
            v_opacities,
            v_table,
            v_cameras,
        )
        v_matrices, v_eyes = None, None
        if ctx.needs_input_grad[5] or ctx.needs_input_grad[6]:
            summed = v_cameras.sum(0)
            matrix_grads = np.zeros((cameras, 4, 4))
            matrix_grads[:, :3] = summed[:, :12].reshape(cameras, 3, 4)
            v_matrices, v_eyes = torch.from_numpy(matrix_grads), torch.from_numpy(summed[:, 12:])
        parameters = [torch.from_numpy(v) for v in (v_means, v_quats, v_scales, v_opacities)]
        return *parameters, torch.from_numpy(v_table).reshape(saved[4].shape), v_matrices, v_eyes, None


def _color_table(colors: Tensor, degree: int) -> tuple[np.ndarray, bool]:
    """Colors or coefficients as rows, and whether each camera has separate rows."""
    own = 1 if degree == RAW_COLORS else 2
    array = colors.detach().contiguous().numpy()
    width = int(np.prod(colors.shape[-own:]))
    return array.reshape(int(np.prod(colors.shape[:-own])), width), colors.dim() > own + 1


@njit(error_model="numpy")
def _geometry(n, c, means, quats, scales, matrices, Ks, limits, eps2d):
    """All intermediate values for one Gaussian and one camera; the caller excludes z <= 0."""
    W = matrices[c]
    px, py, pz = np.float64(means[n, 0]), np.float64(means[n, 1]), np.float64(means[n, 2])
    x = W[0, 0] * px + W[0, 1] * py + W[0, 2] * pz + W[0, 3]
    y = W[1, 0] * px + W[1, 1] * py + W[1, 2] * pz + W[1, 3]
    z = W[2, 0] * px + W[2, 1] * py + W[2, 2] * pz + W[2, 3]
    slope_x = min(max(x / z, limits[c, 0]), limits[c, 1])
    slope_y = min(max(y / z, limits[c, 2]), limits[c, 3])
    ax, ay = Ks[c, 0, 0] / z, Ks[c, 1, 1] / z
    # T = J W, two rows: the derivative of the image position with respect to the world position.
    t00, t01, t02 = (
        ax * (W[0, 0] - slope_x * W[2, 0]),
        ax * (W[0, 1] - slope_x * W[2, 1]),
        ax * (W[0, 2] - slope_x * W[2, 2]),
    )
    t10, t11, t12 = (
        ay * (W[1, 0] - slope_y * W[2, 0]),
        ay * (W[1, 1] - slope_y * W[2, 1]),
        ay * (W[1, 2] - slope_y * W[2, 2]),
    )
    T = ((t00, t01, t02), (t10, t11, t12))

    qw, qx, qy, qz = np.float64(quats[n, 0]), np.float64(quats[n, 1]), np.float64(quats[n, 2]), np.float64(quats[n, 3])
    length = np.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
    inverse = 1.0 / max(length, 1e-12)
    q = (qw * inverse, qx * inverse, qy * inverse, qz * inverse)
    R = _rotation(q)
    s = (np.float64(scales[n, 0]), np.float64(scales[n, 1]), np.float64(scales[n, 2]))
    # V = T R S: the three half axes in the image.
    v00 = (t00 * R[0][0] + t01 * R[1][0] + t02 * R[2][0]) * s[0]
    v01 = (t00 * R[0][1] + t01 * R[1][1] + t02 * R[2][1]) * s[1]
    v02 = (t00 * R[0][2] + t01 * R[1][2] + t02 * R[2][2]) * s[2]
    v10 = (t10 * R[0][0] + t11 * R[1][0] + t12 * R[2][0]) * s[0]
    v11 = (t10 * R[0][1] + t11 * R[1][1] + t12 * R[2][1]) * s[1]
    v12 = (t10 * R[0][2] + t11 * R[1][2] + t12 * R[2][2]) * s[2]
    V = ((v00, v01, v02), (v10, v11, v12))
    xx = v00 * v00 + v01 * v01 + v02 * v02 + eps2d
    yy = v10 * v10 + v11 * v11 + v12 * v12 + eps2d
    xy = v00 * v10 + v01 * v11 + v02 * v12
    return (x, y, z), (slope_x, slope_y), T, (q, inverse), R, s, V, (xx, xy, yy)


@njit(error_model="numpy")
def _rotation(q):
    """Rotation matrix of a unit quaternion w, x, y, z, as rows."""
    w, x, y, z = q
    return (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )


@njit(error_model="numpy")
def _opacity_factor(covariance, eps2d):
    """The opacity factor sqrt(det before the blur / det after the blur)."""
    xx, xy, yy = covariance
    sharp = (xx - eps2d) * (yy - eps2d) - xy * xy
    return np.sqrt(max(sharp / (xx * yy - xy * xy), 1e-12))


@kernel
def _project(
    first,
    last,
    means,
    quats,
    scales,
    opacities,
    matrices,
    Ks,
    limits,
    eps2d,
    width,
    height,
    near_plane,
    far_plane,
    radius_clip,
    antialiased,
    centers,
    shapes,
    shown,
    depths,
    radii,
):
    """Geometry of Gaussians first..last in every camera; values of splats that are not visible stay zero."""
    for c in range(len(matrices)):
        W = matrices[c]
        for n in range(first, last):
            depth = W[2, 0] * means[n, 0] + W[2, 1] * means[n, 1] + W[2, 2] * means[n, 2] + W[2, 3]
            if not (depth >= near_plane and depth <= far_plane and opacities[n] >= ALPHA_MIN):
                continue
            p, _, _, _, _, _, _, covariance = _geometry(n, c, means, quats, scales, matrices, Ks, limits, eps2d)
            xx, xy, yy = covariance
            determinant = xx * yy - xy * xy
            opacity = np.float64(opacities[n])
            if antialiased:
                opacity *= _opacity_factor(covariance, eps2d)
            if not (opacity >= ALPHA_MIN and determinant > 0 and xx < 1e30 and yy < 1e30):
                continue
            extent = min(EXTENT_SIGMAS, np.sqrt(2 * np.log(opacity / ALPHA_MIN)))
            radius_x, radius_y = np.ceil(extent * np.sqrt(xx)), np.ceil(extent * np.sqrt(yy))
            if radius_x <= radius_clip and radius_y <= radius_clip:
                continue
            u, v = Ks[c, 0, 0] * p[0] / p[2] + Ks[c, 0, 2], Ks[c, 1, 1] * p[1] / p[2] + Ks[c, 1, 2]
            inside_x = u + radius_x > 0 and u - radius_x < width
            inside_y = v + radius_y > 0 and v - radius_y < height
            if not (inside_x and inside_y and radius_x > 0 and radius_y > 0):
                continue
            centers[c, n, 0], centers[c, n, 1] = u, v
            shapes[c, n, 0], shapes[c, n, 1], shapes[c, n, 2] = yy / determinant, -xy / yy, 1 / yy
            shown[c, n], depths[c, n] = opacity, p[2]
            radii[c, n, 0], radii[c, n, 1] = min(radius_x, 2e9), min(radius_y, 2e9)


@njit(error_model="numpy")
def _basis(degree, x, y, z, basis):
    """Values of the spherical harmonics in a unit direction."""
    basis[0] = 0.28209479177387814
    if degree >= 1:
        basis[1] = -0.4886025119029199 * y
        basis[2] = 0.4886025119029199 * z
        basis[3] = -0.4886025119029199 * x
    if degree >= 2:
        basis[4] = 1.0925484305920792 * x * y
        basis[5] = -1.0925484305920792 * y * z
        basis[6] = 0.31539156525252005 * (3 * z * z - 1)
        basis[7] = -1.0925484305920792 * x * z
        basis[8] = 0.5462742152960396 * (x * x - y * y)
    if degree >= 3:
        basis[9] = -0.5900435899266435 * y * (3 * x * x - y * y)
        basis[10] = 2.890611442640554 * x * y * z
        basis[11] = -0.4570457994644658 * y * (5 * z * z - 1)
        basis[12] = 0.3731763325901154 * z * (5 * z * z - 3)
        basis[13] = -0.4570457994644658 * x * (5 * z * z - 1)
        basis[14] = 1.445305721320277 * z * (x * x - y * y)
        basis[15] = -0.5900435899266435 * x * (x * x - 3 * y * y)
    if degree >= 4:
        xx, yy, zz = x * x, y * y, z * z
        basis[16] = 2.5033429417967046 * x * y * (xx - yy)
        basis[17] = -1.7701307697799304 * y * z * (3 * xx - yy)
        basis[18] = 0.9461746957575601 * x * y * (7 * zz - 1)
        basis[19] = -0.6690465435572892 * y * z * (7 * zz - 3)
        basis[20] = 0.10578554691520431 * (35 * zz * zz - 30 * zz + 3)
        basis[21] = -0.6690465435572892 * x * z * (7 * zz - 3)
        basis[22] = 0.47308734787878004 * (xx - yy) * (7 * zz - 1)
        basis[23] = -1.7701307697799304 * x * z * (xx - 3 * yy)
        basis[24] = 0.6258357354491761 * (xx * (xx - 3 * yy) - yy * (3 * xx - yy))


@njit(error_model="numpy")
def _basis_slope(degree, x, y, z, w):
    """Gradient of sum_k w[k] basis[k] with respect to the direction."""
    gx, gy, gz = 0.0, 0.0, 0.0
    if degree >= 1:
        gx -= 0.4886025119029199 * w[3]
        gy -= 0.4886025119029199 * w[1]
        gz += 0.4886025119029199 * w[2]
    if degree >= 2:
        gx += 1.0925484305920792 * (y * w[4] - z * w[7] + x * w[8])
        gy += 1.0925484305920792 * (x * w[4] - z * w[5] - y * w[8])
        gz += 1.0925484305920792 * (-y * w[5] - x * w[7]) + 1.8923493915151202 * z * w[6]
    if degree >= 3:
        gx += -3.540261539559861 * x * y * w[9] + 2.890611442640554 * y * z * w[10]
        gx += -0.4570457994644658 * (5 * z * z - 1) * w[13] + 2.890611442640554 * x * z * w[14]
        gx += -1.7701307697799304 * (x * x - y * y) * w[15]
        gy += -1.7701307697799304 * (x * x - y * y) * w[9] + 2.890611442640554 * x * z * w[10]
        gy += -0.4570457994644658 * (5 * z * z - 1) * w[11] - 2.890611442640554 * y * z * w[14]
        gy += 3.540261539559861 * x * y * w[15]
        gz += 2.890611442640554 * x * y * w[10] - 4.570457994644658 * (y * z * w[11] + x * z * w[13])
        gz += 0.3731763325901154 * (15 * z * z - 3) * w[12] + 1.445305721320277 * (x * x - y * y) * w[14]
    if degree >= 4:
        xx, yy, zz, xyz = x * x, y * y, z * z, x * y * z
        gx += 2.5033429417967046 * (y * (3 * xx - yy) * w[16] + x * (xx - 3 * yy) * w[24])
        gx += 0.9461746957575601 * (7 * zz - 1) * (y * w[18] + x * w[22]) - 10.620784618679583 * xyz * w[17]
        gx += -0.6690465435572892 * z * (7 * zz - 3) * w[21] - 5.310392309339791 * z * (xx - yy) * w[23]
        gy += 2.5033429417967046 * (x * (xx - 3 * yy) * w[16] - y * (3 * xx - yy) * w[24])
        gy += 0.9461746957575601 * (7 * zz - 1) * (x * w[18] - y * w[22]) + 10.620784618679583 * xyz * w[23]
        gy += -0.6690465435572892 * z * (7 * zz - 3) * w[19] - 5.310392309339791 * z * (xx - yy) * w[17]
        gz += -1.7701307697799304 * (y * (3 * xx - yy) * w[17] + x * (xx - 3 * yy) * w[23])
        gz += 13.246445740605842 * xyz * w[18] + 6.623222870302921 * z * (xx - yy) * w[22]
        gz += -0.6690465435572892 * (21 * zz - 3) * (y * w[19] + x * w[21])
        gz += 2.1157109383040862 * z * (7 * zz - 3) * w[20]
    return gx, gy, gz


@njit(error_model="numpy")
def _direction(n, c, means, eyes):
    """Unit direction from a camera to a Gaussian, and the inverse distance."""
    x, y, z = means[n, 0] - eyes[c, 0], means[n, 1] - eyes[c, 1], means[n, 2] - eyes[c, 2]
    inverse = 1.0 / max(np.sqrt(x * x + y * y + z * z), 1e-12)
    return (x * inverse, y * inverse, z * inverse), inverse


@kernel
def _color(first, last, visible, places, table, per_camera, degree, means, eyes, splat_colors):
    """Colors of the visible splats first..last."""
    count = len(means)
    basis = np.empty(COEFFICIENTS, np.float32)
    terms = (degree + 1) * (degree + 1)
    for i in range(first, last):
        c, n, m = visible[i] // count, visible[i] % count, places[visible[i]]
        row = visible[i] if per_camera else n
        if degree == RAW_COLORS:
            for channel in range(table.shape[1]):
                splat_colors[m, channel] = table[row, channel]
            continue
        d, _ = _direction(n, c, means, eyes)
        _basis(degree, d[0], d[1], d[2], basis)
        red, green, blue = np.float32(0.5), np.float32(0.5), np.float32(0.5)
        for k in range(terms):
            red += basis[k] * table[row, 3 * k]
            green += basis[k] * table[row, 3 * k + 1]
            blue += basis[k] * table[row, 3 * k + 2]
        zero = np.float32(0)
        splat_colors[m, 0], splat_colors[m, 1], splat_colors[m, 2] = max(red, zero), max(green, zero), max(blue, zero)


@kernel
def _project_backward(
    first,
    last,
    means,
    quats,
    scales,
    opacities,
    matrices,
    Ks,
    limits,
    eps2d,
    antialiased,
    places,
    table,
    per_camera,
    degree,
    eyes,
    splat_colors,
    v_centers,
    v_shapes,
    v_shown,
    v_splat_colors,
    v_depths,
    v_means,
    v_quats,
    v_scales,
    v_opacities,
    v_table,
    v_cameras,
):
    """Gradients of the Gaussians of blocks first..last."""
    count, cameras = len(means), len(matrices)
    basis, weights = np.empty(COEFFICIENTS, np.float32), np.empty(COEFFICIENTS, np.float32)
    terms = (degree + 1) * (degree + 1)
    for n in range(first * BLOCK, min(last * BLOCK, count)):
        mean_x, mean_y, mean_z = 0.0, 0.0, 0.0
        scale_x, scale_y, scale_z = 0.0, 0.0, 0.0
        quat_w, quat_x, quat_y, quat_z = 0.0, 0.0, 0.0, 0.0
        v_opacity = 0.0
        if not per_camera:
            v_table[n] = 0
        for c in range(cameras):
            row = c * count + n if per_camera else n
            if per_camera:
                v_table[row] = 0
            m = places[c * count + n]
            if m < 0:
                continue
            to_camera = v_cameras[n // BLOCK, c]
            if degree == RAW_COLORS:
                for channel in range(table.shape[1]):
                    v_table[row, channel] += v_splat_colors[m, channel]
            else:
                d, inverse = _direction(n, c, means, eyes)
                _basis(degree, d[0], d[1], d[2], basis)
                zero = np.float32(0)
                red = v_splat_colors[m, 0] if splat_colors[m, 0] > zero else zero
                green = v_splat_colors[m, 1] if splat_colors[m, 1] > zero else zero
                blue = v_splat_colors[m, 2] if splat_colors[m, 2] > zero else zero
                for k in range(terms):
                    weights[k] = red * table[row, 3 * k] + green * table[row, 3 * k + 1] + blue * table[row, 3 * k + 2]
                    v_table[row, 3 * k] += red * basis[k]
                    v_table[row, 3 * k + 1] += green * basis[k]
                    v_table[row, 3 * k + 2] += blue * basis[k]
                gx, gy, gz = _basis_slope(degree, d[0], d[1], d[2], weights)
                along = gx * d[0] + gy * d[1] + gz * d[2]
                gx, gy, gz = (gx - along * d[0]) * inverse, (gy - along * d[1]) * inverse, (gz - along * d[2]) * inverse
                mean_x, mean_y, mean_z = mean_x + gx, mean_y + gy, mean_z + gz
                to_camera[12] -= gx
                to_camera[13] -= gy
                to_camera[14] -= gz

            p, slopes, T, quat, R, s, V, covariance = _geometry(n, c, means, quats, scales, matrices, Ks, limits, eps2d)
            x, y, z = p
            W = matrices[c]
            fx, fy = Ks[c, 0, 0], Ks[c, 1, 1]
            xx, xy, yy = covariance
            over_det, over_yy = 1 / (xx * yy - xy * xy), 1 / yy

            # From the shape (a, r, k) = (yy / det, -xy / yy, 1 / yy) and the opacity factor to the covariance.
            va, vr, vk = np.float64(v_shapes[m, 0]), np.float64(v_shapes[m, 1]), np.float64(v_shapes[m, 2])
            scaled = va * over_det * over_det
            v_xx = -scaled * yy * yy
            v_yy = -scaled * xy * xy + (vr * xy - vk) * over_yy * over_yy
            v_xy = 2 * scaled * xy * yy - vr * over_yy
            if antialiased:
                factor = _opacity_factor(covariance, eps2d)
                v_opacity += v_shown[m] * factor
                sharp = factor * factor
                v_ratio = v_shown[m] * opacities[n] / (2 * factor) * over_det
                v_xx += v_ratio * ((yy - eps2d) - sharp * yy)
                v_yy += v_ratio * ((xx - eps2d) - sharp * xx)
                v_xy += -2 * v_ratio * xy * (1 - sharp)
            else:
                v_opacity += v_shown[m]

            # Covariance = V V^T with V = T R S.
            V0, V1 = V
            g00, g01, g02 = (
                2 * v_xx * V0[0] + v_xy * V1[0],
                2 * v_xx * V0[1] + v_xy * V1[1],
                2 * v_xx * V0[2] + v_xy * V1[2],
            )
            g10, g11, g12 = (
                2 * v_yy * V1[0] + v_xy * V0[0],
                2 * v_yy * V1[1] + v_xy * V0[1],
                2 * v_yy * V1[2] + v_xy * V0[2],
            )
            T0, T1 = T
            # B = R S has the gradient T^T G.
            b00, b01, b02 = T0[0] * g00 + T1[0] * g10, T0[0] * g01 + T1[0] * g11, T0[0] * g02 + T1[0] * g12
            b10, b11, b12 = T0[1] * g00 + T1[1] * g10, T0[1] * g01 + T1[1] * g11, T0[1] * g02 + T1[1] * g12
            b20, b21, b22 = T0[2] * g00 + T1[2] * g10, T0[2] * g01 + T1[2] * g11, T0[2] * g02 + T1[2] * g12
            scale_x += b00 * R[0][0] + b10 * R[1][0] + b20 * R[2][0]
            scale_y += b01 * R[0][1] + b11 * R[1][1] + b21 * R[2][1]
            scale_z += b02 * R[0][2] + b12 * R[1][2] + b22 * R[2][2]
            r00, r10, r20 = b00 * s[0], b10 * s[0], b20 * s[0]
            r01, r11, r21 = b01 * s[1], b11 * s[1], b21 * s[1]
            r02, r12, r22 = b02 * s[2], b12 * s[2], b22 * s[2]
            unit, over_length = quat
            qw, qx, qy, qz = unit
            hw = 2 * (qx * (r21 - r12) + qy * (r02 - r20) + qz * (r10 - r01))
            hx = 2 * (qw * (r21 - r12) + qy * (r01 + r10) + qz * (r02 + r20) - 2 * qx * (r11 + r22))
            hy = 2 * (qw * (r02 - r20) + qx * (r01 + r10) + qz * (r12 + r21) - 2 * qy * (r00 + r22))
            hz = 2 * (qw * (r10 - r01) + qx * (r02 + r20) + qy * (r12 + r21) - 2 * qz * (r00 + r11))
            along = hw * qw + hx * qx + hy * qy + hz * qz
            quat_w += (hw - along * qw) * over_length
            quat_x += (hx - along * qx) * over_length
            quat_y += (hy - along * qy) * over_length
            quat_z += (hz - along * qz) * over_length

            # From T = J W to the Jacobian J and the camera's rotation W: T has the gradient G (R S)^T.
            t00 = g00 * R[0][0] * s[0] + g01 * R[0][1] * s[1] + g02 * R[0][2] * s[2]
            t01 = g00 * R[1][0] * s[0] + g01 * R[1][1] * s[1] + g02 * R[1][2] * s[2]
            t02 = g00 * R[2][0] * s[0] + g01 * R[2][1] * s[1] + g02 * R[2][2] * s[2]
            t10 = g10 * R[0][0] * s[0] + g11 * R[0][1] * s[1] + g12 * R[0][2] * s[2]
            t11 = g10 * R[1][0] * s[0] + g11 * R[1][1] * s[1] + g12 * R[1][2] * s[2]
            t12 = g10 * R[2][0] * s[0] + g11 * R[2][1] * s[1] + g12 * R[2][2] * s[2]
            j00, j02 = t00 * W[0, 0] + t01 * W[0, 1] + t02 * W[0, 2], t00 * W[2, 0] + t01 * W[2, 1] + t02 * W[2, 2]
            j11, j12 = t10 * W[1, 0] + t11 * W[1, 1] + t12 * W[1, 2], t10 * W[2, 0] + t11 * W[2, 1] + t12 * W[2, 2]
            ax, ay = fx / z, fy / z
            # J02 = -fx slope / z: a clamped slope does not depend on x.
            vx = ax * v_centers[m, 0]
            vy = ay * v_centers[m, 1]
            vz = v_depths[m] - (vx * x + vy * y) / z - (ax * j00 + ay * j11) / z
            vz += (ax * slopes[0] * j02 + ay * slopes[1] * j12) / z
            if slopes[0] == x / z:
                vx -= ax * j02 / z
                vz += ax * j02 * slopes[0] / z
            if slopes[1] == y / z:
                vy -= ay * j12 / z
                vz += ay * j12 * slopes[1] / z

            mean_x += W[0, 0] * vx + W[1, 0] * vy + W[2, 0] * vz
            mean_y += W[0, 1] * vx + W[1, 1] * vy + W[2, 1] * vz
            mean_z += W[0, 2] * vx + W[1, 2] * vy + W[2, 2] * vz
            from_t = ((ax * t00, ax * t01, ax * t02), (ay * t10, ay * t11, ay * t12))
            px, py, pz = means[n, 0], means[n, 1], means[n, 2]
            to_camera[0] += vx * px + from_t[0][0]
            to_camera[1] += vx * py + from_t[0][1]
            to_camera[2] += vx * pz + from_t[0][2]
            to_camera[3] += vx
            to_camera[4] += vy * px + from_t[1][0]
            to_camera[5] += vy * py + from_t[1][1]
            to_camera[6] += vy * pz + from_t[1][2]
            to_camera[7] += vy
            to_camera[8] += vz * px - slopes[0] * from_t[0][0] - slopes[1] * from_t[1][0]
            to_camera[9] += vz * py - slopes[0] * from_t[0][1] - slopes[1] * from_t[1][1]
            to_camera[10] += vz * pz - slopes[0] * from_t[0][2] - slopes[1] * from_t[1][2]
            to_camera[11] += vz

        v_means[n, 0], v_means[n, 1], v_means[n, 2] = mean_x, mean_y, mean_z
        v_scales[n, 0], v_scales[n, 1], v_scales[n, 2] = scale_x, scale_y, scale_z
        v_quats[n, 0], v_quats[n, 1], v_quats[n, 2], v_quats[n, 3] = quat_w, quat_x, quat_y, quat_z
        v_opacities[n] = v_opacity
