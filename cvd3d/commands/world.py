"""`cvd3d world`: the videos of a prompt as the procedural world shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional, arg

from cvd3d.commands.options import RigOptions


@dataclass(frozen=True)
class World:
    """Render a prompt's scene as the default model learns it: exact videos; 'cvd3d fit' goes on from there."""

    prompt: Annotated[Positional[str], arg(metavar="PROMPT")]
    """One or two things, a ground and a sky, in the words of the world's captions."""
    out: Path = Path("scenes/world")
    """The scene folder to make or go on with."""
    seed: int = 0
    """Of what the prompt leaves open: exact places, sizes, headings, and the sun."""
    force: FlagCreatePairsOff[bool] = False
    """Redo every stage."""
    cameras: OmitArgPrefixes[RigOptions] = field(default_factory=RigOptions)

    def run(self) -> None:
        """Bring the scene's videos up to date and print what was made."""
        rig = self.cameras.build()
        from cvd3d.scene.chain import check_folder, run_stages
        from cvd3d.scene.stages import dataset_stage, plan_stage
        from cvd3d.scene.summary import print_summary
        from cvd3d.scene.world_stage import world_stage

        check_folder(self.out)
        stages = [plan_stage(rig), world_stage(self.prompt, self.seed), dataset_stage()]
        asked = {"prompt": self.prompt, "rig": self.cameras.rig, "seed": self.seed}
        print_summary(self.out, run_stages(self.out, stages, asked=asked, force=self.force))
