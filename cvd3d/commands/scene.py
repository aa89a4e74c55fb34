"""`cvd3d scene`: make splats from a prompt or a capture."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional, arg

from cvd3d.commands.options import FitOptions, RigOptions, SamplingOptions, flag
from cvd3d.scene.moves import Moves

if TYPE_CHECKING:
    from cvd3d.scene.chain import Done, Stage


@dataclass(frozen=True)
class Scene:
    """Make a scene from a text prompt, or from a posed capture with --from.

    The same command continues after the last finished stage; a changed option repeats only the stages that depend on
    it.
    """

    prompt: Annotated[Positional[str | None], arg(metavar="PROMPT", help_behavior_hint="")] = None
    """What the scene shows."""
    from_: Annotated[Path | None, arg(name="from", metavar="PATH", help_behavior_hint="")] = None
    """A capture to use instead of a prompt: photos or a video (with [colmap], the cameras are found), a nerfstudio or
    COLMAP folder, or a video with --poses."""
    poses: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """The RealEstate10K pose file of a video."""
    like: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None
    """Take the prompt or capture and all options of this scene; what else is given replaces them."""
    out: Path = Path("scenes/scene")
    """The scene folder to create or update."""
    seed: int = 0
    """Seed of all random draws."""
    force: FlagCreatePairsOff[bool] = False
    """Repeat every stage, even if nothing changed."""
    view: bool = False
    """Show the fit in the browser while it runs, and then the scene."""
    port: int = 8080
    """The local port that --view uses."""
    moves: Moves = "auto"
    """Whether something moves; auto looks for words of motion in the prompt, or synchronized cameras in the capture."""
    longest_side: int = 768
    """With --from: scale larger frames down so that their longest side has this many pixels."""
    cameras: OmitArgPrefixes[RigOptions] = field(default_factory=RigOptions)
    sampling: OmitArgPrefixes[SamplingOptions] = field(default_factory=SamplingOptions)
    fit: FitOptions = field(default_factory=FitOptions)

    def run(self) -> None:
        """Update the scene folder and print a summary."""
        from cvd3d.scene.summary import print_summary

        print_summary(self.out, self.make())
        if self.view:
            from viewer.app import view_scene

            view_scene(self.out, port=self.port)

    def make(self) -> list[Done]:
        """Update the scene folder, and return its finished stages."""
        self._check()
        from cvd3d.sampling import helpers
        from cvd3d.scene.chain import check_folder, run_stages
        from cvd3d.scene.live import live_page
        from cvd3d.scene.stages import Footage, splat_stages

        check_folder(self.out)
        generated = self.prompt is not None
        frames, asked = self._generated() if generated else self._captured()
        footage = Footage(generated, asked["moves"])
        with live_page(self.port) if self.view else nullcontext() as watch:
            splats = splat_stages(self.seed, footage, self.fit.given(), watch)
            done = run_stages(self.out, frames, asked=asked, force=self.force)
            if generated:
                helpers.dismiss()
            both = run_stages(self.out, splats, asked=asked, after=done[-1].name, force=self.force)
        return [*done, *both[len(done) :]]

    def _check(self) -> None:
        from trajectories.errors import InputError

        if self.prompt is None and self.from_ is None:
            raise InputError('There is no input: give a prompt, as in cvd3d scene "a red cube", or --from PATH.')
        if self.prompt is not None and self.from_ is not None:
            raise InputError("A prompt and --from were given; a scene is either generated or captured, so give one.")
        if self.poses is not None and self.from_ is None:
            raise InputError("--poses was given without --from; give the video of these poses with --from.")
        if self.longest_side < 1:
            raise InputError(f"--longest-side is {self.longest_side}; give at least 1.")
        if self.from_ is not None:
            here, there = self.out.resolve(), self.from_.resolve()
            if here == there or here in there.parents or there in here.parents:
                raise InputError(f"--out {self.out} and --from {self.from_} overlap; give --out a separate folder.")
            for name in (*self.cameras.given(), *self.sampling.given()):
                raise InputError(f"{flag(name)} has no effect with --from, which provides the cameras and frames.")

    def _generated(self) -> tuple[list[Stage], dict[str, Any]]:
        from cvd3d.commands.prompted import asked_for_prompt, prompt_stages
        from cvd3d.scene.moves import prompt_moves
        from cvd3d.scene.stages import check_parallax

        assert self.prompt is not None
        rig = self.cameras.build()
        request = self.sampling.build(self.prompt, self.seed, rig, self.out)
        moves = prompt_moves(self.moves, self.prompt, request.model)
        check_parallax(rig, moves)
        asked = asked_for_prompt(request, self.cameras.rig, moves)
        return prompt_stages(rig, request), asked | {"options": self._recorded()}

    def _captured(self) -> tuple[list[Stage], dict[str, Any]]:
        from cvd3d.scene.moves import capture_moves
        from cvd3d.scene.stages import import_stage
        from recon.capture import load_capture
        from recon.poses import lacks_cameras

        assert self.from_ is not None
        if lacks_cameras(self.from_, self.poses):
            from cvd3d.scene.stages import cameras_stage, solved_stage

            stages = [cameras_stage(self.from_, self.longest_side), solved_stage(self.longest_side)]
            moves = self.moves == "yes"
        else:
            capture = load_capture(self.from_, self.poses)
            stages = [import_stage(capture, self.from_, self.poses, self.longest_side)]
            moves = capture_moves(self.moves, capture)
        asked = {
            "capture": str(self.from_),
            "poses": None if self.poses is None else str(self.poses),
            "seed": self.seed,
            "moves": moves,
            "options": self._recorded(),
        }
        return stages, asked

    def _recorded(self) -> dict[str, Any]:
        """The options for scenes that are made `like` this one; those of the fit are in its record."""
        from cvd3d.commands.like import recorded

        shared = {"from": self.from_, "poses": self.poses, "seed": self.seed, "moves": self.moves}
        if self.from_ is not None:
            shared["longest_side"] = self.longest_side
        given = {name: value for name, value in shared.items() if value is not None}
        return recorded(given | self.cameras.given() | self.sampling.given())
