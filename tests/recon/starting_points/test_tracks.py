import numpy as np

from recon.starting_points.tracks import _link, find_tracks, match_along_epipolar_lines, sift
from trajectories.geometry import fundamental_matrix

ROWS = np.array([[0.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""The fundamental matrix of a sideways translation: matches are in the same row."""


def unit(*angles):
    return np.array([[np.cos(a), np.sin(a)] for a in angles], dtype=np.float32)


def test_a_better_descriptor_off_the_epipolar_line_is_ignored():
    pixels = np.array([[10.0, 5.0]]), np.array([[8.0, 5.3], [8.0, 50.0]])
    matches, distances = match_along_epipolar_lines(pixels, (unit(0.0), unit(0.2, 0.0)), ROWS, band=1.0)
    np.testing.assert_array_equal(matches, [[0, 0]])
    np.testing.assert_allclose(distances, [2 - 2 * np.cos(0.2)], atol=1e-6)


def test_two_alike_on_the_line_are_refused():
    pixels = np.array([[10.0, 5.0]]), np.array([[8.0, 5.0], [3.0, 5.0]])
    matches, _ = match_along_epipolar_lines(pixels, (unit(0.0), unit(0.2, -0.21)), ROWS, band=1.0)
    assert len(matches) == 0


def test_matches_are_mutual():
    pixels = np.array([[10.0, 5.0], [12.0, 5.0]]), np.array([[8.0, 5.0]])
    matches, _ = match_along_epipolar_lines(pixels, (unit(0.3, 0.0), unit(0.05)), ROWS, band=1.0)
    np.testing.assert_array_equal(matches, [[1, 0]])


def test_no_features_no_matches():
    none = np.zeros((0, 2)), np.zeros((0, 2), dtype=np.float32)
    matches, _ = match_along_epipolar_lines((none[0], np.ones((1, 2))), (none[1], unit(0.0)), ROWS, band=1.0)
    assert matches.shape == (0, 2)


def test_a_track_has_no_view_twice():
    # Nodes 0 and 1 are in view 0; 2 in view 1; 3 in view 2. The last match would join 0 and 1.
    assert _link([[0, 2], [2, 3], [1, 3]], [0, 0, 1, 2]) == [[0, 2, 3]]


def test_sift_finds_blobs_where_they_are():
    y, x = np.mgrid[:64, :64] + 0.5
    image = np.zeros((64, 64), dtype=np.float32)
    for u, v in ((20.0, 15.0), (44.0, 30.0), (25.0, 50.0)):
        image += np.exp(-((x - u) ** 2 + (y - v) ** 2) / 18).astype(np.float32)
    pixels, descriptors = sift(np.repeat(image[..., None], 3, axis=-1), 100)
    np.testing.assert_allclose(np.linalg.norm(descriptors, axis=1), 1, atol=1e-5)
    for u, v in ((20.0, 15.0), (44.0, 30.0), (25.0, 50.0)):
        assert np.linalg.norm(pixels - (u, v), axis=1).min() < 0.5


def test_a_flat_image_has_no_features():
    pixels, descriptors = sift(np.full((32, 32, 3), 0.5, dtype=np.float32), 100)
    assert pixels.shape == (0, 2) and descriptors.shape == (0, 128)


def test_tracks_of_the_world_lie_on_epipolar_lines(world):
    cameras = world.capture.cameras
    found = find_tracks(cameras, world.capture.image, [(0, 1), (1, 2)], band=1.0)
    assert found.count > 20
    for track in range(found.count):
        mine = found.tracks == track
        views, pixels = found.views[mine], found.pixels[mine]
        assert len(set(views)) == len(views) >= 2
        line = fundamental_matrix(cameras[views[0]], cameras[views[1]]) @ [*pixels[0], 1.0]
        if {views[0], views[1]} != {0, 2}:
            assert abs(line @ [*pixels[1], 1.0]) / np.hypot(*line[:2]) < 1.0
