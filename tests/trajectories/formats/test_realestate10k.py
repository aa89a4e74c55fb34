import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajectories import Cameras, InputError
from trajectories.formats.realestate10k import read_poses, write_poses

URL = "https://www.youtube.com/watch?v=abc"
# World-to-camera: the world's y axis maps to the camera's z, its z axis to the camera's -y; then a translation.
LINE = "1500000 0.5 0.9 0.5 0.25 0 0 1 0 0 1.0 0 0 -1 2.0 0 1 0 3.0"


def written(tmp_path, *lines):
    path = tmp_path / "poses.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_line_by_hand(tmp_path):
    cameras, times = read_poses(written(tmp_path, URL, LINE), 384, 256)
    np.testing.assert_array_equal(times, [1.5])
    np.testing.assert_array_equal(cameras.K, [[[192, 0, 192], [0, 0.9 * 256, 64], [0, 0, 1]]])
    assert (cameras.width, cameras.height) == (384, 256)
    # c2w = w2c^-1: R transposed, center -R^T t = -(1, 3, -2).
    expected = [[1, 0, 0, -1], [0, 0, 1, -3], [0, -1, 0, 2], [0, 0, 0, 1]]
    np.testing.assert_allclose(cameras.c2w[0], expected, atol=1e-15)


def test_a_stretched_clip_keeps_its_fractions(tmp_path):
    """One file fits the clip at its original size and stretched: the intrinsics scale per axis."""
    path = written(tmp_path, URL, LINE)
    full, squeezed = read_poses(path, 1280, 720)[0], read_poses(path, 384, 256)[0]
    np.testing.assert_allclose(full.resized(384, 256).K, squeezed.K)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 5))
def test_round_trip(random_cameras, tmp_path_factory, seed, n):
    cameras = random_cameras(seed, n)
    times = np.cumsum(np.random.default_rng(seed).integers(1, 10**7, n)) / 1e6
    path = tmp_path_factory.mktemp("re10k") / "poses.txt"
    write_poses(cameras, times, path, url=URL)
    back, back_times = read_poses(path, cameras.width, cameras.height)
    np.testing.assert_array_equal(back_times, times)
    np.testing.assert_allclose(back.c2w, cameras.c2w, atol=1e-9)
    np.testing.assert_allclose(back.K, cameras.K, atol=1e-9)
    assert path.read_text().splitlines()[0] == URL


def test_the_url_may_be_missing_or_empty(tmp_path):
    for head in ([], [""], ["https://x y z"], ["no address"]):
        assert read_poses(written(tmp_path, *head, LINE), 4, 4)[0].shape == (1,)


def test_rounded_rotations_become_exact(tmp_path, random_cameras):
    cameras = random_cameras(5, 3)
    path = tmp_path / "poses.txt"
    rows = [" ".join(f"{x:.6f}" for x in w2c[:3].ravel()) for w2c in cameras.viewmats]
    path.write_text("\n".join([URL] + [f"{t} 0.5 0.5 0.5 0.5 0 0 {row}" for t, row in enumerate(rows)]))
    back, _ = read_poses(path, 4, 4)
    np.testing.assert_allclose(np.swapaxes(back.R, 1, 2) @ back.R, np.stack([np.eye(3)] * 3), atol=1e-14)
    np.testing.assert_allclose(back.viewmats[:, :3, 3], np.round(cameras.viewmats[:, :3, 3], 6), atol=1e-12)


def test_equal_time_stamps_are_replaced_by_the_frame_rate(tmp_path):
    path = written(tmp_path, URL, LINE, LINE, LINE)
    np.testing.assert_allclose(read_poses(path, 4, 4)[1], [0, 1 / 30, 2 / 30])
    np.testing.assert_allclose(read_poses(path, 4, 4, fps=8)[1], [0, 0.125, 0.25])


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([URL], "holds no poses"),
        ([URL, LINE + " 7"], "line 2: has 20 columns"),
        ([LINE, "", LINE.replace("3.0", "three")], "line 3: 'three' is not a number"),
        ([URL, LINE.replace("0 0 1 0 0 1.0", "0.1 0 1 0 0 1.0")], "line 2: columns 6 and 7 must be 0"),
        ([URL, LINE, LINE.replace("0 0 -1 2.0", "0 0 1 2.0")], "line 3: the pose is a mirror image"),
        ([URL, LINE.replace("0 0 -1 2.0", "0 0 -2 2.0")], "line 2: the pose is not a rotation"),
        ([URL, LINE.replace("2.0", "nan")], "line 2: the pose has a value that is not finite"),
        ([URL, LINE.replace(" 0.5 0.9", " 0 0.9")], "line 2: the intrinsics"),
        ([URL, LINE, LINE.replace("1500000", "1400000")], "line 3: the time stamp 1400000 does not increase"),
    ],
)
def test_errors_name_the_line(tmp_path, lines, sentence):
    path = written(tmp_path, *lines)
    with pytest.raises(InputError, match=sentence) as error:
        read_poses(path, 384, 256)
    assert str(path) in str(error.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_poses(tmp_path / "none.txt", 4, 4)


def test_invalid_cameras_are_not_written(tmp_path, random_cameras):
    with pytest.raises(InputError, match=r"both must be \(T,\)"):
        write_poses(random_cameras(0, 3), [0.0, 1.0], tmp_path / "poses.txt")
    skewed = Cameras(np.eye(4)[None], [[[5, 1, 2], [0, 5, 2], [0, 0, 1]]], 4, 4)
    with pytest.raises(InputError, match="skew"):
        write_poses(skewed, [0.0], tmp_path / "poses.txt")
    assert list(tmp_path.iterdir()) == []
