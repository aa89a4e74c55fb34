"""A browser without a picture: it opens a page, moves its camera, and uses the controls."""

import threading
import time
from contextlib import contextmanager, suppress

import msgspec
import numpy as np
import pytest
import viser
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


class Browser:
    """A client of a page, as far as its server can tell; it does not report the viewpoints that it is sent."""

    def __init__(self, socket, viewer) -> None:
        self._socket = socket
        earlier = set(viewer.visitors)
        self.look_from((0.0, -4.0, 1.0))
        wait_until(lambda: set(viewer.visitors) - earlier)
        (client_id,) = set(viewer.visitors) - earlier
        self.visitor = viewer.visitors[client_id]
        wait_until(lambda: self.visitor.ready)

    def look_from(self, eye, size=(600, 400)) -> None:
        self._send(
            type="ViewerCameraMessage",
            wxyz=(1, 0, 0, 0),
            position=tuple(map(float, eye)),
            look_at=(0.0, 0.0, 0.6),
            up_direction=(0.0, 0.0, 1.0),
            fov=1.0,
            near=0.1,
            far=100.0,
            image_width=size[0],
            image_height=size[1],
        )

    def set(self, handle, value) -> None:
        """Click a button of a group, or change the value of another control."""
        self._send(type="GuiUpdateMessage", uuid=handle._impl.uuid, updates={"value": value})

    def press(self, key: str) -> None:
        (uuid,) = [u for u, c in self.visitor.client.gui._command_handle_from_uuid.items() if c.hotkey == key]
        self._send(type="CommandTriggerMessage", uuid=uuid)

    def _send(self, **message) -> None:
        self._socket.send(msgspec.msgpack.encode(message))


def _read(socket) -> None:
    with suppress(ConnectionClosed):
        for _ in socket:
            pass


def wait_until(condition) -> None:
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("The condition did not become true within 20 s.")


@pytest.fixture
def browse():
    """Opens a page: `with browse(viewer) as browser`."""

    @contextmanager
    def opened(viewer):
        address = viewer.url.replace("http", "ws")
        with connect(address, subprotocols=[f"viser-v{viser.__version__}"], max_size=None, compression=None) as socket:
            threading.Thread(target=_read, args=(socket,), daemon=True).start()
            yield Browser(socket, viewer)

    return opened


@pytest.fixture
def gray_frames():
    """Frames of a rig: view v at frame t has the gray level (v + t) / 10."""
    return lambda v, t: np.full((16, 16, 3), (v + t) / 10, np.float32)
