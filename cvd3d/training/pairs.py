"""`cvd3d train-pairs`: trains only the cross-view modules, on filmed clips (paper, sections 3.3 and 3.4)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cvd3d import processes
from cvd3d.model.lora import SwitchedLora
from cvd3d.training.batches import BatchSource, Mixture
from cvd3d.training.curves import draw_curve, draw_preview
from cvd3d.training.diffusion_stage import Networks, train_stage
from cvd3d.training.filmed import ClipShape, FoldedClips, WarpedClips
from cvd3d.training.homography import Warp
from cvd3d.training.loop import Schedule
from cvd3d.training.model_folder import save_model
from cvd3d.training.recipe import CROSS_VIEW, DiffusionStage
from cvd3d.training.states import claim
from trajectories import InputError

SHOW_EVERY = 1000  # steps between two previews
SIDE_MULTIPLE = 16  # pixels of the coarsest features of the default model


@dataclass(frozen=True)
class PairTraining:
    """Data and optimization settings; the defaults are the paper's where it gives values.

    Raises:
        InputError: no folder of clips, or a number out of range.
    """

    posed: Path | None = None
    """Folder of RealEstate10K clips and pose files."""
    captioned: Path | None = None
    """Folder of any clips with captions."""
    posed_share: float = 0.7
    """Share of batches with posed clips if both folders are given."""
    lora: Path | None = None
    """A LoRA that is applied to posed clips only (CameraCtrl's for RealEstate10K)."""
    warp: Warp = field(default_factory=Warp)
    side: int = 256
    frames: int = 16
    steps: int = 100_000
    pairs: int = 8
    """Pairs per step, summed over all processes and accumulated batches."""
    accumulate: int = 1
    half: bool = False
    learning_rate: float = 1e-4
    text_dropout: float = 0.1
    shared_timestep: bool = True
    seed: int = 42

    def __post_init__(self) -> None:
        if self.posed is None and self.captioned is None:
            raise InputError("There are no training clips; give a folder of posed clips, of captioned clips, or both.")
        for name in ("frames", "steps", "pairs", "accumulate"):
            if getattr(self, name) < 1:
                raise InputError(f"The number for {name} is {getattr(self, name)}; give at least 1.")
        if self.side < 1 or self.side % SIDE_MULTIPLE:
            raise InputError(f"The size of the frames is {self.side} pixels; give a multiple of {SIDE_MULTIPLE}.")
        if not 0 < self.posed_share < 1:
            raise InputError(f"The share of posed clips is {self.posed_share}; give a number between 0 and 1.")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError(f"The learning rate is {self.learning_rate}; give a number above 0.")


def train_pairs(run: Path, model: Path | None, training: PairTraining) -> Path:
    """Train the cross-view modules of a model; resumes from `run` if it exists.

    Args:
        run: folder of the state, the loss curve and the trained model.
        model: a model folder; None is the default model.
        training: the settings.

    Returns:
        The model folder, `run/model`.

    Raises:
        InputError: no usable clips, or settings that do not fit together.
    """
    from cvd3d.sampling import load_pipeline

    if training.pairs % (training.accumulate * processes.count()):
        raise InputError(
            f"{training.pairs} pairs per step cannot be divided into {training.accumulate} batches on "
            f"{processes.count()} processes; give a multiple."
        )
    run.mkdir(parents=True, exist_ok=True)
    claim(
        run / "training.json",
        {**asdict(training), "model": model},
        "belongs to a training with other options; give another --out folder.",
    )
    pipeline = load_pipeline(model)
    device = processes.device()
    pipeline.to(device)
    shape = ClipShape(pipeline.vae, training.side, training.frames, training.text_dropout)
    sources: list[tuple[BatchSource, float]] = []
    if training.posed is not None:
        sources.append((FoldedClips(training.posed, shape), training.posed_share))
    if training.captioned is not None:
        sources.append((WarpedClips(training.captioned, shape, training.warp), 1 - training.posed_share))
    lora = None if training.lora is None else SwitchedLora(pipeline.unet, training.lora).to(device)
    networks = Networks(pipeline.unet.train(), pipeline.text_encoder, pipeline.tokenizer, pipeline.scheduler, lora)
    schedule = Schedule(
        training.steps, training.pairs // training.accumulate, training.learning_rate, warmup=1, decay=0.0,
        optimizer="adamw", accumulate=training.accumulate, bf16=training.half, ema=0.999,
    )  # fmt: skip
    stage = DiffusionStage(
        "pairs", "", schedule, training.frames, (CROSS_VIEW,), cameras=True, pairs=True, timesteps="uniform",
        shared_timestep=training.shared_timestep,
    )  # fmt: skip
    source = sources[0][0] if len(sources) == 1 else Mixture(*zip(*sources))

    def draw_progress(step: int) -> None:
        if step % SHOW_EVERY == 0 or step == training.steps:
            if lora is not None:
                lora.active = False
            draw_curve(run / "pairs.csv", run / "pairs.png")
            draw_preview(pipeline, training.side, training.frames, run / "previews" / f"{step:06d}.png")

    train_stage(networks, stage, source, run / "pairs", training.seed, after_save=draw_progress)
    if processes.rank() == 0:
        save_model(pipeline, run / "model")
    processes.wait()
    return run / "model"
