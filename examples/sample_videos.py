"""Sample the videos of a rig with the default model, and write one mp4 file for each camera.

python examples/sample_videos.py "a red cube on green grass" --out videos
"""

from pathlib import Path

import torch
import tyro

from cvd3d.sampling import load_pipeline
from recon.export.video import write_video
from trajectories import make_rig, save_rig


def main(prompt: tyro.conf.Positional[str], out: Path, views: int = 2, frames: int = 16, steps: int = 25) -> None:
    """Sample the videos.

    Args:
        prompt: what all videos show.
        out: folder for `rig.json` and the videos.
        views: number of cameras.
        frames: frames of each video, at 8 frames per second.
        steps: denoising steps; fewer are faster and rougher.
    """
    rig = make_rig("circle", views, frames, width=128, height=128, fps=8)
    pipeline = load_pipeline()  # the default model; give a folder for another one
    generator = torch.Generator().manual_seed(0)
    videos = pipeline(prompt, rig, num_inference_steps=steps, generator=generator).videos  # (V, T, H, W, 3) in [0, 1]
    out.mkdir(parents=True, exist_ok=True)
    save_rig(rig, out / "rig.json")
    for name, video in zip(rig.names, videos):
        write_video(video, out / f"{name}.mp4", fps=8)


if __name__ == "__main__":
    tyro.cli(main)
