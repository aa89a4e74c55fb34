"""`cvd3d train`: from nothing to the weights of the default model, stage by stage, resumable."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import torch
from diffusers import DDIMScheduler

from cvd3d import processes
from cvd3d.model.autoencoder import SmallAutoencoder
from cvd3d.model.text import small_text_encoder, word_tokenizer
from cvd3d.model.unet import CollaborativeUNet
from cvd3d.training.autoencoder import train_autoencoder
from cvd3d.training.checkpoints import claim, save_state
from cvd3d.training.curves import draw_curve
from cvd3d.training.diffusion import Networks, train_stage
from cvd3d.training.pooled import PooledVideos
from cvd3d.training.pools import Pool
from cvd3d.training.recipe import Recipe
from cvd3d.training.words import train_words
from cvd3d.training.world.captions import VOCABULARY
from trajectories import InputError

WORDS = "words"  # the text encoder's own stage, between the autoencoder's and the network's
SAMPLING_STEPS, GUIDANCE = 16, 3.0  # what suits weights of this size


def build_networks(recipe: Recipe) -> tuple[SmallAutoencoder, Networks]:
    """The networks of the recipe with seeded random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)  # modules draw their first weights from the global generator
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
    """Numbers below 1e-38 are zeros in the block: as gradients they cost a quarter of a step otherwise."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@_flushed_denormals()
def train(run: Path, recipe: Recipe | None = None, until: str | None = None, start: Path | None = None) -> Path:
    """Train every stage that `run` has not finished, and write a model folder that a sampler loads.

    Args:
        run: folder of pools, states and loss curves; the same call goes on where a killed one stopped.
        recipe: the default model's, unless given.
        until: name of the last stage to train; all, unless given.
        start: a model folder of the recipe's sizes to go on from, with its autoencoder as it is, and a text encoder
            that can read; random weights, unless given.

    Returns:
        The model folder, `run/model`.
    """
    recipe = recipe or Recipe()
    names = [*(name for name, _ in recipe.autoencoder_stages), WORDS, *(stage.name for stage in recipe.stages)]
    if until is not None and until not in names:
        raise InputError(f"There is no stage {until!r}; known: {', '.join(names)}.")
    wanted = names[: names.index(until) + 1] if until else names
    run.mkdir(parents=True, exist_ok=True)
    claim(
        run / "recipe.json",
        {**asdict(recipe), "start": start},
        "is another recipe's; give --out a folder of its own, or delete this one.",
    )
    pools = {pool.name: pool for pool in recipe.pools}
    autoencoder, networks = build_networks(recipe)
    if start is not None:
        _load_weights(start, autoencoder, networks)
    # Another autoencoder would make the latents strange to a network that knows the old ones.
    for index, (name, ae_stage) in enumerate(recipe.autoencoder_stages if start is None else ()):
        pool = pools[ae_stage.pool]
        pool.write_pixels(run / "pixels")
        if name not in wanted:
            break
        finished = run / "states" / f"{name}.finished.pt"
        if finished.exists():
            autoencoder.load_state_dict(torch.load(finished, weights_only=True))
            continue
        train_autoencoder(
            autoencoder, ae_stage, pool, run / "pixels", run / "states" / f"{name}.pt", recipe.seed + index
        )
        _finish(finished, autoencoder.state_dict())
    if WORDS in wanted and start is None:
        _train_words(run / "states", recipe, networks)
    for index, stage in enumerate(recipe.stages):
        if stage.name not in wanted:
            break
        finished = run / "states" / f"{stage.name}.finished.pt"
        if finished.exists():
            state = torch.load(finished, weights_only=True)
            networks.unet.load_state_dict(state["unet"])
            networks.text_encoder.load_state_dict(state["text_encoder"])
            continue
        pool = pools[stage.pool]
        write_latents(pool, run, autoencoder)
        source = PooledVideos(pool, pool.load(run / "latents"), stage.frames, stage.pairs, recipe.text_dropout)
        train_stage(networks, stage, source, run / "states" / f"{stage.name}.pt", recipe.seed + 100 + index)
        draw_curve(run / "states" / f"{stage.name}.csv", run / "states" / f"{stage.name}.png")
        states = {"unet": networks.unet.state_dict(), "text_encoder": networks.text_encoder.state_dict()}
        _finish(finished, states)
    return save_model(run / "model", autoencoder, networks) if processes.rank() == 0 else run / "model"


def _train_words(states: Path, recipe: Recipe, networks: Networks) -> None:
    finished = states / f"{WORDS}.finished.pt"
    if finished.exists():
        networks.text_encoder.load_state_dict(torch.load(finished, weights_only=True))
        return
    train_words(networks.text_encoder, networks.tokenizer, recipe.words, states / f"{WORDS}.pt", recipe.seed + 50)
    _finish(finished, networks.text_encoder.state_dict())


def _load_weights(start: Path, autoencoder: SmallAutoencoder, networks: Networks) -> None:
    """Copy the weights of a model folder."""
    from cvd3d.sampling import load_pipeline

    model = load_pipeline(start)
    parts = (autoencoder, model.vae), (networks.unet, model.unet), (networks.text_encoder, model.text_encoder)
    for ours, theirs in parts:
        try:
            ours.load_state_dict(theirs.state_dict())
        except RuntimeError:
            raise InputError(f"The model in {start} has another {type(ours).__name__} than the recipe.") from None


def write_latents(pool: Pool, run: Path, autoencoder: SmallAutoencoder) -> None:
    """Encode the pool, from its stored pixels where there are any."""
    pixels = run / "pixels"
    pool.write_latents(run / "latents", autoencoder, pixels if (pixels / pool.name).is_dir() else None)


def save_model(folder: Path, autoencoder: SmallAutoencoder, networks: Networks) -> Path:
    """Write a pipeline folder in float16 safetensors."""
    from cvd3d.sampling.pipeline import CollaborativePipeline
    from cvd3d.sampling.quiet import quiet

    pipeline = CollaborativePipeline(
        autoencoder,
        networks.text_encoder,
        networks.tokenizer,
        networks.unet,
        networks.scheduler,
        steps=SAMPLING_STEPS,
        guidance=GUIDANCE,
    )
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    with quiet():
        pipeline.to(dtype=torch.float16).save_pretrained(part, safe_serialization=True)
        pipeline.to(dtype=torch.float32)
    shutil.rmtree(folder, ignore_errors=True)
    return part.rename(folder)


def _finish(path: Path, state: dict) -> None:
    processes.wait()
    save_state(path, state)


def shortened(recipe: Recipe, steps: int) -> Recipe:
    """The same recipe with `steps` steps a stage and as many samples as that needs; to try the code, not to learn."""
    return replace(
        recipe,
        pools=tuple(replace(pool, samples=min(pool.samples, 8)) for pool in recipe.pools),
        autoencoder_stages=tuple((n, replace(s, steps=steps, batch=2)) for n, s in recipe.autoencoder_stages),
        words=replace(recipe.words, steps=steps, batch=2),
        stages=tuple(replace(stage, steps=steps, batch=2) for stage in recipe.stages),
    )
