import signal
import socket
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
import torch

from recon.export.targets import TARGETS
from recon.points import PointCloud
from recon.splats import MovingSplats, Splats
from recon.splats.ply import save_splats
from recon.splats.ply_sequence import write_ply_sequence
from trajectories import InputError
from trajectories.rig_file import save_rig
from trajectories.rigs import make_rig
from viewer.app import SceneViewer, open_scene, view_scene

from .conftest import wait_until


def splats_of(n: int) -> Splats:
    """N still splats."""
    return Splats(
        means=torch.rand(n, 3, generator=torch.Generator().manual_seed(0)),
        quats=torch.tensor([[1.0, 0, 0, 0]]).repeat(n, 1),
        log_scales=torch.full((n, 3), -3.0),
        logit_opacities=torch.zeros(n),
        sh=torch.zeros(n, 1, 3),
    )


def node(viewer: SceneViewer, name: str):
    return viewer.server.scene.get_handle_by_name(name)


def test_a_taken_port_is_replaced_by_the_next_one_with_a_message(capsys):
    with closing(SceneViewer(port=0)) as first:
        taken = first.server.get_port()
        with closing(SceneViewer(port=taken)) as second:
            port = second.server.get_port()
            assert port > taken
            assert second.url == f"http://127.0.0.1:{port}"
            assert f"Port {taken} is taken; using {port}." in capsys.readouterr().out


def test_it_listens_on_localhost_only():
    with closing(SceneViewer(port=0)) as viewer:
        assert viewer.server.get_host() == "127.0.0.1"
        with closing(socket.create_connection(("127.0.0.1", viewer.server.get_port()), timeout=5)):
            pass


@pytest.mark.parametrize(
    ("host", "port", "sentence"),
    [("127.0.0.1", 70000, "70000"), ("192.0.2.1", 8080, "192.0.2.1:8080"), ("no such host", 8080, "no such host")],
)
def test_an_address_that_cannot_be_used(host, port, sentence):
    with pytest.raises(InputError, match=sentence):
        SceneViewer(host, port)


