"""A ray tracer for the world, compiled by Numba: exact pinhole rays, sun shadows and anti-aliased edges.

Rays are transformed to the unit frame of each primitive, where shapes are simple; the ray parameter is the same there.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from cvd3d.training.world.primitives import BOX, CONE, CYLINDER, ROOF, SPHERE, WHEEL, Primitives
from cvd3d.training.world.scenes import World
from cvd3d.training.world.surroundings import GROUNDS, SKIES
from recon.kernels import kernel
from trajectories.cameras import Cameras
from trajectories.errors import InputError

MISS = 1e30
NEAR = 1e-4  # meters; nearer hits are on the surface where the ray starts
ROUNDING = 1e-12
HAZE = 24.0  # meters; beyond this distance the ground fades into the horizon
FINE = 14.0  # meters; beyond this distance the tiles of the ground fade
DARK_STRIPE = 0.8

_SKY, _GROUND = 0, 1  # surface labels; objects follow


def render(world: World, cameras: Cameras, times: np.ndarray | float = 0.0, *, supersample: int = 2) -> np.ndarray:
    """Render the world for every camera.

    Args:
        world: the scene.
        cameras: any leading shape (...).
        times: seconds; broadcast to (...).
        supersample: pixels on an edge are the mean of supersample² rays; 1 traces one ray through every pixel center.

    Returns:
        (..., H, W, 3) uint8 RGB.

    Raises:
        InputError: times that do not broadcast to the cameras, or `supersample` below 1.
    """
    if supersample < 1:
        raise InputError(f"supersample is {supersample}; give 1 or more rays per side of a pixel.")
    ground, sky = GROUNDS[world.ground], SKIES[world.sky]
    palette = np.array([ground.color, ground.tile, sky.zenith, sky.horizon, sky.sun, sky.ambient])
    images = np.empty((cameras.size, cameras.height, cameras.width, 3), dtype=np.uint8)
    for image, c2w, K, time in zip(images, *_flat(cameras, times)):
        _render_frame(image, _solids(world.at(time)), c2w, K, world.to_sun, palette, supersample)
    return images.reshape(*cameras.shape, cameras.height, cameras.width, 3)


def render_depth(world: World, cameras: Cameras, times: np.ndarray | float = 0.0) -> np.ndarray:
    """Render the exact z-depth at every pixel center.

    Args:
        world: the scene.
        cameras: any leading shape (...).
        times: seconds; broadcast to (...).

    Returns:
        (..., H, W) float32 meters along the camera's z axis; infinity for the sky.
    """
    depths = np.empty((cameras.size, cameras.height, cameras.width), dtype=np.float32)
    for depth, c2w, K, time in zip(depths, *_flat(cameras, times)):
        _depth_frame(depth, _solids(world.at(time)), c2w, K)
    return depths.reshape(*cameras.shape, cameras.height, cameras.width)


def _flat(cameras: Cameras, times: np.ndarray | float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    try:
        seconds = np.broadcast_to(np.asarray(times, dtype=np.float64), cameras.shape)
    except ValueError:
        raise InputError(f"times has shape {np.shape(times)}; give one that broadcasts to {cameras.shape}.") from None
    # Copies in one memory layout, so that Numba compiles only once.
    c2w, K = np.array(cameras.c2w, order="C"), np.array(cameras.K, order="C")
    return c2w.reshape(-1, 4, 4), K.reshape(-1, 3, 3), seconds.reshape(-1)


# Columns of the table that the kernels read.
_KIND, _X, _Y, _Z, _COS, _SIN, _HX, _HY, _HZ, _RED, _STRIPED, _RADIUS = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13


def _solids(primitives: Primitives) -> np.ndarray:
    """(P, 14): kind, center, cos and sin of yaw, half sizes, color, striped, radius of a bounding sphere."""
    half = primitives.half_sizes
    radius = np.where(primitives.kinds == SPHERE, half.max(axis=1), np.linalg.norm(half, axis=1))
    turn = np.stack([np.cos(primitives.yaws), np.sin(primitives.yaws)], axis=1)
    columns = (primitives.kinds, primitives.centers, turn, half, primitives.colors, primitives.striped, radius)
    return np.column_stack(columns).astype(np.float64)


@kernel
def _round_hit(ox, oy, oz, dx, dy, dz):
    """Where a ray enters the unit cylinder: (t, face); face 0 is the side, 1 and 2 are the caps."""
    near, far, face = -MISS, MISS, 0
    a = dx * dx + dy * dy
    if a > 1e-18:
        b = ox * dx + oy * dy
        c = ox * ox + oy * oy - 1.0
        root = b * b - a * c
        if root <= 0.0:
            return MISS, 0
        root = math.sqrt(root)
        near, far = (-b - root) / a, (-b + root) / a
    elif ox * ox + oy * oy > 1.0:
        return MISS, 0
    if abs(dz) > 1e-18:
        t0, t1 = (-1.0 - oz) / dz, (1.0 - oz) / dz
        cap = 1
        if t0 > t1:
            t0, t1, cap = t1, t0, 2
        if t0 > near:
            near, face = t0, cap
        far = min(far, t1)
    elif abs(oz) > 1.0:
        return MISS, 0
    if near < far:
        return near, face
    return MISS, 0


@kernel
def _cone_hit(ox, oy, oz, dx, dy, dz):
    """Where a ray hits the unit cone: (t, face); face 0 is the side, 1 the base."""
    nearest, face = MISS, 0
    s = 0.5 * (1.0 - oz)
    a = dx * dx + dy * dy - 0.25 * dz * dz
    b = ox * dx + oy * dy + 0.5 * s * dz
    c = ox * ox + oy * oy - s * s
    root = b * b - a * c
    if root >= -ROUNDING * b * b:
        # The stable form of the quadratic's roots: one for a ray along the side, a double one through the apex.
        q = -b - math.copysign(math.sqrt(max(root, 0.0)), b)
        for k in range(2):
            t = MISS
            if k == 0 and abs(a) > 1e-18:
                t = q / a
            elif k == 1 and q != 0.0:
                t = c / q
            if NEAR < t < nearest and abs(oz + t * dz) <= 1.0 + ROUNDING:
                nearest = t
    if abs(dz) > 1e-18:
        t = (-1.0 - oz) / dz
        x, y = ox + t * dx, oy + t * dy
        if NEAR < t < nearest and x * x + y * y <= 1.0:
            nearest, face = t, 1
    return nearest, face


@kernel
def _flat_hit(kind, ox, oy, oz, dx, dy, dz):
    """Where a ray enters the unit box or roof through its planes: (t, face)."""
    near, far, face = -MISS, MISS, 0
    for k in range(6 if kind == BOX else 5):
        # Inside is where `side` <= 0; it changes by `slope` per unit of t.
        if k == 0:
            side, slope = ox - 1.0, dx
        elif k == 1:
            side, slope = -ox - 1.0, -dx
        elif k == 2:
            side, slope = -oz - 1.0, -dz
        elif kind == BOX:
            if k == 3:
                side, slope = oz - 1.0, dz
            elif k == 4:
                side, slope = oy - 1.0, dy
            else:
                side, slope = -oy - 1.0, -dy
        elif k == 3:
            side, slope = oy + 0.5 * oz - 0.5, dy + 0.5 * dz
        else:
            side, slope = -oy + 0.5 * oz - 0.5, -dy + 0.5 * dz
        if abs(slope) < 1e-18:
            if side > 0.0:
                return MISS, 0
        elif slope < 0.0:
            t = -side / slope
            if t > near:
                near, face = t, k
        else:
            far = min(far, -side / slope)
    if near < far:
        return near, face
    return MISS, 0


@kernel
def _hit(solids, p, ox, oy, oz, dx, dy, dz):
    """Where a world ray enters solid p: (t, face), or MISS."""
    cos, sin = solids[p, _COS], solids[p, _SIN]
    x, y, z = ox - solids[p, _X], oy - solids[p, _Y], oz - solids[p, _Z]
    hx, hy, hz = solids[p, _HX], solids[p, _HY], solids[p, _HZ]
    ux, uy, uz = (cos * x + sin * y) / hx, (cos * y - sin * x) / hy, z / hz
    vx, vy, vz = (cos * dx + sin * dy) / hx, (cos * dy - sin * dx) / hy, dz / hz
    kind = int(solids[p, _KIND])
    t, face = MISS, 0
    if kind == SPHERE:
        a = vx * vx + vy * vy + vz * vz
        b = ux * vx + uy * vy + uz * vz
        root = b * b - a * (ux * ux + uy * uy + uz * uz - 1.0)
        if root > 0.0:
            t = (-b - math.sqrt(root)) / a
    elif kind == CYLINDER:
        t, face = _round_hit(ux, uy, uz, vx, vy, vz)
    elif kind == WHEEL:
        t, face = _round_hit(ux, uz, uy, vx, vz, vy)
    elif kind == CONE:
        t, face = _cone_hit(ux, uy, uz, vx, vy, vz)
    else:
        t, face = _flat_hit(kind, ux, uy, uz, vx, vy, vz)
    if t > NEAR:
        return t, face
    return MISS, 0


@kernel
def _unit_normal(kind, face, x, y, z):
    """Outward normal, not normalized, of a unit shape at a point on its surface."""
    if kind == SPHERE:
        return x, y, z
    if kind == CYLINDER:
        if face == 0:
            return x, y, 0.0
        return 0.0, 0.0, math.copysign(1.0, z)
    if kind == WHEEL:
        if face == 0:
            return x, 0.0, z
        return 0.0, math.copysign(1.0, y), 0.0
    if kind == CONE:
        if face == 0:
            return x, y, 0.25 * (1.0 - z)
        return 0.0, 0.0, -1.0
    if face < 2:
        return math.copysign(1.0, x), 0.0, 0.0
    if face == 2:
        return 0.0, 0.0, -1.0
    if kind == ROOF:
        return 0.0, math.copysign(1.0, y), 0.5
    if face == 3:
        return 0.0, 0.0, 1.0
    return 0.0, math.copysign(1.0, y), 0.0


@kernel
def _bounds(solids, c2w, K, width, height):
    """(P, 4) pixel rectangles (u0, u1, v0, v1) that contain each solid's projection, from its bounding sphere."""
    rectangles = np.empty((len(solids), 4))
    for p in range(len(solids)):
        x, y, z = solids[p, _X] - c2w[0, 3], solids[p, _Y] - c2w[1, 3], solids[p, _Z] - c2w[2, 3]
        r = solids[p, _RADIUS]
        cx = c2w[0, 0] * x + c2w[1, 0] * y + c2w[2, 0] * z
        cy = c2w[0, 1] * x + c2w[1, 1] * y + c2w[2, 1] * z
        cz = c2w[0, 2] * x + c2w[1, 2] * y + c2w[2, 2] * z
        u0, u1, v0, v1 = 0.0, float(width), 0.0, float(height)
        if cz < -r:
            u1 = -1.0
        elif cz > 1.001 * r:
            middle, half = math.atan2(cx, cz), math.asin(r / math.hypot(cx, cz))
            x0, x1 = math.tan(middle - half), math.tan(middle + half)
            middle, half = math.atan2(cy, cz), math.asin(r / math.hypot(cy, cz))
            y0, y1 = math.tan(middle - half), math.tan(middle + half)
            skew0, skew1 = min(K[0, 1] * y0, K[0, 1] * y1), max(K[0, 1] * y0, K[0, 1] * y1)
            u0, u1 = K[0, 0] * x0 + skew0 + K[0, 2], K[0, 0] * x1 + skew1 + K[0, 2]
            v0, v1 = K[1, 1] * y0 + K[1, 2], K[1, 1] * y1 + K[1, 2]
        rectangles[p, 0], rectangles[p, 1], rectangles[p, 2], rectangles[p, 3] = u0, u1, v0, v1
    return rectangles


