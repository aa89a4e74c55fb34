"""`cvd3d plan`: write a camera rig and draw it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes

from cvd3d.commands.options import RigOptions
from recon.scene_files import RIG_FILE


@dataclass(frozen=True)
class Plan:
    """Write a camera rig to a file, and optionally draw it from above and from the side."""

    cameras: OmitArgPrefixes[RigOptions] = field(default_factory=RigOptions)
    out: Path = Path(RIG_FILE)
    """The rig file to write."""
    preview: Path | None = None
    """Draw the rig to this file (.png, .svg or .pdf)."""

    def run(self) -> None:
        """Write the rig and, with --preview, its drawing."""
        from trajectories.rig_file import save_rig

        rig = self.cameras.build()
        save_rig(rig, self.out)
        print(f"{self.out}: {rig.views} videos of {rig.frames} frames")
        if self.preview is not None:
            from cvd3d.scene.preview import draw_rig

            draw_rig(rig, self.preview)
            print(f"{self.preview}: the rig from above and from the side")
