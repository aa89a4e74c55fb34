"""Imperfect captures: different sizes, rotations, missing files and masks."""

import json

import numpy as np
import pytest
from PIL import Image

from recon.capture import load_capture
from trajectories.errors import InputError

WIDTH, HEIGHT = 32, 24


def write_image(path, value=50, size=(WIDTH, HEIGHT), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), value, dtype=np.uint8)).save(path, **options)


def write_transforms(folder, frames):
    """Write transforms.json with cameras side by side; `frames` are changes to each one."""
    shared = {"fl_x": 30.0, "fl_y": 31.0, "cx": 16.0, "cy": 12.0, "w": WIDTH, "h": HEIGHT}
    listed = []
    for n, frame in enumerate(frames):
        pose = np.diag([1.0, -1.0, -1.0, 1.0])
        pose[0, 3] = n
        listed.append({"file_path": f"images/{n}.png", "transform_matrix": pose.tolist(), "time": n / 2, **frame})
    (folder / "transforms.json").write_text(json.dumps({**shared, "frames": listed}))


def write_colmap(folder, sizes, focal=30):
    model = folder / "sparse" / "0"
    model.mkdir(parents=True)
    cameras = [f"{n + 1} PINHOLE {w} {h} {focal} {focal} {w / 2} {h / 2}\n" for n, (w, h) in enumerate(sizes)]
    images = [f"{n + 1} 1 0 0 0 {-n} 0 0 {n + 1} {n}.png\n\n" for n in range(len(sizes))]
    (model / "cameras.txt").write_text("".join(cameras))
    (model / "images.txt").write_text("".join(images))


def test_images_of_nearly_equal_aspect_are_resized_to_the_most_common_size(tmp_path):
    sizes = [(32, 24), (64, 48), (32, 24), (33, 24)]
    write_colmap(tmp_path, sizes)
    for n, size in enumerate(sizes):
        write_image(tmp_path / "images" / f"{n}.png", 10 * n, size)
    capture = load_capture(tmp_path)
    capture.check_images()
    assert capture.images().shape == (4, 24, 32, 3)
    np.testing.assert_allclose(capture.images()[:, 0, 0, 0] * 255, [0, 10, 20, 30], atol=1e-4)
    np.testing.assert_allclose(capture.cameras.K[:, 0, 0], [30, 15, 30, 30 * 32 / 33])
    np.testing.assert_allclose(capture.cameras.K[:, 1, 1], [30, 15, 30, 30])


def test_an_image_of_another_aspect_is_named_and_can_be_moved_away(tmp_path):
    sizes = [(32, 24), (32, 24), (24, 32)]
    write_colmap(tmp_path, sizes)
    for n, size in enumerate(sizes):
        write_image(tmp_path / "images" / f"{n}.png", 50, size)
    with pytest.raises(InputError, match=r"2\.png is 24x32 while most images are 32x24.* move the images"):
        load_capture(tmp_path)
    (tmp_path / "images" / "2.png").unlink()
    with pytest.warns(UserWarning, match=r"1 of the 3 images"):
        assert len(load_capture(tmp_path)) == 2


def test_an_image_that_is_stored_rotated_is_rotated_to_its_camera(tmp_path):
    pixels = np.zeros((WIDTH, HEIGHT, 3), np.uint8)
    pixels[0, 0] = 255  # the upper left corner moves to the lower left or the upper right
    exif = Image.Exif()
    for name, orientation in (("0", 6), ("1", 8)):
        exif[0x0112] = orientation
        path = tmp_path / "images" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path, exif=exif)
    write_transforms(tmp_path, [{}, {}])
    images = load_capture(tmp_path).images()
    assert images.shape == (2, HEIGHT, WIDTH, 3)
    assert images[0, 0, -1, 0] == 1 and images[1, -1, 0, 0] == 1


