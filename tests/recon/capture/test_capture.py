import json

import av
import numpy as np
import pytest
from PIL import Image

from recon.capture import Capture, ImageFile, from_realestate10k, from_rig, load_capture, read_video
from recon.points import PointCloud, save_points
from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.errors import InputError
from trajectories.rig import Rig


def write_image(path, value, size=(32, 24)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), value, dtype=np.uint8)).save(path)


def line_of_cameras(N, width=32, height=24):
    c2w = np.tile(np.eye(4), (N, 1, 1))
    c2w[:, 0, 3] = np.arange(N)
    return Cameras(c2w, intrinsics_from_fov(1.0, width, height), width, height)


def small_rig():
    return Rig(line_of_cameras(6).reshape(2, 3), np.arange(3) / 8, ("left", "right"))


def write_rig_images(folder):
    for v, name in enumerate(("left", "right")):
        for t in range(3):
            write_image(folder / name / f"{t:05d}.png", 10 * (3 * v + t))


def write_video(path, frames, size=(32, 24)):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for value in range(frames):
            pixels = np.full((size[1], size[0], 3), 40 * value, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def write_poses(path, lines):
    rows = [
        f"{125000 * t} 0.5 0.9 0.5 0.5 0 0 1 0 0 {-t} 0 1 0 0 0 0 1 0" for t in range(lines)
    ]  # world-to-camera: the camera is at x = t
    path.write_text("\n".join(["https://example.org/clip", *rows]) + "\n")


def test_from_rig_orders_video_after_video(tmp_path):
    write_rig_images(tmp_path)
    capture = from_rig(small_rig(), tmp_path)
    assert capture.videos == ("left",) * 3 + ("right",) * 3
    np.testing.assert_array_equal(capture.times, [0, 0.125, 0.25] * 2)
    assert capture.image(4).dtype == np.float32
    np.testing.assert_allclose(capture.images([4, 1])[:, 0, 0, 0], [40 / 255, 10 / 255])
    np.testing.assert_array_equal(capture.subset([5, 0]).cameras.centers[:, 0], [5, 0])


def test_at_instant_takes_one_frame_of_each_video(tmp_path):
    write_rig_images(tmp_path)
    instant = from_rig(small_rig(), tmp_path).at_instant(0.14)
    assert instant.videos == ("left", "right")
    np.testing.assert_array_equal(instant.times, [0.125, 0.125])
    np.testing.assert_array_equal(instant.cameras.centers[:, 0], [1, 4])


def test_resized_scales_image_and_intrinsics(tmp_path):
    write_rig_images(tmp_path)
    capture = from_rig(small_rig(), tmp_path).resized(16, 12)
    assert capture.image(2).shape == (12, 16, 3)
    np.testing.assert_allclose(capture.cameras.K[0, 0], small_rig().cameras.K[0, 0, 0] / 2)
    capture.check_images()


def test_transparent_images_are_composited_on_black(tmp_path):
    pixels = np.full((4, 4, 4), 200, dtype=np.uint8)
    pixels[..., 3] = 0
    Image.fromarray(pixels).save(tmp_path / "clear.png")
    np.testing.assert_array_equal(ImageFile(tmp_path / "clear.png").read(), np.zeros((4, 4, 3)))


def test_realestate10k_frames_and_cameras(tmp_path):
    write_video(tmp_path / "clip.mp4", 3)
    write_poses(tmp_path / "clip.txt", 3)
    capture = load_capture(tmp_path / "clip.mp4", tmp_path / "clip.txt")
    np.testing.assert_allclose(capture.cameras.centers[:, 0], [0, 1, 2])
    np.testing.assert_allclose(np.diagonal(capture.cameras.K[0]), [16, 0.9 * 24, 1])
    np.testing.assert_allclose(np.diff(capture.times), 0.125)
    assert capture.videos == ("clip",) * 3
    np.testing.assert_allclose(capture.images().mean(axis=(1, 2, 3)), [0, 40 / 255, 80 / 255], atol=0.02)


@pytest.mark.parametrize(("frames", "lines"), [(4, 3), (3, 4)])
def test_realestate10k_counts_that_differ_use_what_both_have(tmp_path, frames, lines):
    write_video(tmp_path / "clip.mp4", frames)
    write_poses(tmp_path / "clip.txt", lines)
    with pytest.warns(UserWarning, match=f"{frames} frames .* {lines} poses; the first 3"):
        assert len(from_realestate10k(tmp_path / "clip.mp4", tmp_path / "clip.txt")) == 3


def test_nerfstudio_folder_is_recognized(tmp_path):
    frames = []
    for index in (0, 1):
        write_image(tmp_path / "images" / f"{index}.png", 60 * index)
        opengl = np.diag([1.0, -1.0, -1.0, 1.0])
        opengl[0, 3] = index
        frames.append({"file_path": f"images/{index}.png", "transform_matrix": opengl.tolist(), "time": 0.5 * index})
    save_points(PointCloud([[0, 0, 3]], [[1, 0, 0]], "by hand"), tmp_path / "points.ply")
    shared = {"fl_x": 30.0, "fl_y": 31.0, "cx": 16.0, "cy": 12.0, "w": 32, "h": 24, "ply_file_path": "points.ply"}
    (tmp_path / "transforms.json").write_text(json.dumps({**shared, "frames": frames}))
    capture = load_capture(tmp_path)
    np.testing.assert_allclose(capture.cameras.R, np.tile(np.eye(3), (2, 1, 1)))
    np.testing.assert_allclose(capture.cameras.centers[:, 0], [0, 1])
    np.testing.assert_allclose(capture.times, [0, 0.5])
    assert capture.points is not None and capture.points.source == "by hand"


def write_colmap(folder, names=("a.png", "b.png")):
    model = folder / "sparse" / "0"
    model.mkdir(parents=True)
    (model / "cameras.txt").write_text("1 PINHOLE 32 24 30 31 16 12\n")
    lines = [f"{i + 1} 1 0 0 0 {-i} 0 0 1 {name}\n\n" for i, name in enumerate(names)]
    (model / "images.txt").write_text("".join(lines))
    (model / "points3D.txt").write_text("1 0.5 0.25 4 255 0 0 0.1 1 0 2 0\n")


def test_colmap_folder_is_recognized(tmp_path):
    write_colmap(tmp_path)
    for name in ("a.png", "b.png"):
        write_image(tmp_path / "images" / name, 50)
    capture = load_capture(tmp_path)
    np.testing.assert_allclose(capture.cameras.centers[:, 0], [0, 1])
    assert capture.points is not None
    np.testing.assert_allclose(capture.points.positions, [[0.5, 0.25, 4]])
    np.testing.assert_allclose(capture.points.colors, [[1, 0, 0]])
    np.testing.assert_array_equal(capture.times, [0, 0])


def test_scene_folder_is_recognized(tmp_path):
    from trajectories.rig_file import save_rig

    write_rig_images(tmp_path / "images")
    save_rig(small_rig(), tmp_path / "rig.json")
    save_points(PointCloud([[0, 0, 3]], [[1, 0, 0]], "by hand"), tmp_path / "points.ply")
    capture = load_capture(tmp_path)
    assert len(capture) == 6 and capture.points is not None


def test_missing_image(tmp_path):
    write_rig_images(tmp_path)
    (tmp_path / "right" / "00001.png").unlink()
    with pytest.raises(InputError, match=r"right/00001\.png is missing"):
        from_rig(small_rig(), tmp_path)


def test_image_that_does_not_open(tmp_path):
    write_rig_images(tmp_path)
    (tmp_path / "left" / "00002.png").write_bytes(b"not an image")
    with pytest.raises(InputError, match=r"left/00002\.png does not open"):
        from_rig(small_rig(), tmp_path)


def test_truncated_image(tmp_path):
    write_rig_images(tmp_path)
    rng = np.random.default_rng(0)
    path = tmp_path / "left" / "00000.png"
    Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:900])
    capture = from_rig(small_rig(), tmp_path)
    with pytest.raises(InputError, match="does not open"):
        capture.image(0)


