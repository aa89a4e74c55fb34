import cv2
import numpy as np
import pytest
from PIL import Image

from recon.capture import ImageFile, Resized, resized
from trajectories.errors import InputError

RAMP = np.arange(6 * 8).reshape(6, 8) * 5


def as_rgb(grey):
    return np.repeat(np.asarray(grey, dtype=np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey_is_scaled_and_not_clipped(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    assert cv2.imwrite(str(path), (RAMP * 257).astype(np.uint16))
    np.testing.assert_array_equal(ImageFile(path).read(), as_rgb(RAMP))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_color_is_scaled(tmp_path, suffix, channels):
    rgb = np.stack([RAMP, 255 - RAMP, RAMP // 2], axis=-1)
    stored = (rgb[..., ::-1] * 257).astype(np.uint16)
    if channels == 4:
        stored = np.concatenate([stored, np.full((6, 8, 1), 65535, np.uint16)], axis=-1)
    path = tmp_path / f"a{suffix}"
    assert cv2.imwrite(str(path), stored)
    np.testing.assert_array_equal(ImageFile(path).read(), rgb)


def test_grey_palette_and_two_colors_become_rgb(tmp_path):
    grey = Image.fromarray(RAMP.astype(np.uint8))
    for mode in ("L", "LA", "P"):
        grey.convert(mode).save(tmp_path / f"{mode}.png")
        np.testing.assert_array_equal(ImageFile(tmp_path / f"{mode}.png").read(), as_rgb(RAMP))
    grey.point(lambda value: 255 if value > 100 else 0).convert("1").save(tmp_path / "1.png")
    np.testing.assert_array_equal(ImageFile(tmp_path / "1.png").read(), as_rgb(np.where(RAMP > 100, 255, 0)))
    half = Image.merge("LA", (grey, Image.new("L", grey.size, 0)))
    half.save(tmp_path / "clear.png")
    np.testing.assert_array_equal(ImageFile(tmp_path / "clear.png").read(), as_rgb(0 * RAMP))


@pytest.mark.parametrize("values", [np.float32(RAMP) / 255, np.int32(RAMP) * 100_000])
def test_values_of_32_bits_are_refused(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif has 32 bits for each value; save it with 8 or 16"):
        ImageFile(tmp_path / "a.tif").read()


def test_exif_rotates_an_image_only_on_request(tmp_path):
    pixels = np.stack([RAMP, 255 - RAMP, RAMP // 2], axis=-1).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # the stored image must be rotated clockwise
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    stored, upright = ImageFile(tmp_path / "a.png"), ImageFile(tmp_path / "a.png", upright=True)
    assert stored.size() == (8, 6) and upright.size() == (6, 8)
    np.testing.assert_array_equal(stored.read(), pixels)
    np.testing.assert_array_equal(upright.read(), np.rot90(pixels, -1))


def test_a_stretch_is_made_once_and_only_where_needed(tmp_path):
    Image.fromarray(as_rgb(RAMP)).save(tmp_path / "a.png")
    still = ImageFile(tmp_path / "a.png")
    assert resized(still, 8, 6) is still
    half = resized(still, 4, 3)
    assert half.size() == (4, 3)
    np.testing.assert_allclose(half.read()[0, 0], RAMP[:2, :2].mean(), atol=0.5)
    assert resized(half, 2, 2) == Resized(still, 2, 2)
    assert resized(half, 8, 6) is still
    # Enlarging interpolates between pixels.
    assert resized(still, 16, 6).read()[0, 1, 0] not in RAMP[0]
