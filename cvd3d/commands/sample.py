"""`cvd3d sample`: sample the videos of a scene, without splats."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional, arg

from cvd3d.commands.options import RigOptions, SamplingOptions


@dataclass(frozen=True)
class Sample:
    """Sample the videos of a scene from a prompt, without splats; 'cvd3d fit' then fits the splats."""

    prompt: Annotated[Positional[str], arg(metavar="PROMPT")]
    """What the scene shows."""
    out: Path = Path("scenes/scene")
    """The scene folder to create or update."""
    seed: int = 0
    """Seed of all random draws."""
    force: FlagCreatePairsOff[bool] = False
    """Repeat every stage, even if nothing changed."""
    cameras: OmitArgPrefixes[RigOptions] = field(default_factory=RigOptions)
    sampling: OmitArgPrefixes[SamplingOptions] = field(default_factory=SamplingOptions)

    def run(self) -> None:
        """Update the scene's videos and print a summary."""
        from cvd3d.commands.like import recorded
        from cvd3d.commands.prompted import asked_for_prompt, prompt_stages
        from cvd3d.scene.chain import check_folder, run_stages
        from cvd3d.scene.moves import prompt_moves
        from cvd3d.scene.summary import print_summary

        check_folder(self.out)
        rig = self.cameras.build()
        request = self.sampling.build(self.prompt, self.seed, rig, self.out)
        asked = asked_for_prompt(request, self.cameras.rig, prompt_moves("auto", self.prompt, request.model))
        asked["options"] = recorded({"seed": self.seed} | self.cameras.given() | self.sampling.given())
        done = run_stages(self.out, prompt_stages(rig, request), asked=asked, force=self.force)
        print_summary(self.out, done)
