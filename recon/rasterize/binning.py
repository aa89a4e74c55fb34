"""Sort splats into image tiles, front to back.

Splats are sorted once by depth and then distributed to tiles in that order (a counting sort), so no sort key needs both
tile and depth. Each splat-tile intersection has one slot, numbered splat by splat. Gradients are written to slots and
summed in the order of the slots, without atomics, so they are bitwise equal for any number of threads.
"""

from dataclasses import dataclass

import numpy as np

from recon.kernels import kernel
from recon.kernels.threads import even_parts, run
from recon.rasterize.reference import ALPHA_MIN

TILE = 16

# Columns of a splat record: the values that the inner loops read, in one cache line.
X, Y, HALF_A, SHEAR, HALF_K, OPACITY, REACH = range(7)
RECORD = 8


@dataclass(frozen=True)
class Bins:
    """Splats by tile.

    Attributes:
        records: (M, 8) float32, see the columns above; sigma = HALF_A (dx + SHEAR dy)**2 + HALF_K dy**2, and
            nothing is drawn for sigma > REACH.
        tile_starts: (tiles + 1,) int64, start of each tile's range in `ids`; tiles are ordered by camera, then by row.
        ids: (L,) int32, splats of each tile front to back.
        slots: (L,) int32, the slot of each of these intersections.
        slot_starts: (M + 1,) int64, start of each splat's range of slots.
        tiles_x, tiles_y: number of tiles along the image's width and height.
    """

    records: np.ndarray
    tile_starts: np.ndarray
    ids: np.ndarray
    slots: np.ndarray
    slot_starts: np.ndarray
    tiles_x: int
    tiles_y: int


