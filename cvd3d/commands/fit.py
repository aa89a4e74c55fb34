"""`cvd3d fit`: fit splats to the frames of a scene."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional, arg

from cvd3d.commands.options import FitOptions
from cvd3d.scene.moves import Moves


@dataclass(frozen=True)
class Fit:
    """Fit splats to the frames of a scene folder; changed options repeat the fit, and the one before is kept."""

    folder: Positional[Path]
    """The scene folder."""
    seed: Annotated[int | None, arg(metavar="INT", help_behavior_hint="(default: the scene's)")] = None
    """Seed of all random draws."""
    moves: Moves = "auto"
    """Whether something moves; auto uses the value recorded when the frames were made."""
    as_: Annotated[str | None, arg(name="as", metavar="NAME", help_behavior_hint="")] = None
    """Write this fit to fits/NAME, from the scene's starting points, and leave the scene's splats as they are."""
    force: FlagCreatePairsOff[bool] = False
    """Find the starting points and fit again, even if nothing changed; with --as: replace fits/NAME."""
    view: bool = False
    """Show the fit in the browser while it runs, and then the scene."""
    port: int = 8080
    """The local port that --view uses."""
    fit: OmitArgPrefixes[FitOptions] = field(default_factory=FitOptions)

    def run(self) -> None:
        """Update the scene's points and splats and print a summary."""
        from cvd3d.scene.chain import read_scene, run_stages
        from cvd3d.scene.fits import fit_as
        from cvd3d.scene.live import live_page
        from cvd3d.scene.moves import recorded_moves
        from cvd3d.scene.stages import Footage, fit_stage, splat_stages
        from cvd3d.scene.summary import print_summary

        scene = read_scene(self.folder)
        asked = scene["asked"]
        prompted = "prompt" in asked
        generated = "sample" in scene["stages"]
        footage = Footage(generated, recorded_moves(self.moves, asked))
        seed = asked["seed"] if self.seed is None else self.seed
        with live_page(self.port) if self.view else nullcontext() as watch:
            if self.as_ is not None:
                stage = fit_stage(seed, footage, self.fit.given(), watch)
                done = fit_as(self.folder, self.as_, stage, after="points", force=self.force)
            else:
                stages = splat_stages(seed, footage, self.fit.given(), watch)
                after = "dataset" if prompted else "import"
                done = run_stages(self.folder, stages, asked=asked, after=after, force=self.force)
        print_summary(self.folder, done)
        if self.view:
            from viewer.app import view_scene

            view_scene(self.folder, port=self.port)
