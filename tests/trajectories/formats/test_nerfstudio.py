import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajectories import InputError, look_at
from trajectories.formats.nerfstudio import Transforms, read_transforms, write_transforms
from trajectories.lens import Lens

LENS = {"fl_x": 100.0, "fl_y": 110.0, "cx": 80.0, "cy": 45.0, "w": 160, "h": 90}
FRAME = {"file_path": "images/a.png", "transform_matrix": np.eye(4).tolist()}


def written(tmp_path, content):
    path = tmp_path / "transforms.json"
    path.write_text(json.dumps(content))
    return path


def with_frames(*changes, **top):
    return {**LENS, **top, "frames": [{**FRAME, **change} for change in changes]}


def test_the_opengl_flip_by_hand(tmp_path):
    """An OpenGL identity pose looks along -z with y up; in OpenCV axes, the camera's y and z are reversed."""
    cameras = read_transforms(written(tmp_path, with_frames({}))).cameras
    np.testing.assert_array_equal(cameras.c2w[0], np.diag([1.0, -1.0, -1.0, 1.0]))
    np.testing.assert_array_equal(cameras.forward[0], [0, 0, -1])
    np.testing.assert_array_equal(cameras.K[0], [[100, 0, 80], [0, 110, 45], [0, 0, 1]])
    assert (cameras.width, cameras.height) == (160, 90)


def test_a_level_camera_is_written_with_opengl_axes(tmp_path, random_cameras):
    cameras = random_cameras(0, 1)
    level = type(cameras)(look_at([[0, -4, 1]], [[0, 0, 1]]), cameras.K, cameras.width, cameras.height)
    write_transforms(Transforms(("a.png",), level), tmp_path / "transforms.json")
    matrix = json.loads((tmp_path / "transforms.json").read_text())["frames"][0]["transform_matrix"]
    # x right is +x, y up is +z, z backward is -y.
    np.testing.assert_allclose(matrix, [[1, 0, 0, 0], [0, 0, -1, -4], [0, 1, 0, 1], [0, 0, 0, 1]], atol=1e-15)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 5), shared=st.booleans())
def test_the_round_trip_is_exact(random_cameras, tmp_path_factory, seed, n, shared):
    cameras = random_cameras(seed, n)
    if shared:
        cameras = type(cameras)(cameras.c2w, cameras.K[0], cameras.width, cameras.height)
    names = tuple(f"images/cam/{i:05d}.png" for i in range(n))
    rng = np.random.default_rng(seed)
    transforms = Transforms(
        file_paths=names,
        cameras=cameras,
        times=rng.uniform(0, 5, n),
        videos=tuple(rng.choice(["left", "right"], n).tolist()),
        ply_file_path="points.ply",
        splits={"train_filenames": names[:1], "val_filenames": names[1:], "test_filenames": ()},
    )
    folder = tmp_path_factory.mktemp("scene")
    write_transforms(transforms, folder / "transforms.json")
    back = read_transforms(folder)
    np.testing.assert_array_equal(back.cameras.c2w, cameras.c2w)
    np.testing.assert_array_equal(back.cameras.K, cameras.K)
    np.testing.assert_array_equal(back.times, transforms.times)
    assert (back.file_paths, back.videos, back.ply_file_path) == (names, transforms.videos, "points.ply")
    assert back.splits == transforms.splits
    assert back.applied_transform is None


def test_missing_optional_fields_are_none(tmp_path):
    back = read_transforms(written(tmp_path, with_frames({})))
    assert (back.times, back.videos, back.ply_file_path, back.splits) == (None, None, None, {})


def test_intrinsics_and_size_may_be_in_the_frames(tmp_path):
    content = {"frames": [{**FRAME, **LENS}, {**FRAME, **LENS, "fl_x": 50.0}]}
    cameras = read_transforms(written(tmp_path, content)).cameras
    np.testing.assert_array_equal(cameras.K[:, 0, 0], [100, 50])
    content = with_frames({}, {"fl_x": 50.0})  # the frame overrides the top level
    np.testing.assert_array_equal(read_transforms(written(tmp_path, content)).cameras.K[:, 0, 0], [100, 50])


def test_distortion_may_be_at_the_top_level_or_in_a_frame(tmp_path):
    terms = {f"k{n}": n / 100 for n in range(1, 7)} | {"p1": 0.001, "p2": -0.002}
    read = read_transforms(written(tmp_path, with_frames({}, {"k1": 0.5, "k6": 0.0}, **terms)))
    assert read.lenses == (
        Lens(160, 90, 100, 110, 80, 45, (0.01, 0.02, 0.001, -0.002, 0.03, 0.04, 0.05, 0.06)),
        Lens(160, 90, 100, 110, 80, 45, (0.5, 0.02, 0.001, -0.002, 0.03, 0.04, 0.05)),
    )
    np.testing.assert_array_equal(read.cameras.K, [lens.undistorted_K for lens in read.lenses])


@pytest.mark.parametrize("field", [{"camera_model": "OPENCV_FISHEYE"}, {"camera_model": "OPENCV", "is_fisheye": True}])
def test_a_fisheye_has_four_terms(tmp_path, field):
    read = read_transforms(written(tmp_path, with_frames({}, **field, k1=0.1, k2=0.2, k3=0.3, k4=0.4)))
    assert read.lenses == (Lens(160, 90, 100, 110, 80, 45, (0.1, 0.2, 0.3, 0.4), fisheye=True),)


def test_frames_of_several_sizes_get_cameras_of_one_size(tmp_path):
    read = read_transforms(written(tmp_path, with_frames({}, {"w": 320, "fl_x": 300.0}, {})))
    assert (read.cameras.width, read.cameras.height) == (160, 90)
    np.testing.assert_array_equal(read.cameras.K[:, 0, 0], [100, 150, 100])
    assert read.lenses is not None and read.lenses[1].size == (320, 90)


