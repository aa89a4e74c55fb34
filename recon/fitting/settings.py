"""Settings of a fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from recon.capture import Capture

MAX_KNOTS = 8
Quality = Literal["draft", "normal", "high"]
QUALITIES: tuple[Quality, ...] = get_args(Quality)
CAPS = {"draft": (10_000, 50_000, 50), "normal": (20_000, 100_000, 25), "high": (40_000, 300_000, 10)}
"""Caps by quality: minimum, maximum, and the number of pixels of all frames per splat in between."""


@dataclass(frozen=True)
class FitSettings:
    """Settings of a fit. The learning rates are gsplat's (examples/simple_trainer.py), for Adam."""

    steps: int = 2000
    """Number of optimization steps, each on one frame."""
    sh_degree: int = 2
    """Degree of the spherical harmonics, 0 to 3; it increases from 0 during the first half of the steps."""
    means_rate: float | None = None
    """Learning rate of the centers, in scene scales; it decays to a hundredth over the fit. By default 4e-4 with MCMC,
    else 1.6e-4."""
    scales_rate: float = 5e-3
    """Learning rate of the logarithms of the scales."""
    quats_rate: float = 1e-3
    """Learning rate of the rotations."""
    opacities_rate: float = 5e-2
    """Learning rate of the logits of the opacities."""
    sh0_rate: float = 2.5e-3
    """Learning rate of the base colors."""
    shN_rate: float = 2.5e-3 / 20
    """Learning rate of the higher spherical harmonics."""
    densify: Literal["default", "mcmc", "none"] = "default"
    """Densification strategy: mcmc (relocate splats to where they are needed), default (clone, split, prune), or
    none."""
    refine_every: int | None = None
    """Steps between densifications, from a tenth to six tenths of the fit. By default a hundredth of all steps with
    MCMC, a sixth for moving scenes, else a twentieth."""
    grow_grad2d: float = 2e-4
    """Splats whose mean image-plane gradient is larger are cloned or split ('default' only)."""
    absgrad: bool = False
    """Use absolute gradients in that mean, so that opposite gradients do not cancel (Ye et al. 2024, AbsGS); needs a
    larger threshold."""
    cap: int = 100_000
    """Maximum number of splats."""
    ssim_weight: float = 0.2
    """Weight w of the loss (1 - w) L1 + w (1 - SSIM)."""
    opacity_reg: float | None = None
    """Weight of the mean opacity in the loss. By default 0.01 with MCMC, which relocates faint splats, else 0."""
    scale_reg: float | None = None
    """Weight of the mean standard deviation in meters in the loss. By default 0.01 with MCMC, else 0."""
    depth_weight: float = 0.0
    """Weight of the difference of inverse depths, in scene scales, at the starting points that a frame sees; gsplat
    uses 0.01."""
    exposure: bool = False
    """Learn a gain and an offset for each color of each frame, for photos in changing light."""
    exposure_rate: float = 5e-3
    """Learning rate of the gains and offsets; it decays to a tenth over the fit."""
    confidence: Literal["even", "learnt"] = "even"
    """even: all frames have the same weight; learnt: frames with a larger error than the others get smaller weights."""
    frame_memory: float = 4e9
    """Memory for cached frames in bytes; other frames are read each time."""
    hold_out: int = 8
    """Interval of the frames that are held out from the fit and evaluated; 0 fits all frames."""
    new_paths: float = 0.25
    """Fraction of the steps of a second fit that leaves out one of four or more videos and is measured on it; 0 leaves
    this out. `measure_new_paths` does it, `fit` does not."""
    coarse_until: float = 0.0
    """Up to this fraction of the steps, frames are fitted at half the width and height, which is four times as fast."""
    background: tuple[float, float, float] | None = None
    """RGB color behind the splats; by default random in each step, so that splats cover everything visible."""
    checkpoint_every: int = 500
    """Steps between checkpoints."""
    prune: float = 0.1
    """Splats that color less than this many pixels of every fitted frame are removed at the end; 0 keeps all."""
    knots: int = 0
    """Number of control points of each splat's path over time; 0 for a still scene."""
    shifts_rate: float = 4e-3
    """Learning rate of the paths, in scene scales. Lower rates let motion lag; twice the rate degrades the rest."""
    turns_rate: float = 2e-2
    """Learning rate of the rotations along the paths, in radians; enough for half a turn in a short fit."""
    fades_rate: float = 3e-2
    """Learning rate of the opacities along the paths, for shadows and disocclusions."""
    still_below: float = 0.01
    """Splats lose their paths, at three and at six tenths of the fit, if motion reduces color errors, in [0, 1], by
    less than this. At twice this value, parts of moving objects stop; at half of it, more of the ground keeps paths."""

    def __post_init__(self) -> None:
        from trajectories.errors import InputError  # loads numpy, which `cvd3d --help` does without

        if self.steps < 1:
            raise InputError(f"The fit has {self.steps} steps; give at least 1.")
        if not 0 <= self.sh_degree <= 3:
            raise InputError(f"The degree of the spherical harmonics is {self.sh_degree}; give 0, 1, 2 or 3.")
        if self.densify not in ("default", "mcmc", "none"):
            raise InputError(f"The densification {self.densify!r} is unknown; give 'default', 'mcmc' or 'none'.")
        if self.confidence not in ("even", "learnt"):
            raise InputError(f"The confidence {self.confidence!r} is unknown; give 'even' or 'learnt'.")
        if self.cap < 2:
            raise InputError(f"The cap is {self.cap} splats; give at least 2.")
        if not 0.0 <= self.coarse_until <= 1.0:
            raise InputError(f"coarse_until is {self.coarse_until:g}; give a fraction of the steps, 0 to 1.")
        if not 0.0 <= self.new_paths <= 1.0:
            raise InputError(f"new_paths is {self.new_paths:g}; give a fraction of the steps, 0 to 1.")
        if not self.prune >= 0.0:
            raise InputError(f"prune is {self.prune:g}; give a number of pixels, or 0 to keep all splats.")
        if self.knots < 0 or self.knots == 1:
            raise InputError(f"knots is {self.knots}; give 2 or more, or 0 for a still scene.")
        if self.hold_out < 0 or self.hold_out == 1:
            raise InputError(f"hold_out is {self.hold_out}; give 2 or more, or 0 to fit all frames.")

    @property
    def refinement_interval(self) -> int:
        """Steps between densifications."""
        # Moving splats have large errors at first, which must not cause densification.
        share = 100 if self.densify == "mcmc" else 6 if self.knots else 20
        return max(1, self.steps // share) if self.refine_every is None else self.refine_every

    def rates(self, scene_scale: float) -> dict[str, float]:
        """Learning rates by parameter name."""
        usual = 4e-4 if self.densify == "mcmc" else 1.6e-4
        means_rate = usual if self.means_rate is None else self.means_rate
        return {
            "means": means_rate * scene_scale,
            "scales": self.scales_rate,
            "quats": self.quats_rate,
            "opacities": self.opacities_rate,
            "sh0": self.sh0_rate,
            "shN": self.shN_rate,
            "shifts": self.shifts_rate * scene_scale,
            "turns": self.turns_rate,
            "fades": self.fades_rate,
        }


def settings_for(
    capture: Capture, *, quality: str = "normal", moves: bool = False, generated: bool = False
) -> FitSettings:
    """Settings for a capture.

    Args:
        capture: the frames.
        quality: "draft" for a quick test, "normal", or "high" for a slow final version.
        moves: whether something in the scene moves.
        generated: whether a model generated the frames, which may then be inconsistent.

    Raises:
        InputError: the quality is unknown.
    """
    from trajectories.errors import InputError

    if quality not in QUALITIES:
        raise InputError(f"The quality {quality!r} is unknown; give one of {', '.join(QUALITIES)}.")
    pixels = capture.cameras.width * capture.cameras.height
    instants = len(set(capture.times.tolist()))
    # Large frames start at half size: a step costs a quarter, and the coarse shapes are found equally well.
    coarse_until = 0.5 if pixels > 200_000 else 0.0
    steps = {"draft": 600, "normal": 1500 if pixels <= 192 * 192 else 2000, "high": 7000}[quality]
    fewest, most, pixels_each = CAPS[quality]
    settings = FitSettings(
        steps=steps,
        sh_degree=3 if quality == "high" else 2,
        coarse_until=coarse_until,
        densify="mcmc",
        cap=min(max(pixels * len(capture) // pixels_each, fewest), most),
        exposure=generated,
        confidence="learnt" if generated else "even",
    )
    if not moves or instants == 1:
        return settings
    knots = min(MAX_KNOTS, max(2, instants // 2))
    return replace(settings, knots=knots, densify="default", cap=most)
