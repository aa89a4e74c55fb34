"""Show and hide parts of the scene for one client only."""

from __future__ import annotations

import viser


class Visibility:
    """What one client sees: a frame of the client replaces the server's frame of the same name, for it alone."""

    def __init__(self, client: viser.ClientHandle) -> None:
        self._client = client
        self._frames: dict[str, viser.FrameHandle] = {}

    def decides(self, name: str) -> bool:
        """Whether the client sees the frame `name` otherwise than the server may show it."""
        return name in self._frames

    def set(self, name: str, visible: bool) -> None:
        """Show or hide everything below the frame `name`, whatever the server does."""
        if name in self._frames:
            self._frames[name].visible = visible
        else:
            self._frames[name] = self._client.scene.add_frame(name, show_axes=False, visible=visible)

    def reset(self, name: str) -> None:
        """See the frame `name` as the server shows it."""
        if name in self._frames:
            self._frames.pop(name).remove()
