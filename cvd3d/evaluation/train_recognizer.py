"""Train the recognizer on renders of the world."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F

from cvd3d.evaluation.recognizer import PAIRS, SEEN, SIDE, WEIGHTS_FILE, Recognizer
from cvd3d.training.muon import MuonAndAdamW
from cvd3d.training.rig_draws import sample_rig
from cvd3d.training.world.draws import chance, choose
from cvd3d.training.world.objects import COLORS, OBJECTS
from cvd3d.training.world.render import render
from cvd3d.training.world.scenes import BOUNCING, DRIVING, SPINNING, STILL, World, make_world
from cvd3d.training.world.surroundings import GROUNDS, SKIES
from cvd3d.training.world.visibility import visible_share
from recon.progress import track
from trajectories.files import write_bytes

FRAMES = 16  # length of the drawn videos, from which frames are chosen
SHOTS = 2  # frames per scene
BATCH, RATE, WARMUP = 64, 5e-3, 20
AVERAGED = 8  # the result is a moving average of the weights over about the last 1 / AVERAGED of the steps


@dataclass(frozen=True, eq=False)
class LabeledImages:
    """N labeled images."""

    images: Tensor
    """(N, 3, 64, 64) uint8."""
    labels: Tensor
    """(N, 72) float32: 1 visible, 0 absent, NaN barely visible (ignored)."""


def draw_world(generator: torch.Generator) -> World:
    """A scene of one or two objects; all kinds, colors, grounds and skies are equally likely, also held-out ones."""
    things = [
        (choose(generator, tuple(OBJECTS)), choose(generator, tuple(COLORS)), STILL)
        for _ in range(1 if chance(generator, 0.4) else 2)
    ]
    if chance(generator, 0.3):
        kind, color, _ = things[0]
        things[0] = kind, color, choose(generator, (BOUNCING, SPINNING, DRIVING))
    return make_world(things, choose(generator, tuple(GROUNDS)), choose(generator, tuple(SKIES)), generator)


def draw_pool(count: int, generator: torch.Generator) -> LabeledImages:
    """Render and label `count` images, two per scene."""
    images = torch.empty((count, 3, SIDE, SIDE), dtype=torch.uint8)
    labels = torch.zeros((count, len(PAIRS)))
    for start in track(range(0, count, SHOTS), "Rendering pictures", show=True):
        world = draw_world(generator)
        rig = sample_rig(generator, 1, FRAMES)
        shots = torch.randperm(FRAMES, generator=generator)[: min(SHOTS, count - start)].numpy()
        cameras, times = rig.cameras[0, shots].resized(SIDE, SIDE), rig.times[shots]
        images[start : start + len(shots)] = torch.from_numpy(render(world, cameras, times)).movedim(-1, 1)
        labels[start : start + len(shots)] = _labels(world, visible_share(world, cameras, times))
    return LabeledImages(images, labels)


def augmented(images: Tensor, generator: torch.Generator) -> Tensor:
    """Float images with random mirroring, blur, tint and noise, so that blurry images are recognized too."""
    B = len(images)

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand((B, 1, 1, 1), generator=generator)

    x = images.float() / 255
    x = torch.where(draw(0, 1) < 0.5, x, x.flip(-1))
    softer = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    softest = F.avg_pool2d(softer, 5, stride=1, padding=2, count_include_pad=False)
    blur = draw(-0.6, 2)
    x = torch.where(blur < 1, x.lerp(softer, blur.clamp(0, 1)), softer.lerp(softest, (blur - 1).clamp(0, 1)))
    tint = 1 + 0.04 * torch.randn((B, 3, 1, 1), generator=generator)
    x = (x * tint - 0.5) * draw(0.85, 1.1) + 0.5 + draw(-0.04, 0.04)
    return x + draw(0, 0.05) * torch.randn(x.shape, generator=generator)


def train_recognizer(pool: LabeledImages, steps: int, seed: int) -> Recognizer:
    """Train in batches of 64 at a constant learning rate; the result is the moving average of the weights.

    Args:
        pool: the labeled images.
        steps: number of optimizer steps.
        seed: seed of the initial weights and of all random draws.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        recognizer = Recognizer()
    now = [tensor for tensor in recognizer.state_dict().values() if tensor.is_floating_point()]
    average = [tensor.clone() for tensor in now]
    optimizer = MuonAndAdamW(dict(recognizer.named_parameters()), RATE)
    for step in track(range(steps), "Training", show=True):
        chosen = torch.randint(len(pool.images), (BATCH,), generator=generator)
        labels = pool.labels[chosen]
        logits = recognizer(augmented(pool.images[chosen], generator))
        counts = ~labels.isnan()
        loss = F.binary_cross_entropy_with_logits(logits[counts], labels[counts], reduction="sum") / BATCH
        loss.backward()
        torch.nn.utils.clip_grad_norm_(recognizer.parameters(), 5.0)
        optimizer.step(RATE * min((step + 1) / WARMUP, 1))
        torch._foreach_lerp_(average, now, AVERAGED / (step + AVERAGED))
        if (step + 1) % 250 == 0:
            print(f"step {step + 1}: loss {loss.item():.4f}", flush=True)
    torch._foreach_copy_(now, average)
    return recognizer.eval()


def save_recognizer(recognizer: Recognizer, path: Path) -> None:
    """Write the weights as float16 safetensors."""
    state = recognizer.state_dict()
    write_bytes(path, save({name: tensor.half() for name, tensor in state.items() if tensor.is_floating_point()}))


def _labels(world: World, shares: np.ndarray) -> Tensor:
    """Labels (F, 72) from the (F, N) shares of the pixels that show each object."""
    labels = torch.zeros((len(shares), len(PAIRS)))
    for thing, share in zip(world.objects, torch.from_numpy(shares).T):
        column = labels[:, PAIRS.index((thing.kind, thing.color))]
        said = torch.where(share >= SEEN, 1.0, torch.where(share > 0, torch.nan, 0.0))
        column.copy_(torch.where((column == 1) | (said == 0), column, said))
    return labels


def main() -> None:
    """Train and write the shipped weights."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, default=WEIGHTS_FILE)
    options.add_argument("--pictures", type=int, default=12_000)
    options.add_argument("--steps", type=int, default=1800)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    pool = draw_pool(given.pictures, torch.Generator().manual_seed(given.seed))
    save_recognizer(train_recognizer(pool, given.steps, given.seed), given.out)


if __name__ == "__main__":
    main()