@kernel
def _ray(c2w, K, u, v):
    """World direction through pixel position (u, v) with camera z = 1, so that the ray parameter is the z-depth."""
    y = (v - K[1, 2]) / K[1, 1]
    x = (u - K[0, 2] - K[0, 1] * y) / K[0, 0]
    return (
        c2w[0, 0] * x + c2w[0, 1] * y + c2w[0, 2],
        c2w[1, 0] * x + c2w[1, 1] * y + c2w[1, 2],
        c2w[2, 0] * x + c2w[2, 1] * y + c2w[2, 2],
    )


@kernel
def _nearest(solids, rectangles, u, v, ox, oy, oz, dx, dy, dz):
    """The first surface on a camera ray: (t, index, face); index -1 is the ground, t is MISS for the sky."""
    nearest, index, face = MISS, -1, 0
    if oz * dz < 0.0:
        nearest = -oz / dz
    for p in range(len(solids)):
        if rectangles[p, 0] <= u <= rectangles[p, 1] and rectangles[p, 2] <= v <= rectangles[p, 3]:
            t, side = _hit(solids, p, ox, oy, oz, dx, dy, dz)
            if t < nearest:
                nearest, index, face = t, p, side
    return nearest, index, face


@kernel
def _shadowed(solids, x, y, z, sun):
    """Whether a solid is between the point and the sun."""
    for p in range(len(solids)):
        cx, cy, cz = solids[p, _X] - x, solids[p, _Y] - y, solids[p, _Z] - z
        along = cx * sun[0] + cy * sun[1] + cz * sun[2]
        r2 = solids[p, _RADIUS] * solids[p, _RADIUS]
        distance2 = cx * cx + cy * cy + cz * cz
        if (along > 0.0 or distance2 < r2) and distance2 - along * along < r2:
            t, _ = _hit(solids, p, x, y, z, sun[0], sun[1], sun[2])
            if t < MISS:
                return True
    return False