def test_mask_paths_are_read(tmp_path):
    assert read_transforms(written(tmp_path, with_frames({}))).mask_paths is None
    read = read_transforms(written(tmp_path, with_frames({}, {"mask_path": "masks/b.png"})))
    assert read.mask_paths == (None, "masks/b.png")


def test_camera_ids_are_video_names(tmp_path):
    back = read_transforms(written(tmp_path, with_frames({"camera_id": 3, "time": 0.5}, {"camera_id": 4, "time": 1})))
    assert back.videos == ("3", "4")
    np.testing.assert_array_equal(back.times, [0.5, 1.0])


def test_applied_transform_and_scale_are_undone_for_cameras_and_points(tmp_path):
    """The converter rotated the world by 90 degrees about x, shifted it and doubled it."""
    applied = [[1, 0, 0, 5], [0, 0, -1, 0], [0, 1, 0, 0]]
    world_point = np.array([1.0, 2.0, 3.0])
    file_point = 2 * (np.array(applied) @ [*world_point, 1.0])
    pose = np.eye(4)
    pose[:3, 3] = file_point
    content = with_frames(
        {"transform_matrix": pose.tolist()}, applied_transform=applied, applied_scale=2.0, ply_file_path="p.ply"
    )
    transforms = read_transforms(written(tmp_path, content))
    np.testing.assert_allclose(transforms.cameras.centers[0], world_point, atol=1e-12)
    np.testing.assert_allclose(transforms.points_to_world(file_point[None])[0], world_point, atol=1e-12)
    # OpenGL's backward axis is z in the file, which is y in the world; the camera looks along -y.
    np.testing.assert_allclose(transforms.cameras.forward[0], np.array(applied)[:, :3].T @ [0, 0, -1], atol=1e-12)
    write_transforms(transforms, tmp_path / "again.json")
    again = json.loads((tmp_path / "again.json").read_text())
    np.testing.assert_allclose(again["applied_transform"], applied, atol=1e-12)
    np.testing.assert_allclose(again["applied_scale"], 2.0)
    np.testing.assert_allclose(again["frames"][0]["transform_matrix"], pose, atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 100))
def test_round_trip_with_an_applied_transform(random_cameras, tmp_path_factory, seed, scale):
    applied = np.diag([scale, scale, scale, 1.0]) @ random_cameras(seed, 1).c2w[0]
    transforms = Transforms(("a", "b"), random_cameras(seed + 1, 2), applied_transform=applied)
    folder = tmp_path_factory.mktemp("scene")
    write_transforms(transforms, folder / "transforms.json")
    back = read_transforms(folder)
    np.testing.assert_allclose(back.cameras.c2w, transforms.cameras.c2w, atol=1e-9)
    np.testing.assert_allclose(back.applied_transform, applied, rtol=1e-9, atol=1e-9 * scale)


def test_points_do_not_change_without_an_applied_transform(random_cameras):
    points = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(Transforms(("a",), random_cameras(0, 1)).points_to_world(points), points)


MIRRORED = np.diag([1.0, 1.0, -1.0, 1.0]).tolist()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({**LENS}, "'frames' must be a list"),
        ({**LENS, "frames": []}, "'frames' must be a list"),
        ({"frames": [FRAME]}, r"frame 0 \(images/a.png\): the field 'fl_x' is missing"),
        (with_frames({"file_path": 7}), "frame 0: 'file_path' is 7"),
        (with_frames({}, {"transform_matrix": MIRRORED}), r"frame 1 \(images/a.png\): the pose is not a rotation"),
        (with_frames({"transform_matrix": [[1, 2], [3, 4]]}), "'transform_matrix' is .* 4x4 numbers are expected"),
        (with_frames({}, fl_x="long"), "'fl_x' is 'long'"),
        (with_frames({}, fl_x=-5), r"frame 0 \(images/a.png\): the intrinsics"),
        (with_frames({}, k1=-900), r"frame 0 \(images/a.png\): the lens distortion .* folds"),
        (with_frames({"p2": "high"}), "'p2' is 'high'"),
        (
            with_frames({}, camera_model="EQUIRECTANGULAR"),
            "'camera_model' is 'EQUIRECTANGULAR', which is not supported",
        ),
        (with_frames({}, camera_model="OPENCV_FISHEYE", p1=0.1), "'p1' is 0.1, but a fisheye has only k1 to k4"),
        (with_frames({}, h=90.5), "'h' is 90.5; a whole number"),
        (with_frames({"time": 1.0}, {}), "frame 1 has no 'time'"),
        (with_frames({"time": "noon"}), "'time' is"),
        (with_frames({}, applied_transform=MIRRORED), "cannot be undone"),
        (with_frames({}, applied_transform=np.eye(4).tolist(), applied_scale=0), "cannot be undone"),
        (
            with_frames({}, applied_transform=np.diag([1.0, 2.0, 3.0, 1.0]).tolist()),
            r"frame 0 \(images/a.png\): the pose is not a rotation",
        ),
    ],
)
def test_errors_name_the_frame_and_the_field(tmp_path, content, sentence):
    path = written(tmp_path, content)
    with pytest.raises(InputError, match=sentence) as error:
        read_transforms(path)
    assert str(path) in str(error.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"transforms\.json: there is no such file"):
        read_transforms(tmp_path)


def test_lengths_must_agree(random_cameras):
    with pytest.raises(InputError, match="2 cameras for 1 frames"):
        Transforms(("a",), random_cameras(0, 2))
    with pytest.raises(InputError, match="1 times for 2 frames"):
        Transforms(("a", "b"), random_cameras(0, 2), times=np.zeros(1))