def test_frames_of_different_sizes(tmp_path):
    write_rig_images(tmp_path)
    write_image(tmp_path / "right" / "00000.png", 9, size=(16, 24))
    with pytest.raises(InputError, match="16x24 but its camera is for 32x24"):
        from_rig(small_rig(), tmp_path)


def test_captures_without_cameras_say_what_to_give(tmp_path):
    write_image(tmp_path / "folder" / "a.png", 1)
    with pytest.raises(InputError, match=r"1 images and videos but no cameras; add a rig\.json"):
        load_capture(tmp_path / "folder")
    write_video(tmp_path / "clip.mp4", 2)
    with pytest.raises(InputError, match="--poses"):
        load_capture(tmp_path / "clip.mp4")
    with pytest.raises(InputError, match="no capture at"):
        load_capture(tmp_path / "nowhere")
    with pytest.raises(InputError, match="pose file needs a video"):
        load_capture(tmp_path / "folder", tmp_path / "poses.txt")
    with pytest.raises(InputError, match="not a capture"):
        load_capture(tmp_path / "folder" / "a.png")


def test_video_that_does_not_open(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"not a video")
    with pytest.raises(InputError, match="does not open"):
        read_video(tmp_path / "clip.mp4")
    with pytest.raises(InputError, match="no video"):
        read_video(tmp_path / "none.mp4")


