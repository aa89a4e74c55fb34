"""Samples 20 prompts with the default model: a contact sheet for inspection, and the difference of paired videos.

    python benchmarks/default_model.py --sheet docs/images/default_model.png

Each prompt is sampled as two videos with identical cameras, as in the last line of the paper's evaluation (CVD, section
4), once with the cross-view modules and once without, from the same noise. Prints the mean squared difference of the
two videos, with pixels in [0, 1].
"""

from __future__ import annotations

import argparse
import textwrap
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from cvd3d.evaluation.studio import twins_of
from cvd3d.evaluation.twins import twin_difference
from cvd3d.sampling import load_pipeline
from trajectories import make_rig

# The grammar of training captions generates none of these: their wording, order or punctuation differ.
PROMPTS = (
    "Red cube, green grass.",
    "on a sandy beach, a blue ball",
    "one yellow cone, and snow all around it",
    "a big purple cylinder standing on a grey road",
    "a green tree, and under it brown dirt",
    "snow, a white house, a clear sky",
    "orange table. green grass. sunset.",
    "a red car, parked on the road",
    "snowman, snow, blue sky",
    "black ball, white snow",
    "one white cube and one red ball, grass",
    "blue house with a green tree on the right",
    "yellow car, then a purple cone, on sand",
    "a green cylinder and an orange ball: evening",
    "at night a snowman, a yellow house",
    "table, red. ball, blue. grass, green.",
    "black cube, yellow cone, grey road, cloudy",
    "the sun sets on a purple tree",
    "a ball, bouncing, orange, in the meadow",
    "a blue car, driving over the sand",
)


def main() -> None:
    """Run the prompts and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=None, help="a model folder; the default model by default")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--prompts", type=int, default=len(PROMPTS), help="number of prompts, from the first")
    parser.add_argument("--sheet", type=Path, default=Path("default_model.png"))
    args = parser.parse_args()
    pipeline = load_pipeline(args.model)
    rig = twins_of(make_rig("circle", 4, args.frames))
    rows, differences, start = [], [], time.perf_counter()
    for index, prompt in enumerate(PROMPTS[: args.prompts]):
        videos = [
            pipeline(
                prompt, rig, num_inference_steps=args.steps, cross_view_scale=scale,
                generator=torch.Generator().manual_seed(index), progress=False,
            ).videos
            for scale in (1.0, 0.0)
        ]  # fmt: skip
        differences.append([twin_difference(pair) for pair in videos])
        print(f"{prompt:<48} with {differences[-1][0]:.4f}   without {differences[-1][1]:.4f}", flush=True)
        rows.append(_row(prompt, videos[0]))
    with_module, without = np.mean(differences, axis=0)
    print(f"\nmean squared difference of two videos with the same cameras, {len(differences)} prompts:")
    print(f"  cross-view modules on {with_module:.4f}, off {without:.4f} ({without / with_module:.1f} times)")
    print(f"  {time.perf_counter() - start:.0f} s, {torch.get_num_threads()} threads")
    args.sheet.parent.mkdir(parents=True, exist_ok=True)
    columns = [np.concatenate(rows[i::2]) for i in range(2) if rows[i::2]]
    height = max(column.shape[0] for column in columns)
    columns = [np.pad(c, ((0, height - c.shape[0]), (0, 12), (0, 0)), constant_values=255) for c in columns]
    Image.fromarray(np.concatenate(columns, axis=1)).save(args.sheet, optimize=True)
    print(f"  {args.sheet}")


def _row(prompt: str, videos: np.ndarray) -> np.ndarray:
    """The prompt, the first, middle and last frame of one video, and the last frame of its twin."""
    first, twin = videos
    frames = [first[0], first[len(first) // 2], first[-1], twin[-1]]
    strip = (np.concatenate(frames, axis=1) * 255).round().astype(np.uint8)
    label = Image.new("RGB", (150, strip.shape[0]), "white")
    ImageDraw.Draw(label).multiline_text((6, 40), textwrap.fill(prompt, 24), fill="black")
    return np.concatenate([np.asarray(label), strip], axis=1)


if __name__ == "__main__":
    main()
