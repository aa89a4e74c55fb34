"""Splats in tiles, against a search over all pixels."""

import numpy as np

from recon.rasterize.binning import TILE, bin_splats


def random_splats(count, generator, size):
    centers = generator.uniform(-20, size + 20, (count, 2)).astype(np.float32)
    shapes = np.stack(
        [generator.uniform(0.01, 1, count), generator.normal(size=count), generator.uniform(0.01, 1, count)], 1
    ).astype(np.float32)
    opacities = generator.uniform(0.001, 1, count).astype(np.float32)
    depths = np.round(generator.uniform(1, 3, count), 1).astype(np.float32)  # many are equal
    return centers, shapes, opacities, depths


def test_every_pixel_finds_its_splats_front_to_back():
    width, height, count = 61, 45, 300
    centers, shapes, opacities, depths = random_splats(count, np.random.default_rng(0), width)
    shapes[7] = 0
    starts = np.array([0, 180, 180, count])
    bins = bin_splats(centers, shapes, opacities, depths, starts, width, height)
    y, x = np.mgrid[:height, :width] + 0.5
    for camera, (first, last) in enumerate(zip(starts[:-1], starts[1:])):
        for m in range(first, last):
            a, r, k = shapes[m].astype(np.float64)
            dx, dy = x - centers[m, 0], y - centers[m, 1]
            drawn = opacities[m] * np.exp(-0.5 * (a * (dx + r * dy) ** 2 + k * dy**2)) >= 1 / 255
            rows, columns = np.nonzero(drawn & (a > 0))
            for row, column in {(row // TILE, column // TILE) for row, column in zip(rows, columns)}:
                tile = (camera * bins.tiles_y + row) * bins.tiles_x + column
                assert m in bins.ids[bins.tile_starts[tile] : bins.tile_starts[tile + 1]]
    for tile in range(len(bins.tile_starts) - 1):
        ids = bins.ids[bins.tile_starts[tile] : bins.tile_starts[tile + 1]]
        keys = list(zip(depths[ids].tolist(), ids.tolist()))
        assert keys == sorted(keys)
        camera = tile // (bins.tiles_x * bins.tiles_y)
        assert all(starts[camera] <= m < starts[camera + 1] for m in ids)


def test_every_intersection_has_a_slot_of_its_splat():
    arrays = random_splats(200, np.random.default_rng(1), 64)
    bins = bin_splats(*arrays, np.array([0, 200]), 64, 64)
    assert sorted(bins.slots) == list(range(len(bins.ids)))
    assert bins.slot_starts[-1] == len(bins.ids)
    assert (bins.slots >= bins.slot_starts[bins.ids]).all()
    assert (bins.slots < bins.slot_starts[bins.ids + 1]).all()


def test_no_splats():
    empty = np.empty((0, 2), np.float32), np.empty((0, 3), np.float32), np.empty(0, np.float32), np.empty(0, np.float32)
    bins = bin_splats(*empty, np.array([0, 0]), 40, 20)
    assert bins.tile_starts.tolist() == [0] * 7
    assert len(bins.ids) == 0
