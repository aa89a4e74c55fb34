"""Undistortion: dots drawn at distorted positions must end up at the pinhole camera's positions."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from recon.capture import ImageFile, Undistorted, load_capture
from recon.capture.undistortion import _maps
from trajectories.lens import Lens

SIZE = WIDTH, HEIGHT = 320, 240
DEPTH = 4.0
FOLDERS = {
    "SIMPLE_RADIAL": ("260 166 115 -0.15", (-0.15,)),
    "RADIAL": ("260 166 115 -0.2 0.05", (-0.2, 0.05)),
    "OPENCV": ("260 250 166 115 -0.25 0.06 0.004 -0.006", (-0.25, 0.06, 0.004, -0.006)),
    "FULL_OPENCV": (
        "260 250 166 115 -0.3 0.1 0.002 -0.003 0.02 0.05 -0.01 0.004",
        (-0.3, 0.1, 0.002, -0.003, 0.02, 0.05, -0.01, 0.004),
    ),
    "OPENCV_FISHEYE": ("180 170 166 115 0.05 -0.01 0.004 -0.002", (0.05, -0.01, 0.004, -0.002)),
    "SIMPLE_RADIAL_FISHEYE": ("180 166 115 0.05", (0.05,)),
    "RADIAL_FISHEYE": ("180 166 115 0.05 -0.02", (0.05, -0.02)),
}


def points_of_the_world():
    x, y = np.meshgrid(np.linspace(-2, 2, 9), np.linspace(-1.5, 1.5, 7))
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, DEPTH)], axis=1)


def distorted_pixels(points, fx, fy, cx, cy, distortion, fisheye):
    """Distortion by OpenCV, whose pixel centers differ from ours by half a pixel."""
    K = np.array([[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1]])
    distortion = np.array([*distortion, *[0.0] * (4 - len(distortion))])
    project = cv2.fisheye.projectPoints if fisheye else cv2.projectPoints
    return project(points[:, None], np.zeros(3), np.zeros(3), K, distortion)[0].reshape(-1, 2) + 0.5


def dots(pixels):
    """(H, W) uint8 with a soft dot at each pixel position."""
    u, v = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    squares = (u - pixels[:, 0, None, None]) ** 2 + (v - pixels[:, 1, None, None]) ** 2
    return np.round(255 * np.exp(-squares / (2 * 1.5**2)).max(axis=0)).astype(np.uint8)


def centroids(image, near, reach):
    """(N, 2) centers of brightness around pixel positions; image (H, W)."""
    found = []
    for x, y in near:
        left, top = int(x) - reach, int(y) - reach
        window = image[top : top + 2 * reach + 1, left : left + 2 * reach + 1]
        v, u = np.indices(window.shape) + 0.5
        found.append([left + (u * window).sum() / window.sum(), top + (v * window).sum() / window.sum()])
    return np.array(found)


def assert_dots_where_the_cameras_say(capture, scale=1.0):
    points = points_of_the_world()
    pixels = capture.cameras[0].project(points)[0]
    reach = int(6 * scale)
    size = capture.cameras.width, capture.cameras.height
    inside = ((pixels > reach + 2) & (pixels < np.array(size) - reach - 2)).all(axis=1)
    assert inside.sum() >= 20
    image = capture.image(0)
    assert image.shape == (size[1], size[0], 3)
    found = centroids(image[..., 0], pixels[inside], reach)
    assert np.abs(found - pixels[inside]).max() < 0.1
    return pixels


def colmap_capture(folder, model):
    parameters, distortion = FOLDERS[model]
    numbers = [float(number) for number in parameters.split()]
    focal = numbers[:2] if len(numbers) - len(distortion) == 4 else [numbers[0]] * 2
    pixels = distorted_pixels(points_of_the_world(), *focal, 166, 115, distortion, "FISHEYE" in model)
    (folder / "sparse").mkdir()
    (folder / "images").mkdir()
    (folder / "sparse" / "cameras.txt").write_text(f"1 {model} {WIDTH} {HEIGHT} {parameters}\n")
    (folder / "sparse" / "images.txt").write_text("1 1 0 0 0 0 0 0 1 a.png\n\n2 1 0 0 0 1 0 0 1 b.png\n\n")
    for name in ("a.png", "b.png"):
        Image.fromarray(dots(pixels)).save(folder / "images" / name)
    return load_capture(folder), pixels


@pytest.mark.parametrize("model", FOLDERS)
def test_points_land_where_the_pinhole_shows_them(tmp_path, model):
    capture, distorted = colmap_capture(tmp_path, model)
    straight = assert_dots_where_the_cameras_say(capture)
    assert np.abs(straight - distorted).max() > 3  # the distortion is visible


def test_undistorted_frames_can_be_shrunk(tmp_path):
    capture, _ = colmap_capture(tmp_path, "OPENCV")
    assert_dots_where_the_cameras_say(capture.resized(200, 150), 200 / 320)


@pytest.mark.parametrize("fisheye", [False, True])
def test_a_lens_of_transforms_json(tmp_path, fisheye):
    said = {"fl_x": 200.0, "fl_y": 190.0, "cx": 166.0, "cy": 115.0, "w": WIDTH, "h": HEIGHT}
    terms = {"k1": -0.1, "k2": 0.02} | ({} if fisheye else {"p1": 0.004, "p2": -0.006})
    pixels = distorted_pixels(points_of_the_world(), 200, 190, 166, 115, tuple(terms.values()), fisheye)
    poses = np.tile(np.diag([1.0, -1.0, -1.0, 1.0]), (2, 1, 1))
    poses[1, 0, 3] = 1.0
    frames = []
    for name, pose in zip("ab", poses):
        Image.fromarray(dots(pixels)).save(tmp_path / f"{name}.png")
        frames.append({"file_path": f"{name}.png", "transform_matrix": pose.tolist()})
    model = "OPENCV_FISHEYE" if fisheye else "OPENCV"
    (tmp_path / "transforms.json").write_text(json.dumps({**said, **terms, "camera_model": model, "frames": frames}))
    assert_dots_where_the_cameras_say(load_capture(tmp_path))


@pytest.mark.parametrize("terms", [(-0.3, 0.1), (0.2,), (-0.1, 0.0, 0.01, 0.02)])
@pytest.mark.parametrize("fisheye", [False, True])
def test_no_border_is_left_black(terms, fisheye):
    """Each pixel is read from inside the image: OpenCV's maps count from the center of the first pixel."""
    lens = Lens(WIDTH, HEIGHT, 200, 190, 170, 110, terms, fisheye)
    columns, rows = _maps(lens)
    assert columns.min() >= -0.5 and columns.max() <= WIDTH - 0.5
    assert rows.min() >= -0.5 and rows.max() <= HEIGHT - 0.5


def test_sizes_are_read_without_decoding(tmp_path):
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(tmp_path / "a.png")
    lens = Lens(WIDTH, HEIGHT, 200, 190, 170, 110, (0.1,))
    assert Undistorted(ImageFile(tmp_path / "a.png"), lens).size() == SIZE
