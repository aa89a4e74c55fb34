import numpy as np

from recon.starting_points.plane_sweep import strongest_channel, sweep


def test_depths_of_the_world(world):
    cameras, images = world.capture.cameras, world.capture.images()
    inverse, confidence = sweep(cameras, strongest_channel(images), 5, np.array([4, 6, 1]), np.linspace(0.05, 0.6, 40))
    sure = confidence > 0.75
    assert sure.mean() > 0.2
    error = np.abs(inverse - 1 / world.depths[5])[sure]
    step = 0.55 / 39
    assert np.median(error) < step / 2
    assert np.percentile(error, 90) < 2 * step


def test_the_sky_has_low_confidence(world):
    cameras, images = world.capture.cameras, world.capture.images()
    _, confidence = sweep(cameras, strongest_channel(images), 5, np.array([4, 6]), np.linspace(0.05, 0.6, 16))
    rows = np.flatnonzero(np.isinf(world.depths[5]).all(axis=1))
    assert len(rows) > 8 and not confidence[rows[:-4]].any()


def test_strongest_channel_keeps_what_gray_would_lose():
    # Red and green of equal luminance.
    image = np.zeros((1, 16, 16, 3), dtype=np.float32)
    image[:, :, :8, 0], image[:, :, 8:, 1] = 0.587, 0.299
    values = strongest_channel(image)
    assert abs(values[0, 0, 0] - values[0, 0, 15]) > 0.5
