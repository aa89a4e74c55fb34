"""Convert the released weights to one model folder that the sampler loads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, DDIMScheduler
from diffusers.loaders.single_file_utils import convert_ldm_clip_checkpoint, convert_ldm_vae_checkpoint
from torch import Tensor, nn
from transformers import CLIPTextModel

from cvd3d.model.official_names import LDM_UNET
from cvd3d.model.released import from_released
from cvd3d.model.tensor_files import read_tensors, weights_file
from cvd3d.sampling.pipeline import CollaborativePipeline
from cvd3d.weights.catalog import ITEMS
from cvd3d.weights.inspection import stable_diffusion_files
from cvd3d.weights.parts import check_together, load_autoencoder, load_text_encoder, load_tokenizer
from cvd3d.weights.registry import Entry, fault, stamp
from recon.progress import progress_bar
from trajectories import InputError
from trajectories.files import whole, write_text

NEEDED = ("sd", "motion-module", "camera-control", "cross-view")
NONE, REGISTERED = "none", "registered"
STEPS, GUIDANCE = 25, 8.5  # the values of the official scripts
LDM_AUTOENCODER, LDM_TEXT = "first_stage_model.", "cond_stage_model.transformer."


@dataclass(frozen=True)
class Sources:
    """The files of the model's parts."""

    sd: Path
    """A diffusers folder of SD 1.5 with the autoencoder, the text encoder, the tokenizer and the default UNet."""
    unet: Path
    motion_module: Path
    camera_control: Path
    cross_view: Path
    motion_lora: Path | None = None
    image_lora: Path | None = None


def choose_sources(given: Mapping[str, str | None], entries: Mapping[str, Entry]) -> Sources:
    """Choose the files to convert: the given ones, else the registered ones.

    The domain adapter belongs to the original UNet of SD 1.5 and is left out for a fine-tuned one, as in the paper's
    demonstration. The RealEstate10K LoRA is used only on request.

    Args:
        given: paths by name in the catalog; or "registered"; or, for a LoRA, "none".
        entries: the registry.

    Raises:
        InputError: a needed file is neither given nor registered, or registered files are missing or have changed.
    """
    paths: dict[str, Path | None] = {}
    missing = []

    def choose(name: str, default: str) -> None:
        choice = given.get(name) or default
        paths[name] = None
        if choice == REGISTERED and name in entries:
            if problem := fault(entries[name]):
                raise InputError(problem)
            paths[name] = entries[name].path
        elif choice == REGISTERED:
            missing.append(name)
        elif choice != NONE or name in NEEDED:
            paths[name] = Path(choice)

    for name in NEEDED:
        choose(name, REGISTERED)
    choose("unet", REGISTERED if "unet" in entries else NONE)
    choose("motion-lora", NONE if paths["unet"] else REGISTERED)
    choose("image-lora", NONE)
    if missing:
        names = ", ".join(f"{ITEMS[name].title} (--{name})" for name in missing)
        without = "; --motion-lora none converts without it" if missing == ["motion-lora"] else ""
        raise InputError(f"Not registered yet: {names}{without}; 'cvd3d weights' lists where to get the files.")
    sd, motion_module, camera_control, cross_view = (paths[name] for name in NEEDED)
    assert sd and motion_module and camera_control and cross_view
    return Sources(
        sd, paths["unet"] or sd / "unet", motion_module, camera_control, cross_view,
        paths["motion-lora"], paths["image-lora"],
    )  # fmt: skip


