"""`cvd3d render`: film a flight through splats."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from cvd3d.commands.sources import AXES, FILES, RIG

FPS, ANIMATION_FPS = 30.0, 15.0


@dataclass(frozen=True)
class Render:
    """Film a flight through the splats of a scene or file, as a video or an animated image."""

    source: Annotated[Positional[Path], arg(metavar=FILES)]
    """The scene folder, or a .ply, .spz or .splat file of this or another program."""
    path: Annotated[str, arg(metavar="PATH")] = "orbit"
    """The flight: orbit (once around the subject), spiral (small circles before it), or the name of a camera."""
    out: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: NAME-PATH.mp4)")] = None
    """The film to write: .mp4, or .gif or .webp, which play in a loop."""
    size: Annotated[tuple[int, int], arg(metavar="W H")] = (1280, 720)
    """Width and height in pixels; the vertical field of view stays that of the scene's cameras."""
    seconds: float = 6.0
    """Length of the film."""
    fps: Annotated[float | None, arg(metavar="FLOAT", help_behavior_hint="(default: 30; 15 for .gif and .webp)")] = None
    """Frames per second."""
    background: Annotated[tuple[float, float, float], arg(metavar="R G B")] = (0.0, 0.0, 0.0)
    """Color behind the splats, from 0 to 1."""
    rig: Annotated[Path | None, RIG] = None
    """A rig.json with the cameras that --path names."""
    axes: Annotated[str | None, AXES] = None
    force: FlagCreatePairsOff[bool] = False
    """Replace an existing film."""

    def run(self) -> None:
        """Render the frames and write the film."""
        from cvd3d.commands.sources import check_new, read_source
        from recon.export.video import check_film, filmed, write_film
        from recon.flights import plan_flight
        from trajectories.errors import InputError

        if not all(0 <= value <= 1 for value in self.background):
            raise InputError(f"--background is {self.background}; give three numbers from 0 to 1.")
        if self.out is not None:
            check_film(self.out)
        source = read_source(self.source, self.axes, self.rig)
        out = check_new(self.out or Path(f"{source.title}-{self.path}.mp4"), self.force)
        fps = self.fps or (FPS if out.suffix.lower() == ".mp4" else ANIMATION_FPS)
        flight = plan_flight(source.splats, source.rig, self.path, seconds=self.seconds, fps=fps, size=self.size)
        frames = filmed(source.splats, flight.cameras, flight.times, background=self.background, show_progress=True)
        write_film(frames, out, fps)
        print(f"{out}: {flight.cameras.size} frames of {self.size[0]}x{self.size[1]}, {fps:g} per second")
