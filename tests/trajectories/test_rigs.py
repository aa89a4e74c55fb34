import dataclasses
import inspect
import itertools
from typing import get_args

import numpy as np
import pytest

from trajectories import RIGS, Framing, InputError, make_rig
from trajectories.rigs import FLOOR, GOLDEN_ANGLE, FramingOptions, RigName, RigOptions

TARGET = np.array([0.0, 0.0, 0.6])
RADIUS = 4.5
COUNTS = list(itertools.product(range(1, 8), range(1, 18)))


@pytest.mark.slow
@pytest.mark.parametrize("name", RIGS)
def test_every_rig_for_any_number_of_views_and_frames(name):
    for views, frames in COUNTS:
        rig = make_rig(name, views, frames)
        assert rig.cameras.shape == (views, frames)
        assert rig.names == tuple(f"cam{i:02d}" for i in range(views))
        np.testing.assert_allclose(rig.times, np.arange(frames) / 8)
        towards = TARGET - rig.cameras.centers
        towards /= np.linalg.norm(towards, axis=-1, keepdims=True)
        np.testing.assert_allclose(rig.cameras.forward, towards, atol=1e-9)
        assert rig.cameras.centers[..., 2].min() > 0.1
        assert np.abs(rig.cameras.R[..., 2, 0]).max() < 1e-9, "the horizon is level"
        assert (rig.cameras.width, rig.cameras.height) == (128, 128)


@pytest.mark.parametrize("name", RIGS)
def test_every_rig_has_a_one_sentence_summary(name):
    line = (RIGS[name].__doc__ or "").splitlines()[0]
    assert line.endswith(".") and line.count(".") == 1


@pytest.mark.parametrize("name", ["circle", "upper_hemi"])
def test_all_videos_start_at_one_camera(name):
    for views, frames in COUNTS:
        start = make_rig(name, views, frames).cameras[:, 0]
        np.testing.assert_allclose(start.c2w, np.broadcast_to(start.c2w[0], (views, 4, 4)), atol=1e-12)
        # At -90 degrees and 20 above the horizon, looking along +y.
        np.testing.assert_allclose(
            start.centers[0], [0, -RADIUS * np.cos(np.radians(20)), 0.6 + RADIUS * np.sin(np.radians(20))], atol=1e-12
        )


def test_circle_by_hand():
    """Four views from straight ahead at 4 m, far above the ground: right, down, left, up by 2 m."""
    rig = make_rig("circle", 4, 5, target=(0, 0, 10), radius=4.0, elevation=0.0)
    expected = np.array([[2, -4, 10], [0, -4, 8], [-2, -4, 10], [0, -4, 12]], dtype=float)
    np.testing.assert_allclose(rig.cameras.centers[:, -1], expected, atol=1e-12)
    np.testing.assert_allclose(rig.cameras.centers[:, 2], (expected + rig.cameras.centers[:, 0]) / 2, atol=1e-12)


def test_circle_moves_by_its_spread_above_the_floor():
    for views in range(1, 8):
        ends = make_rig("circle", views, 9, spread=0.7).cameras.centers
        travel = np.linalg.norm(ends[:, -1] - ends[:, 0], axis=-1)
        free = ends[:, -1, 2] > FLOOR
        np.testing.assert_allclose(travel[free], 0.7 * RADIUS)
        assert (travel[~free] < 0.7 * RADIUS).all() and free.any()


def test_a_rig_below_the_ground_is_not_raised():
    rig = make_rig("circle", 4, 3, target=(0, 0, -10))
    assert rig.cameras.centers[..., 2].max() < 0
    np.testing.assert_allclose(rig.cameras.centers[1, -1, 2], rig.cameras.centers[1, 0, 2], atol=1e-12)


def test_a_path_over_the_zenith_does_not_flip():
    rig = make_rig("circle", 4, 60, elevation=np.radians(80), spread=1.0)
    R = rig.cameras.R
    cosine = (np.einsum("vtij,vtij->vt", R[:, 1:], R[:, :-1]) - 1) / 2
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).max() < 3


def test_upper_hemi_covers_left_to_right_over_the_top():
    rig = make_rig("upper_hemi", 3, 2, elevation=0.0)
    moved = rig.cameras.centers[:, -1] - rig.cameras.centers[:, 0]
    np.testing.assert_allclose(moved, 2.25 * np.array([[-1, 0, 0], [0, 0, 1], [1, 0, 0]]), atol=1e-12)
    for views in range(1, 8):
        centers = make_rig("upper_hemi", views, 5).cameras.centers
        assert (centers[:, 1:, 2] >= centers[:, :1, 2] - 1e-12).all()


@pytest.mark.parametrize("views", range(1, 8))
def test_the_arcs_of_orbit_cover_the_circle(views):
    centers = make_rig("orbit", views, 9).cameras.centers
    azimuth = np.unwrap(np.arctan2(centers[..., 1], centers[..., 0]), axis=1)
    sweep = np.minimum(2 * np.pi / views, np.pi / 2)
    np.testing.assert_allclose(np.diff(azimuth, axis=1), sweep / 8, atol=1e-9)
    if views >= 4:
        np.testing.assert_allclose(centers[:, -1], np.roll(centers[:, 0], -1, axis=0), atol=1e-9)
    starts = np.sort(np.mod(azimuth[:, 0] - azimuth[0, 0] + 1e-9, 2 * np.pi))
    np.testing.assert_allclose(starts, 2 * np.pi * np.arange(views) / views, atol=1e-6)


