"""The first stages of a generated scene, shared by the commands that take a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cvd3d.sampling.request import Request
    from cvd3d.scene.chain import Stage
    from trajectories.rig import Rig


def prompt_stages(rig: Rig, request: Request) -> list[Stage]:
    """The stages plan, sample and dataset, not yet run."""
    from cvd3d.scene.moves import warn_of_unknown_words
    from cvd3d.scene.stages import dataset_stage, plan_stage, sample_stage

    if request.model is None:
        warn_of_unknown_words(request.prompt)
    return [plan_stage(rig), sample_stage(request), dataset_stage()]


def asked_for_prompt(request: Request, rig: str, moves: bool) -> dict[str, Any]:
    """The `asked` record of scene.json: what the user asked for, and whether something moves."""
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "rig": rig,
        "seed": request.seed,
        "moves": moves,
    }