@pytest.mark.slow
def test_ctrl_c_exits_without_a_traceback(tmp_path):
    save_rig(make_rig("orbit", 1, 2), tmp_path / "rig.json")
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # background jobs ignore it
        f"from viewer.app import view_scene; view_scene({str(tmp_path)!r}, port=0)"
    )
    process = subprocess.Popen([sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert b"http://127.0.0.1:" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"Traceback" not in rest


def test_a_folder_that_is_not_a_scene(tmp_path):
    with pytest.raises(InputError, match="is not a scene folder"):
        view_scene(tmp_path)
    with pytest.raises(InputError, match="There is no folder or file"):
        view_scene(tmp_path / "elsewhere")


def test_all_cameras_move_on_one_clock():
    rig = make_rig("orbit", 3, 5)
    frames = {(v, t): np.full((128, 128, 3), (v + t) / 10, np.float32) for v in range(3) for t in range(5)}
    with closing(SceneViewer(port=0)) as viewer:
        viewer.show_rig(rig, lambda v, t: frames[v, t])
        frustums = [node(viewer, f"/cameras/{name}/frustum") for name in rig.names]
        for t in (0, 3):
            viewer.clock.seek(t)
            wait_until(lambda t=t: viewer.clock.panel.frame.value == t and frustums[2].image is not None)
            for v, frustum in enumerate(frustums):
                np.testing.assert_allclose(frustum.position, rig.cameras.centers[v, t])
                assert abs(int(frustum.image[0, 0, 0]) - 25.5 * (v + t)) <= 1
        assert viewer.clock.panel.seconds.content == f"{rig.times[3]:.2f} s of {rig.times[4]:.2f} s"


def test_an_unreadable_frame_is_reported_and_the_others_are_shown():
    def frames(v, t):
        if v == 0:
            raise InputError("The image a.png does not open; replace the file.")
        return np.ones((8, 8, 3), np.float32)

    rig = make_rig("static", 2, 1)
    with closing(SceneViewer(port=0)) as viewer:
        viewer.show_rig(rig, frames)
        wait_until(lambda: node(viewer, f"/cameras/{rig.names[1]}/frustum").image is not None)
        assert node(viewer, f"/cameras/{rig.names[0]}/frustum").image is None
        assert "a.png does not open" in viewer._notice.content
        assert viewer.clock.panel is None  # one frame needs no clock


def test_another_rig_replaces_the_first():
    with closing(SceneViewer(port=0)) as viewer:
        viewer.show_rig(make_rig("orbit", 4, 6))
        rig = make_rig("circle", 2, 3)
        viewer.show_rig(rig)
        shown = [name for name in make_rig("orbit", 4, 6).names if node(viewer, f"/cameras/{name}") is not None]
        assert shown == list(rig.names)
        assert viewer.clock.panel.frame.max == 2


@pytest.mark.slow
def test_splats_replace_splats_and_hide_the_points():
    with closing(SceneViewer(port=0, max_splats=50)) as viewer:
        viewer.show_points(PointCloud(np.random.default_rng(0).random((9, 3)), np.zeros((9, 3)), "a test"))
        assert viewer.layers.shown == {"Starting points": True, "Ground grid": True}
        assert "9 starting points (a test)" in viewer.layers.about["Starting points"]
        viewer.show_splats(splats_of(30))
        wait_until(
            lambda: node(viewer, "/splats/still") is not None and "30 splats" in viewer.layers.about.get("Splats", "")
        )
        assert node(viewer, "/splats/still").buffer.shape[0] == 30
        assert viewer.layers.shown == {"Splats": True, "Starting points": False, "Ground grid": False}
        viewer.show_splats(splats_of(100))
        wait_until(lambda: "50 splats drawn of 100" in viewer.layers.about.get("Splats", ""))
        assert node(viewer, "/splats/still").buffer.shape[0] == 50


def moving_splats(rig) -> MovingSplats:
    """Three splats; the last moves along x at 1 m/s and is at its rest position at the middle instant."""
    half = (rig.times[-1] - rig.times[0]) / 2
    shifts = torch.zeros(1, 2, 3)
    shifts[0, :, 0] = torch.tensor([-half, half])
    turns, fades = torch.zeros(1, 2, 3), torch.zeros(1, 2)
    return MovingSplats(splats_of(3), torch.tensor([2]), shifts, turns, fades, rig.times[0], rig.times[-1])


def displacement(viewer: SceneViewer, splats: MovingSplats) -> float:
    """The drawn distance along x of the moving splat from its rest position."""
    drawn = node(viewer, "/splats/moving")
    return float(drawn.centers[0, 0] * drawn.scale - splats.rest.means[2, 0])


def test_moving_splats_follow_the_clock():
    rig = make_rig("orbit", 1, 4)
    splats, middle = moving_splats(rig), rig.times.mean()
    with closing(SceneViewer(port=0)) as viewer:
        viewer.show_rig(rig)
        viewer.show_splats(splats)
        wait_until(lambda: "3 splats drawn; 1 of them move" in viewer.layers.about.get("Splats", ""))
        for frame in (2, 0, 3):
            viewer.clock.seek(frame)
            wait_until(
                lambda frame=frame: displacement(viewer, splats) == pytest.approx(rig.times[frame] - middle, abs=1e-4)
            )
        assert node(viewer, "/splats/still").buffer.shape[0] == 2


@pytest.mark.slow
def test_moving_splats_also_move_between_frames():
    rig = make_rig("orbit", 1, 3)
    splats, displacements = moving_splats(rig), set()
    with closing(SceneViewer(port=0)) as viewer:
        viewer.show_rig(rig)
        viewer.show_splats(splats)
        wait_until(lambda: node(viewer, "/splats/moving") is not None)
        viewer.clock.set_rate(0.5)  # two seconds per frame
        viewer.clock.play()

        def moved_between_frames() -> bool:
            displacements.add(displacement(viewer, splats))
            return len(displacements) > 10

        wait_until(moved_between_frames)


def test_a_clock_without_cameras():
    rig = make_rig("orbit", 1, 4)
    splats = moving_splats(rig)
    with closing(SceneViewer(port=0)) as viewer:
        viewer.show_clock(rig.times)
        viewer.show_splats(splats)
        viewer.clock.seek(3)
        wait_until(lambda: viewer.clock.panel.frame.value == 3)
        wait_until(lambda: node(viewer, "/splats/moving") and displacement(viewer, splats) > 0.1)


def test_a_ply_sequence_plays(tmp_path):
    rig = make_rig("orbit", 1, 4)
    splats = moving_splats(rig)
    write_ply_sequence(splats, rig.times, tmp_path / "moves", TARGETS["blender"])
    with closing(open_scene(tmp_path / "moves", port=0)) as viewer:
        wait_until(lambda: node(viewer, "/splats/moving") is not None)

        def shows(frame: int) -> bool:
            drawn = node(viewer, "/splats/moving")
            return np.allclose(drawn.centers * drawn.scale, splats.at(rig.times[frame]).means, atol=1e-5)

        for frame in (2, 0):
            viewer.clock.seek(frame)
            wait_until(lambda frame=frame: shows(frame))
        assert viewer._notice.content == ""
        (tmp_path / "moves" / "00003.ply").unlink()
        viewer.clock.seek(3)
        wait_until(lambda: "00003.ply" in viewer._notice.content)
        viewer.clock.seek(1)
        wait_until(lambda: shows(1))


def test_a_file_of_splats(tmp_path):
    save_splats(splats_of(4), tmp_path / "a.ply")
    with closing(open_scene(tmp_path / "a.ply", port=0)) as viewer:
        wait_until(lambda: node(viewer, "/splats/still") is not None)
        assert viewer.download == tmp_path / "a.ply" and viewer.clock.panel is None
    with pytest.raises(InputError, match="--axes"):
        open_scene(tmp_path, port=0, axes="web")
