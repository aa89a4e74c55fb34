"""`cvd3d view`: show a scene in the browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional

from cvd3d.commands.sources import AXES


@dataclass(frozen=True)
class View:
    """Show a scene in the browser: its splats, cameras and videos, over time."""

    path: Positional[Path]
    """A scene folder, or a .ply, .spz or .splat file of this or another program."""
    host: str = "127.0.0.1"
    """The address that the page is served on; 0.0.0.0 lets other machines of the network open it."""
    port: int = 8080
    """The port that the page is served on."""
    share: FlagCreatePairsOff[bool] = False
    """Also print a public address, which viser's server forwards to this machine for 24 hours."""
    open: FlagCreatePairsOff[bool] = False
    """Open the page in the browser of this machine."""
    axes: Annotated[str | None, AXES] = None

    def run(self) -> None:
        """Serve the page until Ctrl-C."""
        from viewer.app import view_scene

        view_scene(self.path, host=self.host, port=self.port, share=self.share, browser=self.open, axes=self.axes)
