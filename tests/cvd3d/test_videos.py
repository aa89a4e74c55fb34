"""Files contain the frames that were written."""

import av
import numpy as np
import pytest
from PIL import Image

from cvd3d.videos import to_uint8, write_image, write_video


def test_values_are_rounded_and_clipped():
    np.testing.assert_array_equal(
        to_uint8(np.array([-1.0, 0.0, 0.5 / 255, 0.6 / 255, 1.0, 7.0])), [0, 0, 0, 1, 255, 255]
    )


def test_an_image_survives_exactly_at_eight_bits(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.float32) / 255
    write_image(image, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as read:
        np.testing.assert_array_equal(np.asarray(read), np.rint(image * 255))


@pytest.mark.parametrize("width, height, fps", [(64, 48, 8.0), (33, 17, 29.97)])
def test_a_video_has_its_frames_size_clock_and_format(tmp_path, width, height, fps):
    u, v = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    frames = np.stack([np.stack([u, v, np.full_like(u, t / 5)], axis=-1) for t in range(6)]).astype(np.float32)
    write_video(frames, tmp_path / "a.mp4", fps)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert float(stream.average_rate) == pytest.approx(fps, rel=1e-3)
        read = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert read.shape == (6, height + height % 2, width + width % 2, 3)
    assert np.abs(read[:, :height, :width] / 255 - frames).mean() < 0.03


def test_the_same_frames_give_the_same_bytes(tmp_path):
    frames = np.random.default_rng(0).random((4, 32, 32, 3), dtype=np.float32)
    for name in ("a.mp4", "b.mp4"):
        write_video(frames, tmp_path / name, 8.0)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
