import importlib.util

import numpy as np
import pytest
from PIL import Image

from recon.poses import find_cameras, lacks_cameras, solved_capture
from recon.poses.find import check
from recon.poses.solve import pairs_to_match
from trajectories.cameras import Cameras
from trajectories.errors import InputError
from trajectories.rotations import look_at

W, H, F = 240, 180, 230.0


def texture(seed):
    """(256, 256, 3) noise of several scales."""
    import cv2

    draw = np.random.default_rng(seed)
    sizes = (8, 24, 64, 128)
    layers = [cv2.resize(draw.uniform(0, 255, (n, n, 3)), (256, 256), interpolation=cv2.INTER_CUBIC) for n in sizes]
    return np.clip(np.mean(layers, axis=0) * 1.6 - 75, 0, 255).astype(np.uint8)


def photo(c2w, seed=0):
    """A floor and two walls that meet in a corner, as the camera sees them."""
    import cv2

    rows, columns = np.mgrid[:H, :W] + 0.5
    rays = np.stack([(columns - W / 2) / F, (rows - H / 2) / F, np.ones((H, W))], axis=-1) @ c2w[:3, :3].T
    image, nearest = np.zeros((H, W, 3), np.uint8), np.full((H, W), np.inf)
    for axis in range(3):  # the planes x = 0, y = 0 and z = 0
        with np.errstate(divide="ignore"):
            depth = -c2w[axis, 3] / rays[..., axis]
        depth = np.where(depth > 0, depth, np.inf)
        seen = depth < nearest
        nearest = np.where(seen, depth, nearest)
        where = c2w[:3, 3] + np.where(seen, depth, 0)[..., None] * rays
        uv = np.delete(where, axis, axis=-1).astype(np.float32) * 64 % 255
        drawn = cv2.remap(
            texture(10 * seed + axis), uv[..., 0], uv[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
        )
        image[seen] = drawn[seen]
    return image


def poses(count, angles=(0.5, 1.1)):
    a = np.linspace(*angles, count)
    return look_at(np.stack([4 * np.cos(a), 4 * np.sin(a), 2 + 0.2 * np.cos(9 * a)], axis=1), np.array([0.4, 0.4, 0.6]))


def write(folder, images, **options):
    folder.mkdir(exist_ok=True)
    for n, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{n}.png", **options)
    return folder


@pytest.mark.slow
def test_cameras_of_a_drawn_corner(tmp_path):
    true = poses(8)
    photos = write(tmp_path / "photos", [photo(c2w) for c2w in true])
    find_cameras(photos, tmp_path / "work")
    capture = solved_capture(tmp_path / "work")
    assert len(capture) == 8 and capture.points is not None and len(capture.points.positions) > 100
    found: Cameras = capture.cameras
    relative = np.swapaxes(found.R[:1], -1, -2) @ found.R
    wanted = np.swapaxes(true[:1, :3, :3], -1, -2) @ true[:, :3, :3]
    cosines = (np.trace(np.swapaxes(relative, -1, -2) @ wanted, axis1=1, axis2=2) - 1) / 2
    assert np.degrees(np.arccos(np.clip(cosines, -1, 1))).max() < 1.5
    steps = [np.linalg.norm(centers - centers[:1], axis=1) for centers in (found.centers, true[:, :3, 3])]
    np.testing.assert_allclose(steps[0] / steps[0][-1], steps[1] / steps[1][-1], atol=0.02)
    assert found.R[:, 2, 1].mean() < -0.7  # z is up
    # A second run takes up what is there, and gives the same bytes.
    model = (tmp_path / "work" / "sparse" / "0" / "images.bin").read_bytes()
    find_cameras(photos, tmp_path / "work")
    assert (tmp_path / "work" / "sparse" / "0" / "images.bin").read_bytes() == model


@pytest.mark.slow
def test_photos_of_two_places(tmp_path):
    photos = write(tmp_path / "photos", [photo(poses(2)[0]), photo(poses(2)[1], seed=5)])
    with pytest.raises(InputError, match=r"photos: the cameras were not found: too few matches"):
        find_cameras(photos, tmp_path / "work")


@pytest.mark.slow
def test_a_camera_that_only_turns(tmp_path):
    turns = look_at(np.array([3, 2.5, 2.0]), np.array([[0.2 * n, 1 - 0.2 * n, 0.6] for n in range(6)]))
    photos = write(tmp_path / "photos", [photo(c2w) for c2w in turns])
    with pytest.raises(InputError, match="only turned in place"):
        find_cameras(photos, tmp_path / "work")


def test_what_is_refused_at_once(tmp_path, monkeypatch):
    photos = write(tmp_path / "photos", [photo(poses(2)[0])])
    with pytest.raises(InputError, match="holds one photo"):
        check(photos)
    (tmp_path / "walk.mp4").write_bytes(b"")
    with pytest.raises(InputError, match="does not open"):
        check(tmp_path / "walk.mp4")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'cvd3d\[colmap\]'"):
        check(photos)


def test_what_lacks_cameras(tmp_path):
    photos = write(tmp_path / "photos", [photo(poses(2)[0])])
    (tmp_path / "walk.mp4").write_bytes(b"")
    assert lacks_cameras(photos, None) and lacks_cameras(tmp_path / "walk.mp4", None)
    assert not lacks_cameras(tmp_path / "walk.mp4", tmp_path / "walk.txt")
    (photos / "transforms.json").write_text("{}")
    assert not lacks_cameras(photos, None) and not lacks_cameras(tmp_path / "nowhere", None)


def test_pairs_to_match():
    assert pairs_to_match(3) == [(0, 1), (0, 2), (1, 2)]
    many = pairs_to_match(200)
    assert len(many) < 5000 and (17, 18) in many and (17, 49) in many and (0, 195) in many and (17, 60) not in many
