"""`cvd3d train-pairs`: train the cross-view modules on real video clips, as the paper does."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

if TYPE_CHECKING:
    from cvd3d.training.pairs import PairTraining


@dataclass(frozen=True)
class WarpOptions:
    """Standard deviations of the random homography that warps a clip's last frame; earlier frames are warped less."""

    translation: float = 0.15
    """Translation, in units of half the image height."""
    rotation: float = 8.0
    """Rotation in degrees."""
    scale: float = 0.1
    """Change of scale along each axis."""
    shear: float = 0.06
    """Shear."""
    perspective: float = 0.06
    """Perspective terms."""


@dataclass(frozen=True)
class TrainPairs:
    """Train the cross-view modules of a model on your own clips; if stopped, the same command continues.

    A posed clip is split in the middle into two videos that start at the same frame. Any other clip is paired with a
    warped copy of itself.
    """

    out: Path = Path("runs/pairs")
    """A folder for the checkpoint and the loss curve; the model is written to its subfolder 'model'."""
    model: Annotated[
        Path | None, arg(metavar="DIR", help_behavior_hint="(default: the model that comes with cvd3d)")
    ] = None
    """The model folder whose cross-view modules are trained."""
    posed: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None
    """RealEstate10K clips and their pose files."""
    captioned: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None
    """Clips without poses, with a captions.json or a text file next to each clip."""
    posed_share: float = 0.7
    """Fraction of steps with posed clips, if both kinds are given."""
    lora: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """A LoRA that is applied to posed clips only, such as CameraCtrl's for RealEstate10K."""
    size: int = 256
    """Width and height of the frames in pixels."""
    frames: int = 16
    """Frames of each video."""
    steps: int = 100_000
    """Optimization steps."""
    pairs: int = 8
    """Pairs per step, over all processes and accumulated batches."""
    accumulate: int = 1
    """Batches whose gradients are accumulated for one step."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Precision of the network's arithmetic."""
    learning_rate: float = 1e-4
    """Learning rate."""
    timesteps: Literal["shared", "independent"] = "shared"
    """Whether the two videos of a pair share one timestep (the paper) or have one each (the released code)."""
    text_dropout: float = 0.1
    """Fraction of captions that are replaced by the empty caption."""
    seed: int = 42
    """Seed of all random draws."""
    warp: WarpOptions = field(default_factory=WarpOptions)

    def run(self) -> None:
        """Train and print where the model is."""
        from cvd3d.training.pairs import train_pairs

        model = train_pairs(self.out, self.model, self.training())
        print(f'{model}: the model; use it with\n  cvd3d scene "a red cube" --model {model}')

    def training(self) -> PairTraining:
        """The options as a `PairTraining`, in the library's units.

        Raises:
            InputError: what `PairTraining` and `Warp` refuse.
        """
        from math import radians

        from cvd3d.training.homography import Warp
        from cvd3d.training.pairs import PairTraining

        warp = self.warp
        return PairTraining(
            posed=self.posed,
            captioned=self.captioned,
            posed_share=self.posed_share,
            lora=self.lora,
            warp=Warp(warp.translation, radians(warp.rotation), warp.scale, warp.shear, warp.perspective),
            side=self.size,
            frames=self.frames,
            steps=self.steps,
            pairs=self.pairs,
            accumulate=self.accumulate,
            half=self.precision == "bf16",
            learning_rate=self.learning_rate,
            text_dropout=self.text_dropout,
            shared_timestep=self.timesteps == "shared",
            seed=self.seed,
        )
