import numpy as np
import pytest
import torch
import viser

from recon.splats import MovingSplats, Splats
from viewer.drawn import drawn
from viewer.gaussians import covariances, flat_gaussians
from viewer.html import _server
from viewer.splat_nodes import MOVING, STILL, SplatNodes

N = 9


@pytest.fixture(scope="module")
def server():
    with _server() as server:
        yield server


def moving_splats(ids: list[int]) -> MovingSplats:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    rest = Splats(normal(N, 3), normal(N, 4), -2 + normal(N, 3), 1 + normal(N), normal(N, 1, 3))
    M = len(ids)
    return MovingSplats(rest, torch.tensor(ids), normal(M, 5, 3), normal(M, 5, 3), normal(M, 5), 0.0, 2.0)


def check(server: viser.ViserServer, name: str, splats: Splats, rows: list[int]) -> None:
    """Assert that the node draws the given rows of `splats`."""
    node, wanted = server.scene.get_handle_by_name(name), flat_gaussians(splats)[np.array(rows)]
    np.testing.assert_allclose(node.centers * node.scale, wanted.means, atol=1e-5)
    expected = covariances(wanted.quats, np.exp(wanted.log_scales))
    np.testing.assert_allclose(node.covariances * node.scale**2, expected, rtol=5e-3, atol=1e-4 * expected.max())
    assert (np.abs(node.opacities[:, 0] - 255.0 * wanted.opacities) <= 1).all()
    assert (np.abs(node.rgbs - 255.0 * wanted.rgbs) <= 1).all()


def test_an_instant_sends_only_moving_splats(server):
    splats, nodes = moving_splats([2, 7]), SplatNodes(server)
    assert not nodes.has_splats
    nodes.show(drawn(splats, 100), 0.0)
    assert nodes.has_splats and nodes.moving == 2
    recording = server.get_scene_serializer()
    for seconds in (0.4, 0.4, 2.0):
        nodes.show_instant(seconds)
        check(server, MOVING, splats.at(seconds), [2, 7])
        check(server, STILL, splats.rest, [0, 1, 3, 4, 5, 6, 8])
    snapshot = [message for _, message in recording._messages if message["type"] == "GaussianSplatsMessage"]
    updates = [message for _, message in recording._messages if message["type"] == "SceneNodeUpdateMessage"]
    assert len(snapshot) == 2 and [message["name"] for message in updates] == [MOVING, MOVING]  # 0.4 s only once
    recording.serialize()


def test_new_splats_replace_the_old_ones_and_remove_empty_nodes(server):
    nodes = SplatNodes(server)
    nodes.show(drawn(moving_splats([2, 7]), 100), 0.0)
    splats = moving_splats(list(range(N)))
    nodes.show(drawn(splats, 100), 1.5)
    assert server.scene.get_handle_by_name(STILL) is None and nodes.moving == N
    check(server, MOVING, splats.at(1.5), list(range(N)))
    nodes.show(drawn(splats.rest, 100), 1.5)
    assert server.scene.get_handle_by_name(MOVING) is None and nodes.moving == 0
    check(server, STILL, splats.rest, list(range(N)))
    nodes.show_instant(0.3)
    assert server.scene.get_handle_by_name(MOVING) is None