def test_an_image_that_is_stored_as_its_camera_is_not_rotated(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for n in (0, 1):
        write_image(tmp_path / "images" / f"{n}.png", 50, exif=exif)
    write_transforms(tmp_path, [{}, {}])
    assert load_capture(tmp_path).images().shape == (2, HEIGHT, WIDTH, 3)


def test_an_image_that_does_not_fit_its_camera_is_named(tmp_path):
    write_image(tmp_path / "images" / "0.png")
    write_image(tmp_path / "images" / "1.png", size=(24, 32))  # rotated without an EXIF tag
    write_transforms(tmp_path, [{}, {}])
    with pytest.raises(InputError, match=r"1\.png is 24x32 but its camera is for 32x24"):
        load_capture(tmp_path)


def test_missing_images_are_left_out_with_their_cameras_and_times(tmp_path):
    for n in (1, 4):
        write_image(tmp_path / "images" / f"{n}.png", 10 * n)
    write_transforms(tmp_path, [{"video": name} for name in "abcdef"])
    with pytest.warns(UserWarning) as warned:
        capture = load_capture(tmp_path)
    assert [str(each.message) for each in warned] == [
        f"4 of the 6 images that {tmp_path / 'transforms.json'} names are missing ("
        + ", ".join(str(tmp_path / "images" / f"{n}.png") for n in (0, 2, 3))
        + ", ...); the other 2 are used."
    ]
    np.testing.assert_array_equal(capture.cameras.centers[:, 0], [1, 4])
    np.testing.assert_array_equal(capture.times, [0.5, 2.0])
    assert capture.videos == ("b", "e")
    np.testing.assert_allclose(capture.images()[:, 0, 0, 0] * 255, [10, 40], atol=1e-4)


def test_missing_images_of_a_colmap_model(tmp_path):
    write_colmap(tmp_path, [(32, 24)] * 3)
    write_image(tmp_path / "images" / "1.png")
    write_image(tmp_path / "images" / "2.png")
    with pytest.warns(UserWarning, match=r"1 of the 3 images .* \(.*0\.png\); the other 2 are used"):
        np.testing.assert_array_equal(load_capture(tmp_path).cameras.centers[:, 0], [1, 2])


def test_one_remaining_image_is_too_few(tmp_path):
    write_image(tmp_path / "images" / "0.png")
    write_transforms(tmp_path, [{}, {}, {}])
    with pytest.raises(InputError, match=r"2 of the 3 images .* \(.*1\.png, .*2\.png\); put them there, at least two"):
        load_capture(tmp_path)


def test_masks_that_hide_something_are_refused_and_white_ones_are_not(tmp_path):
    write_transforms(tmp_path, [{}, {"mask_path": "masks/1.png"}])
    for n in (0, 1):
        write_image(tmp_path / "images" / f"{n}.png")
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "1.png")
    assert len(load_capture(tmp_path)) == 2
    mask[3, 4] = 0
    Image.fromarray(mask).save(tmp_path / "masks" / "1.png")
    with pytest.raises(InputError, match=r"the mask masks/1\.png hides a part of its image"):
        load_capture(tmp_path)
    (tmp_path / "masks" / "1.png").unlink()
    with pytest.raises(InputError, match=r"1\.png is missing"):
        load_capture(tmp_path)


def test_names_without_suffix_find_their_images(tmp_path):
    write_image(tmp_path / "images" / "r_0.JPG")
    write_image(tmp_path / "images" / "r_1.5.png")
    write_transforms(tmp_path, [{"file_path": "./images/r_0"}, {"file_path": "images/r_1.5"}])
    assert len(load_capture(tmp_path)) == 2


def test_smaller_copies_next_to_the_images_are_ignored(tmp_path):
    write_colmap(tmp_path, [(32, 24)] * 2)
    for n in (0, 1):
        write_image(tmp_path / "images" / f"{n}.png", 60)
        write_image(tmp_path / "images_2" / f"{n}.png", 200, (16, 12))
        write_image(tmp_path / "images_4" / f"{n}.png", 200, (8, 6))
    capture = load_capture(tmp_path)
    assert len(capture) == 2
    np.testing.assert_allclose(capture.images(), 60 / 255)
