"""`cvd3d world`: render the videos of a prompt in the procedural world."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional, arg

from cvd3d.commands.options import RigOptions


@dataclass(frozen=True)
class RenderWorld:
    """Render the videos of a prompt in the procedural world, the default model's training data.

    The videos are exactly consistent; 'cvd3d fit' then fits the splats.
    """

    prompt: Annotated[Positional[str], arg(metavar="PROMPT")]
    """One or two objects, a ground and a sky, in the vocabulary of the world's captions."""
    out: Path = Path("scenes/world")
    """The scene folder to create or update."""
    seed: int = 0
    """Seed of what the prompt leaves open: exact positions, sizes, headings, and the sun."""
    force: FlagCreatePairsOff[bool] = False
    """Repeat every stage, even if nothing changed."""
    cameras: OmitArgPrefixes[RigOptions] = field(default_factory=RigOptions)

    def run(self) -> None:
        """Update the scene's videos and print a summary."""
        rig = self.cameras.build()
        from cvd3d.scene.chain import check_folder, run_stages
        from cvd3d.scene.stages import dataset_stage, plan_stage
        from cvd3d.scene.summary import print_summary
        from cvd3d.scene.world_stage import world_stage

        check_folder(self.out)
        stages = [plan_stage(rig), world_stage(self.prompt, self.seed), dataset_stage()]
        asked = {"prompt": self.prompt, "rig": self.cameras.rig, "seed": self.seed}
        print_summary(self.out, run_stages(self.out, stages, asked=asked, force=self.force))