@kernel
def _hump(x):
    """Approximate sin(pi x) by parabolas, for speed."""
    x *= 0.5
    x = 2.0 * (x - math.floor(x)) - 1.0
    return 4.0 * x * (abs(x) - 1.0)


# Inlined, because a call with seven array arguments takes as long as its body.
@njit(nogil=True, error_model="numpy", forceinline=True)
def _trace(rgb, solids, rectangles, c2w, K, sun, palette, u, v):
    """Add the color at pixel position (u, v) to `rgb` (3,), and return a label of the surface and its shadow."""
    dx, dy, dz = _ray(c2w, K, u, v)
    ox, oy, oz = c2w[0, 3], c2w[1, 3], c2w[2, 3]
    t, index, face = _nearest(solids, rectangles, u, v, ox, oy, oz, dx, dy, dz)
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    if t >= MISS:
        up = math.sqrt(min(max(dz / length, 0.0), 1.0))
        for k in range(3):
            rgb[k] += palette[3, k] + up * (palette[2, k] - palette[3, k])
        return _SKY
    x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
    if index < 0:
        distance = t * length
        lit = 0.0 if _shadowed(solids, x, y, 0.0, sun) else sun[2]
        # A checkerboard of one-meter tiles with soft borders, which needs no anti-aliasing.
        wave = min(max(4.0 * _hump(x) * _hump(y), -1.0), 1.0)
        tile = 0.5 + 0.5 * wave / (1.0 + (distance / FINE) ** 2) ** 2
        clear = 1.0 / (1.0 + (distance / HAZE) ** 2) ** 2
        for k in range(3):
            color = palette[0, k] + tile * (palette[1, k] - palette[0, k])
            color = min(color * (palette[5, k] + palette[4, k] * lit), 1.0)
            rgb[k] += palette[3, k] + clear * (color - palette[3, k])
        return _GROUND + (0 if lit > 0.0 else 1)
    cos, sin = solids[index, _COS], solids[index, _SIN]
    px, py, pz = x - solids[index, _X], y - solids[index, _Y], z - solids[index, _Z]
    hx, hy, hz = solids[index, _HX], solids[index, _HY], solids[index, _HZ]
    ux, uy, uz = (cos * px + sin * py) / hx, (cos * py - sin * px) / hy, pz / hz
    nx, ny, nz = _unit_normal(int(solids[index, _KIND]), face, ux, uy, uz)
    nx, ny, nz = nx / hx, ny / hy, nz / hz
    norm = math.sqrt(nx * nx + ny * ny + nz * nz)
    nx, ny, nz = (cos * nx - sin * ny) / norm, (sin * nx + cos * ny) / norm, nz / norm
    lit = max(nx * sun[0] + ny * sun[1] + nz * sun[2], 0.0)
    shadow = 0
    if lit > 0.0 and _shadowed(solids, x, y, z, sun):
        lit, shadow = 0.0, 1
    stripe = 1 if solids[index, _STRIPED] > 0.0 and ux * uy > 0.0 else 0
    tint = DARK_STRIPE if stripe else 1.0
    for k in range(3):
        light = palette[5, k] * (0.75 + 0.25 * nz) + palette[4, k] * lit
        rgb[k] += min(tint * solids[index, _RED + k] * light, 1.0)
    return 4 + ((index * 8 + face) * 2 + stripe) * 2 + shadow


