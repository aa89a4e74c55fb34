"""The first stages of a generated scene, for the commands that take a prompt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvd3d.commands.options import RigOptions, SamplingOptions

if TYPE_CHECKING:
    from cvd3d.scene.chain import Stage


def prompt_stages(out: Path, prompt: str, seed: int, cameras: RigOptions, sampling: SamplingOptions) -> list[Stage]:
    """Plan, sample and dataset of the scene folder `out`; nothing is written yet.

    Raises:
        InputError: what the options refuse.
    """
    rig = cameras.build()
    settings = sampling.build(prompt, seed, rig, out)
    from cvd3d.scene.moves import warn_of_unknown_words
    from cvd3d.scene.stages import dataset_stage, plan_stage, sample_stage

    if settings.model is None:
        warn_of_unknown_words(prompt)
    return [plan_stage(rig), sample_stage(settings), dataset_stage()]


def asked_for_prompt(prompt: str, seed: int, cameras: RigOptions, sampling: SamplingOptions) -> dict[str, Any]:
    """What scene.json says was asked."""
    return {"prompt": prompt, "negative_prompt": sampling.negative_prompt, "rig": cameras.rig, "seed": seed}
