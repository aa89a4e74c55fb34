import av
import numpy as np
import torch

from recon.export.video import write_flight
from recon.render import render


def test_a_flight_equals_the_renders_of_its_cameras(tmp_path, some_splats, two_cameras):
    splats = some_splats(1)
    cameras = two_cameras[[0, 1, 1]]
    write_flight(splats, cameras, np.zeros(3), tmp_path / "flight.mp4", fps=4.0)
    with av.open(str(tmp_path / "flight.mp4")) as container:
        assert float(container.streams.video[0].average_rate) == 4.0
        read = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    seen = render(splats, cameras).numpy()
    assert read.shape == (3, 12, 16, 3)
    right = np.abs(read / 255 - seen).mean()
    assert right < 0.05 and right < 0.5 * np.abs(read / 255 - seen[[1, 0, 0]]).mean()
    assert [path.name for path in tmp_path.iterdir()] == ["flight.mp4"]


def test_each_frame_of_moving_splats_has_its_time(tmp_path, moving_splats, two_cameras):
    moving_splats.rest.log_scales[:] = -1.2
    moving_splats.shifts[:] = torch.linspace(-1, 1, 5)[None, :, None] * torch.tensor([1.0, 0.3, 0.0])
    times = np.array([0.0, 0.7, 2.0])
    write_flight(moving_splats, two_cameras[[0, 0, 0]], times, tmp_path / "flight.mp4", fps=1.0)
    with av.open(str(tmp_path / "flight.mp4")) as container:
        read = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]) / 255
    seen = np.stack([render(moving_splats.at(time), two_cameras[:1])[0].numpy() for time in times])
    right = np.abs(read - seen).mean(axis=(1, 2, 3))
    assert (right < 0.6 * np.abs(read - seen[[1, 2, 0]]).mean(axis=(1, 2, 3))).all() and right.max() < 0.05
