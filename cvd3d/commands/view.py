"""`cvd3d view`: show a scene in the browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional


@dataclass(frozen=True)
class View:
    """Show a scene in the browser: its splats, cameras and videos, over time."""

    folder: Positional[Path]
    """The scene folder."""
    port: int = 8080
    """The local port that the page is served on."""

    def run(self) -> None:
        """Serve the page on this machine until Ctrl-C."""
        from viewer.app import view_scene

        view_scene(self.folder, port=self.port)