def test_orbit_has_a_sweep_option():
    centers = make_rig("orbit", 2, 3, sweep=np.pi, azimuth=0.0, elevation=0.0, target=(1, 0, 1)).cameras.centers
    np.testing.assert_allclose(centers[0], [[5.5, 0, 1], [1, 4.5, 1], [-3.5, 0, 1]], atol=1e-12)


def test_dome_rises_at_constant_azimuth():
    local = make_rig("dome", 5, 7).cameras.centers - TARGET
    elevation = np.degrees(np.arcsin(local[..., 2] / RADIUS))
    np.testing.assert_allclose(elevation, np.broadcast_to(np.linspace(10, 70, 7), (5, 7)))
    azimuth = np.arctan2(local[..., 1], local[..., 0])
    np.testing.assert_allclose(azimuth, np.broadcast_to(azimuth[:, :1], (5, 7)), atol=1e-9)
    turns = np.exp(1j * azimuth[:, 0])
    np.testing.assert_allclose(turns[1:] / turns[:-1], np.exp(1j * GOLDEN_ANGLE), atol=1e-9)
    raised = make_rig("dome", 1, 2, elevation=np.radians(30), top=np.radians(50)).cameras.centers - TARGET
    np.testing.assert_allclose(np.degrees(np.arcsin(raised[0, :, 2] / RADIUS)), [30, 50])


def test_interpolate_between_two_given_paths(random_cameras):
    first, last = random_cameras(0, 6), random_cameras(1, 6)
    rig = make_rig("interpolate", 5, 6, first=first, last=last, fps=24)
    np.testing.assert_allclose(rig.cameras[0].c2w, first.c2w, atol=1e-9)
    np.testing.assert_allclose(rig.cameras[-1].c2w, last.c2w, atol=1e-9)
    np.testing.assert_allclose(rig.cameras[2].centers, (first.centers + last.centers) / 2)
    np.testing.assert_allclose(rig.cameras[1].K, 0.75 * first.K + 0.25 * last.K)
    assert rig.times[1] == 1 / 24
    np.testing.assert_allclose(
        make_rig("interpolate", 1, 6, first=first, last=last).cameras[0].c2w, first.c2w, atol=1e-9
    )


def test_interpolate_refuses_mismatched_paths(random_cameras):
    path = random_cameras(0, 6)
    with pytest.raises(InputError, match="one path"):
        make_rig("interpolate", 3, 6, first=path)
    with pytest.raises(InputError, match="The path `last`"):
        make_rig("interpolate", 3, 6, first=path, last=path[:5])
    with pytest.raises(InputError, match="160x90 and 80x90"):
        make_rig("interpolate", 3, 6, first=path, last=random_cameras(1, 6, width=80))


def test_static_cameras_are_evenly_spaced():
    centers = make_rig("static", 4, 3, elevation=0.0).cameras.centers
    expected = [[0, -4.5, 0.6], [4.5, 0, 0.6], [0, 4.5, 0.6], [-4.5, 0, 0.6]]
    np.testing.assert_allclose(centers, np.repeat(np.array(expected)[:, None], 3, axis=1), atol=1e-12)


@pytest.mark.parametrize("name", ["circle", "upper_hemi", "orbit", "dome", "interpolate"])
def test_easing_does_not_change_the_ends(name):
    plain, eased = make_rig(name, 3, 9), make_rig(name, 3, 9, easing="in-out")
    for t in (0, -1):
        np.testing.assert_allclose(eased.cameras[:, t].c2w, plain.cameras[:, t].c2w, atol=1e-12)
    steps = np.linalg.norm(np.diff(eased.cameras.centers[1], axis=0), axis=-1)
    assert steps[0] < 0.5 * steps[4]


def test_intrinsics_frame_rate_and_size_are_options():
    rig = make_rig("orbit", 2, 4, fov=np.radians(90), width=200, height=100, fps=2)
    np.testing.assert_allclose(rig.cameras.K[1, 2], [[50, 0, 100], [0, 50, 50], [0, 0, 1]])
    np.testing.assert_allclose(rig.times, [0, 0.5, 1, 1.5])


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(InputError, match="no rig 'circel'; did you mean 'circle'"):
        make_rig("circel", 2, 2)
    with pytest.raises(InputError, match="no option 'spred'; did you mean 'spread'"):
        make_rig("circle", 2, 2, spred=1.0)
    with pytest.raises(InputError, match="'static' has no option 'easing'"):
        make_rig("static", 2, 2, easing="in")


@pytest.mark.parametrize("name", RIGS)
def test_counts_below_one_are_refused(name):
    with pytest.raises(InputError, match="has 0 views"):
        make_rig(name, 0, 2)
    with pytest.raises(InputError, match="has -1 frames"):
        make_rig(name, 2, -1)


@pytest.mark.parametrize("option", [{"radius": 0.0}, {"fps": -1.0}, {"radius": np.nan}, {"target": (0, 0, np.inf)}])
def test_options_out_of_range_are_refused_with_their_name(option):
    with pytest.raises(InputError, match=next(iter(option))):
        make_rig("orbit", 2, 2, **option)


def test_the_typed_options_are_those_of_the_functions():
    framing = {field.name for field in dataclasses.fields(Framing)}
    assert framing == FramingOptions.__optional_keys__
    parameters = [p for rig in RIGS.values() for p in inspect.signature(rig).parameters.values()]
    own = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert framing | own == RigOptions.__optional_keys__
    assert get_args(RigName) == tuple(RIGS)
