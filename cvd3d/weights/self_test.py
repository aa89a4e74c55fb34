"""Test whether cameras, partner videos and text affect a model's output, with a few network calls on noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cvd3d.model.text import encode_text
from cvd3d.model.unet import ViewGeometry
from cvd3d.sampling.latents import latent_factor
from cvd3d.sampling.pipeline import CollaborativePipeline
from trajectories import InputError, make_rig

PROMPT = "a red cube on green grass"
FRAMES, SMALLEST = 4, 4
NO_EFFECT = 1e-5  # above rounding errors, below the effect of any module that is not zero


@dataclass(frozen=True)
class Effect:
    """How much one input changes the network's output."""

    input: str
    case: str
    """The change of the input, in words."""
    change: float
    """Root mean square of the output's change, divided by that of the output."""
    silent: str
    """The sentence to print if the input has no effect."""

    @property
    def works(self) -> bool:
        """Whether the input affects the output."""
        return self.change > NO_EFFECT


@torch.no_grad()
def self_test(pipeline: CollaborativePipeline) -> tuple[Effect, Effect, Effect]:
    """Call the network on two videos of noise, then again with static cameras, another partner, and no text.

    Raises:
        InputError: the output is not finite.
    """
    unet = pipeline.unet
    side = max(SMALLEST, 2 ** (len(unet.config.block_out_channels) - 1))
    frames = min(FRAMES, unet.config.motion_max_seq_length)
    pixels = side * latent_factor(pipeline.vae)
    moving, still = (make_rig(name, 2, frames, width=pixels, height=pixels).cameras for name in ("circle", "static"))
    generator = torch.Generator().manual_seed(0)
    z, other = torch.randn(2, 2, unet.config.in_channels, frames, side, side, generator=generator).to(unet.device)
    no_text, text = encode_text(pipeline.tokenizer, pipeline.text_encoder, ["", PROMPT])
    t = pipeline.scheduler.config.num_train_timesteps // 2

    def predict(latents: Tensor, words: Tensor, geometry: ViewGeometry) -> Tensor:
        return unet(latents.to(unet.dtype), t, words.expand(2, -1, -1), cameras=geometry).float()

    geometry = unet.geometry(moving, None, side, side)
    # The masks of the moving cameras are kept, so that only the pose features differ.
    stopped = ViewGeometry(unet.encode_cameras(still, side, side), geometry.partners, geometry.biases)
    out = predict(z, text, geometry)
    if not torch.isfinite(out).all():
        raise InputError(
            "The network's output for noise is not finite, so its weights are damaged; convert them again."
        )

    def change(changed: Tensor, before: Tensor) -> float:
        return ((changed - before).square().mean() / before.square().mean()).sqrt().item()

    return (
        Effect(
            "cameras", "when the cameras stand still", change(predict(z, text, stopped), out),
            "The cameras have no effect: the weights that merge the camera features are zero, as before training.",
        ),
        Effect(
            "partner", "when the partner is another video",
            change(predict(torch.stack([z[0], other[1]]), text, geometry)[0], out[0]),
            "The partner has no effect: the cross-view modules are zero, as before training.",
        ),
        Effect(
            "text", f'without the prompt "{PROMPT}"', change(predict(z, no_text, geometry), out),
            "The text has no effect: the text encoder or the cross-attention does not work.",
        ),
    )  # fmt: skip
