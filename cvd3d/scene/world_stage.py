"""The stage that renders a prompt's videos in the procedural world, instead of sampling them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cvd3d.scene.chain import Place, Stage
from cvd3d.scene.stages import write_videos
from recon.scene_folder import SceneFolder


def world_stage(prompt: str, seed: int) -> Stage:
    """Render the rig's videos of a prompt: images/NAME/00000.png and videos/NAME.mp4.

    Raises:
        InputError: a prompt that the world cannot show.
    """
    import torch

    from cvd3d.training.world.film import film
    from cvd3d.training.world.prompts import world_of

    world = world_of(prompt, torch.Generator().manual_seed(seed))

    def make(place: Place) -> Mapping[str, Any]:
        rig = SceneFolder(place.scene).rig
        write_videos(film(world, rig).astype(np.float32) / 255, rig, SceneFolder(place.out))
        return {}

    return Stage("world", {"prompt": prompt, "seed": seed}, make)
