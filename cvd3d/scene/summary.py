"""Print a summary after a command: the stages, the quality of the fit, the files, and the next commands."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cvd3d.scene.chain import Done
from recon.scene_files import METRICS_FILE


def nerfstudio_command(folder: Path) -> str:
    """The training command that keeps the scene's coordinate frame."""
    from trajectories.formats.nerfstudio import HOW_TO_KEEP_OUR_FRAME

    return f"ns-train splatfacto --data {shlex.quote(str(folder))} nerfstudio-data {HOW_TO_KEEP_OUR_FRAME}"


def print_new_paths(facts: Mapping[str, Any]) -> None:
    """Print how well splats match a video that a short second fit left out, and how far from the cameras that holds."""
    distance = f"{facts['degrees']:.0f} degrees and {facts['meters']:.1f} m from the nearest camera"
    source = f"{facts['video']}, left out of a fit of {facts['steps']} steps"
    quality = f"PSNR {facts['psnr']:.2f} dB, SSIM {facts['ssim']:.3f}"
    print(f"  {facts['frames']:>4} frames of a new path, {distance} ({source}): {quality}")
    if (between := facts["held_out"]["psnr"]) is not None:
        print(f"       frames held out between those of that fit: PSNR {between:.2f} dB")
    if within := facts["good_within"]:
        reach = f"within {within['degrees']:.0f} degrees and {within['meters']:.1f} m of the cameras"
        if within["degrees"] < 0.5:
            reach = "only from where its cameras are"
        print(f"       good {reach}: at most 3 dB below the {within['psnr']:.2f} dB of its nearest frame")


def print_summary(folder: Path, done: Sequence[Done]) -> None:
    """Print the table of stages and the next commands."""
    print()
    for stage in done:
        note = "  (done before)" if stage.skipped else ""
        print(f"  {stage.name:<8} {stage.seconds:8.1f} s   peak memory {stage.peak_memory_mb:7.0f} MB{note}")
    facts = {stage.name: stage.facts for stage in done}
    if "fit" in facts:
        moving = f", {facts['fit']['moving']} of which move," if facts["fit"].get("moving") else ""
        points = facts["points"]
        print(f"\n  {facts['fit']['splats']} splats{moving} from {points['points']} points ({points['source']})")
        if pruned := facts["fit"].get("pruned"):
            print(f"  {pruned} splats that no frame of the fit shows were removed")
        for name, words in (("held_out", "frames held out of the fit"), ("training", "frames of the fit")):
            quality = facts["fit"][name]
            if quality["frames"]:
                print(f"  {quality['frames']:>4} {words}: PSNR {quality['psnr']:.2f} dB, SSIM {quality['ssim']:.3f}")
        if new_paths := facts["fit"].get("new_paths"):
            print_new_paths(new_paths)
        if doubted := facts["fit"].get("doubted"):
            print(f"  {doubted:>4} frames that the others contradict have a weight below one half: see {METRICS_FILE}")
    print(f"\n  {folder}/  {', '.join(sorted({name for stage in done for name in stage.outputs}))}")
    path = shlex.quote(str(folder))
    names = [stage.name for stage in done]
    print("\nNext:")
    print(f"  cvd3d view {path}")
    if "fit" in names:
        print(f"  cvd3d export {path} --to ply")
    else:
        print(f"  cvd3d fit {path}")
    print(f"  {nerfstudio_command(folder)}")
