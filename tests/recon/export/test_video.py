import av
import numpy as np

from recon.export.video import write_flight
from recon.render import render


def test_a_flight_is_what_its_cameras_see(tmp_path, some_splats, two_cameras):
    splats = some_splats(1)
    cameras = two_cameras[[0, 1, 1]]
    write_flight(splats, cameras, tmp_path / "flight.mp4", fps=4.0)
    with av.open(str(tmp_path / "flight.mp4")) as container:
        assert float(container.streams.video[0].average_rate) == 4.0
        read = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    seen = render(splats, cameras).numpy()
    assert read.shape == (3, 12, 16, 3)
    right = np.abs(read / 255 - seen).mean()
    assert right < 0.05 and right < 0.5 * np.abs(read / 255 - seen[[1, 0, 0]]).mean()
    assert [path.name for path in tmp_path.iterdir()] == ["flight.mp4"]