def bin_splats(
    centers: np.ndarray,
    shapes: np.ndarray,
    opacities: np.ndarray,
    depths: np.ndarray,
    camera_starts: np.ndarray,
    width: int,
    height: int,
) -> Bins:
    """Sort splats into the 16x16 tiles of their cameras' images.

    Args:
        centers: (M, 2) float32, pixels.
        shapes: (M, 3) float32, (a, r, k) of sigma = a/2 (dx + r dy)**2 + k/2 dy**2; a splat with a = 0 is not drawn.
        opacities: (M,) float32.
        depths: (M,) float32, positive.
        camera_starts: (C + 1,), splats camera_starts[c] to camera_starts[c + 1] belong to camera c.
        width, height: image size in pixels.
    """
    count, cameras = len(centers), len(camera_starts) - 1
    tiles_x, tiles_y = -(-width // TILE), -(-height // TILE)
    records = np.empty((count, RECORD), np.float32)
    boxes = np.empty((count, 4), np.int32)
    slot_starts = np.zeros(count + 1, np.int64)
    run(_measure, even_parts(count), centers, shapes, opacities, width, height, records, boxes, slot_starts)
    np.cumsum(slot_starts, out=slot_starts)

    order = np.empty(count, np.int32)
    order_starts = np.zeros(cameras + 1, np.int64)
    for camera, (first, last) in enumerate(zip(camera_starts[:-1], camera_starts[1:])):
        visible = first + np.flatnonzero(np.diff(slot_starts[first : last + 1]))
        # The bits of positive floats have the same order as the floats; the index in the low bits breaks ties.
        keys = (depths[visible].view(np.uint32).astype(np.uint64) << np.uint64(32)) | visible.astype(np.uint64)
        keys.sort()
        start = order_starts[camera]
        order_starts[camera + 1] = start + len(keys)
        order[start : start + len(keys)] = keys.astype(np.uint32)

    # Each thread writes to separate tile rows.
    tile_rows = even_parts(cameras * tiles_y)
    tile_starts = np.zeros(cameras * tiles_y * tiles_x + 1, np.int64)
    run(_count, tile_rows, order, order_starts, boxes, tiles_x, tiles_y, tile_starts)
    np.cumsum(tile_starts, out=tile_starts)
    ids, slots = np.empty(tile_starts[-1], np.int32), np.empty(tile_starts[-1], np.int32)
    run(_distribute, tile_rows, order, order_starts, boxes, slot_starts, tiles_x, tiles_y, tile_starts, ids, slots)
    return Bins(records, tile_starts, ids, slots, slot_starts, tiles_x, tiles_y)


@kernel
def _measure(first, last, centers, shapes, opacities, width, height, records, boxes, slot_starts):
    """Each splat's record, box of tiles (left, top, right, bottom) and number of tiles."""
    for m in range(first, last):
        x, y = np.float64(centers[m, 0]), np.float64(centers[m, 1])
        a, r, k = np.float64(shapes[m, 0]), np.float64(shapes[m, 1]), np.float64(shapes[m, 2])
        reach = np.log(np.float64(opacities[m]) / ALPHA_MIN) if a > 0 else -1.0
        boxes[m, :] = 0
        if not reach >= 0:
            continue
        reach = reach * 1.0001 + 1e-4  # a margin for rounding: the exact test comes later
        half_x, half_y = np.sqrt(2 * reach * (1 / a + r * r / k)), np.sqrt(2 * reach / k)
        left, right = max(np.ceil(x - half_x - 0.5), 0.0), min(np.floor(x + half_x - 0.5) + 1, np.float64(width))
        top, bottom = max(np.ceil(y - half_y - 0.5), 0.0), min(np.floor(y + half_y - 0.5) + 1, np.float64(height))
        if not (left < right and top < bottom):
            continue
        boxes[m, 0], boxes[m, 1] = int(left) // TILE, int(top) // TILE
        boxes[m, 2], boxes[m, 3] = (int(right) + TILE - 1) // TILE, (int(bottom) + TILE - 1) // TILE
        records[m, X], records[m, Y] = centers[m, 0], centers[m, 1]
        records[m, HALF_A], records[m, SHEAR], records[m, HALF_K] = 0.5 * a, r, 0.5 * k
        records[m, OPACITY], records[m, REACH] = opacities[m], reach
        slot_starts[m + 1] = (boxes[m, 2] - boxes[m, 0]) * (boxes[m, 3] - boxes[m, 1])


@kernel
def _count(first, last, order, order_starts, boxes, tiles_x, tiles_y, tile_starts):
    """Count the splats of each tile in tile rows first..last, at the tile's index + 1."""
    for camera in range(first // tiles_y, (last - 1) // tiles_y + 1):
        low, high = max(first - camera * tiles_y, 0), min(last - camera * tiles_y, tiles_y)
        for i in range(order_starts[camera], order_starts[camera + 1]):
            m = order[i]
            for row in range(max(boxes[m, 1], low), min(boxes[m, 3], high)):
                tile = (camera * tiles_y + row) * tiles_x
                for column in range(boxes[m, 0], boxes[m, 2]):
                    tile_starts[tile + column + 1] += 1


@kernel
def _distribute(first, last, order, order_starts, boxes, slot_starts, tiles_x, tiles_y, tile_starts, ids, slots):
    """Write the splats, nearest first, and the slots of the intersections for the tiles of tile rows first..last."""
    free = tile_starts[first * tiles_x : last * tiles_x].copy()
    for camera in range(first // tiles_y, (last - 1) // tiles_y + 1):
        low, high = max(first - camera * tiles_y, 0), min(last - camera * tiles_y, tiles_y)
        for i in range(order_starts[camera], order_starts[camera + 1]):
            m = order[i]
            across = boxes[m, 2] - boxes[m, 0]
            for row in range(max(boxes[m, 1], low), min(boxes[m, 3], high)):
                tile = (camera * tiles_y + row - first) * tiles_x
                slot = slot_starts[m] + (row - boxes[m, 1]) * across - boxes[m, 0]
                for column in range(boxes[m, 0], boxes[m, 2]):
                    place = free[tile + column]
                    ids[place] = m
                    slots[place] = slot + column
                    free[tile + column] = place + 1