@kernel
def _render_frame(image, solids, c2w, K, sun, palette, supersample):
    height, width = image.shape[:2]
    rectangles = _bounds(solids, c2w, K, width, height)
    labels = np.empty((height, width), dtype=np.int64)
    rgb = np.empty(3)
    for v in range(height):
        for u in range(width):
            rgb[:] = 0.0
            labels[v, u] = _trace(rgb, solids, rectangles, c2w, K, sun, palette, u + 0.5, v + 0.5)
            for k in range(3):
                image[v, u, k] = np.uint8(255.0 * rgb[k] + 0.5)
    if supersample == 1:
        return
    weight = 255.0 / (supersample * supersample)
    for v in range(height):
        for u in range(width):
            label = labels[v, u]
            if (
                label == labels[max(v - 1, 0), u]
                and label == labels[min(v + 1, height - 1), u]
                and label == labels[v, max(u - 1, 0)]
                and label == labels[v, min(u + 1, width - 1)]
            ):
                continue
            rgb[:] = 0.0
            for j in range(supersample):
                for i in range(supersample):
                    x, y = u + (i + 0.5) / supersample, v + (j + 0.5) / supersample
                    _trace(rgb, solids, rectangles, c2w, K, sun, palette, x, y)
            for k in range(3):
                image[v, u, k] = np.uint8(weight * rgb[k] + 0.5)


@kernel
def _depth_frame(depth, solids, c2w, K):
    height, width = depth.shape
    rectangles = _bounds(solids, c2w, K, width, height)
    for v in range(height):
        for u in range(width):
            dx, dy, dz = _ray(c2w, K, u + 0.5, v + 0.5)
            t, _, _ = _nearest(solids, rectangles, u + 0.5, v + 0.5, c2w[0, 3], c2w[1, 3], c2w[2, 3], dx, dy, dz)
            depth[v, u] = t if t < MISS else np.inf
