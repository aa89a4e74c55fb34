"""`cvd3d train`: trains the default model from random weights, stage by stage; it can be resumed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import torch
from diffusers import DDIMScheduler
from torch import nn

from cvd3d import processes
from cvd3d.model.autoencoder import SmallAutoencoder
from cvd3d.model.text import small_text_encoder, word_tokenizer
from cvd3d.model.unet import CollaborativeUNet
from cvd3d.precision import bf16_is_faster
from cvd3d.sampling.pipeline import CollaborativePipeline
from cvd3d.training.autoencoder_stage import train_autoencoder
from cvd3d.training.curves import draw_curve
from cvd3d.training.diffusion_stage import Networks, train_stage
from cvd3d.training.loop import OutOfTime
from cvd3d.training.model_folder import save_model
from cvd3d.training.pooled import PooledVideos
from cvd3d.training.recipe import AutoencoderStage, DiffusionStage, Recipe, TrainingStage, WordsStage
from cvd3d.training.states import claim, load_state, save_state
from cvd3d.training.words_stage import train_words
from cvd3d.training.world.captions import VOCABULARY
from trajectories import InputError

SAMPLING_STEPS, GUIDANCE = 16, 3.0  # suited to weights of this size
SHARD = "15MB"  # maximum size of a weights file, similar to the parts of a state


def build_networks(recipe: Recipe) -> tuple[SmallAutoencoder, Networks]:
    """The networks of the recipe with random weights from its seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)  # modules draw their initial weights from the global generator
        autoencoder = SmallAutoencoder(**recipe.autoencoder)
        tokenizer = word_tokenizer(VOCABULARY)
        text_encoder = small_text_encoder(
            tokenizer, recipe.unet["cross_attention_dim"], recipe.text_layers, recipe.text_heads
        )
        unet = CollaborativeUNet(**recipe.unet)
    scheduler = DDIMScheduler(
        beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", clip_sample=False,
        timestep_spacing="trailing",
    )  # fmt: skip
    return autoencoder.eval(), Networks(unet.train(), text_encoder.train(), tokenizer, scheduler)


@contextmanager
def _flushed_denormals() -> Iterator[None]:
    """Flush numbers below 1e-38 to zero in the block; such gradients would make steps a quarter slower."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@_flushed_denormals()
def train(
    run: Path,
    recipe: Recipe | None = None,
    until: str | None = None,
    start: Path | None = None,
    minutes: float | None = None,
    device: torch.device | None = None,
    bf16: bool | None = None,
) -> bool:
    """Train every unfinished stage of `run`, and write the current model to `run/model`.

    Args:
        run: folder of pools, states and loss curves; the same call resumes an interrupted training.
        recipe: the recipe; by default that of the default model.
        until: name of the last stage to train; by default the last of the recipe.
        start: a model folder of the recipe's sizes whose UNet is trained further, without training its autoencoder and
            text encoder; random weights by default.
        minutes: time limit of this call; no limit by default.
        device: device of the training; `processes.device()` by default.
        bf16: whether the network computes in bfloat16; by default if it is faster on this device.

    Returns:
        Whether all stages up to `until` are finished.

    Raises:
        InputError: an unknown stage, a run of another recipe, or a `start` of other sizes.
    """
    recipe = recipe or Recipe()
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    stages = [stage for stage in recipe.stages if start is None or isinstance(stage, DiffusionStage)]
    names = [stage.name for stage in stages]
    if until is not None and until not in names:
        raise InputError(f"There is no stage {until!r}; the stages are {', '.join(names)}.")
    run.mkdir(parents=True, exist_ok=True)
    claim(
        run / "recipe.json",
        {**asdict(recipe), "start": start},
        "belongs to another recipe; give another --out folder, or delete this one.",
    )
    autoencoder, networks = build_networks(recipe)
    if start is not None:
        _load_weights(start, autoencoder, networks)
    device = device or processes.device()
    bf16 = bf16_is_faster(device.type) if bf16 is None else bf16
    parts: dict[str, nn.Module] = {
        "autoencoder": autoencoder,
        "unet": networks.unet,
        "text_encoder": networks.text_encoder,
    }
    for part in parts.values():
        part.to(device)
    finished = True
    try:
        for index, stage in enumerate(stages):
            done = run / "states" / f"{stage.name}.finished"
            if (state := load_state(done)) is not None:
                for name, weights in state.items():
                    parts[name].load_state_dict(weights)
            else:
                if isinstance(stage, DiffusionStage):
                    stage = replace(stage, schedule=replace(stage.schedule, bf16=bf16))
                name = _train_stage(stage, recipe, run, recipe.seed + index, autoencoder, networks, deadline)
                draw_curve(run / "states" / f"{stage.name}.csv", run / "states" / f"{stage.name}.png")
                processes.wait()
                save_state(done, {name: parts[name].state_dict()})
            if stage.name == until:
                break
    except OutOfTime:
        finished = False
    if processes.rank() == 0:
        model = CollaborativePipeline(
            autoencoder, networks.text_encoder, networks.tokenizer, networks.unet, networks.scheduler,
            steps=SAMPLING_STEPS, guidance=GUIDANCE,
        )  # fmt: skip
        save_model(model, run / "model", torch.float16, SHARD)
    return finished


def _train_stage(
    stage: TrainingStage,
    recipe: Recipe,
    run: Path,
    seed: int,
    autoencoder: SmallAutoencoder,
    networks: Networks,
    deadline: float | None,
) -> str:
    """Train one stage, and return the name of the network that it has trained."""
    state = run / "states" / stage.name
    if isinstance(stage, WordsStage):
        train_words(networks.text_encoder, networks.tokenizer, stage, state, seed, deadline)
        return "text_encoder"
    pool = next(pool for pool in recipe.pools if pool.name == stage.pool)
    if isinstance(stage, AutoencoderStage):
        pool.write_pixels(run / "pixels")
        train_autoencoder(autoencoder, stage, pool, run / "pixels", state, seed, deadline)
        return "autoencoder"
    pool.write_latents(run / "latents", autoencoder)
    latents = pool.load(run / "latents")
    source = PooledVideos(pool, latents, stage.frames, stage.pairs, recipe.text_dropout, recipe.object_weight)
    train_stage(networks, stage, source, state, seed, deadline)
    return "unet"


def _load_weights(start: Path, autoencoder: SmallAutoencoder, networks: Networks) -> None:
    """Copy the weights of a model folder into the networks."""
    from cvd3d.sampling import load_pipeline

    model = load_pipeline(start)
    parts = (autoencoder, model.vae), (networks.unet, model.unet), (networks.text_encoder, model.text_encoder)
    for ours, theirs in parts:
        try:
            ours.load_state_dict(theirs.state_dict())
        except RuntimeError:
            raise InputError(f"The model in {start} has another {type(ours).__name__} than the recipe.") from None