def convert(
    sources: Sources, out: str | Path, *, half: bool = False, force: bool = False, show: bool = False
) -> CollaborativePipeline:
    """Convert the released files and write a model folder atomically.

    Args:
        sources: the released files.
        out: the folder to write.
        half: store the weights as float16, in half the size; they are loaded as float32.
        force: replace an existing model folder.
        show: show a progress bar.

    Returns:
        The pipeline that was written.

    Raises:
        InputError: a file of the wrong kind or of another network, an existing folder, or too little disk space.
    """
    out = Path(out)
    _check_target(out, force)
    stable_diffusion_files(sources.sd)  # refuses missing parts before the long conversion
    with progress_bar(show) as bars:
        task = bars.add_task("Converting", total=4, status="text and autoencoder")
        tokenizer = load_tokenizer(sources.sd / "tokenizer")
        text_encoder, vae = _text_and_autoencoder(sources)
        bars.update(task, advance=1, status="network")
        unet = from_released(
            sources.unet, sources.motion_module, sources.camera_control, sources.cross_view,
            image_lora=sources.image_lora, motion_lora=sources.motion_lora,
        ).requires_grad_(False)  # fmt: skip
        bars.update(task, advance=2, status="writing")
        check_together(
            sources.unet, unet.config.in_channels, unet.config.cross_attention_dim, vae, text_encoder, tokenizer
        )
        pipeline = CollaborativePipeline(
            vae, text_encoder, tokenizer, unet, released_scheduler(), steps=STEPS, guidance=GUIDANCE
        )
        parts = (vae, text_encoder, unet)
        if half:
            for part in parts:
                part.half()
        _check_space(out, parts)
        with whole(out) as temporary:
            pipeline.save_pretrained(temporary)
            write_text(temporary / "sources.json", json.dumps(_origins(sources, half), indent=2) + "\n")
        bars.update(task, advance=1, status="")
    return pipeline


def released_scheduler() -> DDIMScheduler:
    """The noise schedule of the released weights (linear betas), with the official sampler's timesteps."""
    return DDIMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="linear", steps_offset=1,
        clip_sample=False, set_alpha_to_one=True, timestep_spacing="leading", prediction_type="epsilon",
    )  # fmt: skip


def _text_and_autoencoder(sources: Sources) -> tuple[CLIPTextModel, AutoencoderKL]:
    """Load both from SD's folder; a single-file fine-tune that contains weights for them replaces those weights."""
    text_encoder = load_text_encoder(sources.sd / "text_encoder")
    vae = load_autoencoder(sources.sd / "vae")
    if sources.unet.is_file():
        tensors = read_tensors(sources.unet)
        if any(key.startswith(LDM_UNET) for key in tensors):
            if any(key.startswith(LDM_TEXT) for key in tensors):
                _load(text_encoder, convert_ldm_clip_checkpoint(tensors), sources.unet)
            if any(key.startswith(LDM_AUTOENCODER) for key in tensors):
                _load(vae, convert_ldm_vae_checkpoint(tensors, vae.config), sources.unet)
    return text_encoder, vae


def _load(part: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Replace all weights of a part; depending on the library version, CLIP's names have the prefix text_model."""
    state = part.state_dict()
    found = {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}
    for name, old in state.items():
        tensor = found.get(name.removeprefix("text_model."))
        if tensor is None or tensor.shape != old.shape:
            what = "is missing" if tensor is None else f"has the shape {tuple(tensor.shape)}"
            raise InputError(f"{path} does not match SD 1.5's {type(part).__name__}: {name} {what}.")
        state[name] = tensor
    part.load_state_dict(state)


def _check_target(out: Path, force: bool) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out} is a file; give --out a new folder.")
    if not any(out.iterdir()):
        return
    if not force:
        raise InputError(f"{out} already exists; give another --out, or --force to replace it.")
    try:
        ours = json.loads((out / "model_index.json").read_text())["_class_name"] == CollaborativePipeline.__name__
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise InputError(f"{out} contains something other than a cvd3d model; give another --out.")


def _check_space(out: Path, parts: Sequence[nn.Module]) -> None:
    """Refuse a disk with too little free space, before anything is written."""
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    needed = sum(tensor.numel() * tensor.element_size() for part in parts for tensor in part.state_dict().values())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"The model needs {needed / 1e9:.1f} GB and the disk of {folder} has {free / 1e9:.1f} GB left; free some "
            "space or give --half."
        )


def _origins(sources: Sources, half: bool) -> dict[str, Any]:
    """The content of sources.json: the name and checksum of each source file."""
    files = {
        f"sd/{file.parent.name}": file for file in stable_diffusion_files(sources.sd) if file.suffix == ".safetensors"
    }
    for name in ("unet", "motion_module", "camera_control", "cross_view", "motion_lora", "image_lora"):
        path = getattr(sources, name)
        if path is not None and path != sources.sd / "unet":
            files[name] = weights_file(path)
    origins = {name: {"file": file.name, "sha256": stamp(file).sha256} for name, file in files.items()}
    return {"format": "cvd3d sources 1", "float16": half, "files": origins}