def capture_of(cameras):
    N = cameras.size
    return Capture(cameras, np.zeros(N), ("photos",) * N, (ImageFile("unread.png"),) * N)


def test_parallax_is_needed():
    with pytest.raises(InputError, match="one frame"):
        capture_of(line_of_cameras(1)).check_parallax()
    with pytest.raises(InputError, match="All 3 cameras stand in one place"):
        capture_of(line_of_cameras(4)[[2, 2, 2]]).check_parallax()
    capture_of(line_of_cameras(2)).check_parallax()


def turned(cameras, degrees):
    """Cameras rotated about their y axes by the given degrees."""
    angles = np.radians(degrees)
    c2w = cameras.c2w.copy()
    c2w[:, 0, 0] = c2w[:, 2, 2] = np.cos(angles)
    c2w[:, 0, 2], c2w[:, 2, 0] = np.sin(angles), -np.sin(angles)
    return Cameras(c2w, cameras.K, cameras.width, cameras.height)


def test_cameras_that_face_away_from_one_another_show_no_depth():
    with pytest.raises(InputError, match="No two of the 3 cameras see the same place"):
        capture_of(turned(line_of_cameras(3), [-120, 0, 120])).check_parallax()
    # Any two that overlap are enough.
    capture_of(turned(line_of_cameras(3), [-120, 0, 10])).check_parallax()
    # Face to face, they see the space between them.
    capture_of(turned(line_of_cameras(2), [90, -90])).check_parallax()
    # Two at one position overlap without parallax, and the third does not overlap.
    together = Cameras(line_of_cameras(3).c2w[[0, 0, 2]], line_of_cameras(3).K, 32, 24)
    with pytest.raises(InputError, match="No two"):
        capture_of(turned(together, [-90, -90, 90])).check_parallax()


def test_lengths_must_agree():
    with pytest.raises(InputError, match="one of each"):
        Capture(line_of_cameras(2), np.zeros(3), ("photos",) * 2, (ImageFile("unread.png"),) * 2)


def test_it_prints_in_one_line(tmp_path):
    write_rig_images(tmp_path)
    capture = from_rig(small_rig(), tmp_path)
    assert repr(capture) == "Capture(6 frames of 2 videos, 32x24, 0 to 0.25 s, no points)"
