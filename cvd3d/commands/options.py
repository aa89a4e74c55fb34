"""Options that several commands share. What is not given is left to the library's own default."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import arg

if TYPE_CHECKING:
    from cvd3d.scene.stages import Sampling
    from trajectories.rig import Rig

ANGLES = ("elevation", "azimuth", "fov", "sweep", "top")


def _default(text: str, metavar: str) -> Any:
    """Say in words what happens without the option."""
    return arg(metavar=metavar, help_behavior_hint=f"(default: {text})")


def _given(options: Any) -> dict[str, Any]:
    values = {field: getattr(options, field.name) for field in fields(options)}
    return {field.name: value for field, value in values.items() if value != field.default}


@dataclass(frozen=True)
class RigOptions:
    """The cameras. Angles in degrees, lengths in metres."""

    rig: str = "circle"
    """circle, orbit, upper_hemi, dome, interpolate, static, or the path of a rig.json."""
    views: Annotated[int | None, _default("4", "INT")] = None
    """Number of videos."""
    frames: Annotated[int | None, _default("16", "INT")] = None
    """Frames of each video."""
    size: Annotated[tuple[int, int] | None, _default("128 128", "W H")] = None
    """Image width and height in pixels."""
    fps: Annotated[float | None, _default("8", "FLOAT")] = None
    """Frames per second."""
    target: Annotated[tuple[float, float, float] | None, _default("0 0 0.6", "X Y Z")] = None
    """The point to look at."""
    radius: Annotated[float | None, _default("4.5", "FLOAT")] = None
    """Distance of the cameras from the target."""
    elevation: Annotated[float | None, _default("20", "DEGREES")] = None
    """Angle of the cameras above the horizon."""
    azimuth: Annotated[float | None, _default("-90", "DEGREES")] = None
    """Direction from the target to the first camera, from +x towards +y."""
    fov: Annotated[float | None, _default("50", "DEGREES")] = None
    """Vertical field of view."""
    spread: Annotated[float | None, _default("0.5", "FLOAT")] = None
    """circle, upper_hemi: how far each camera moves, in radii."""
    sweep: Annotated[float | None, _default("360/views, at most 90", "DEGREES")] = None
    """orbit: the arc of each camera."""
    top: Annotated[float | None, _default("70", "DEGREES")] = None
    """dome: the elevation at the end."""
    easing: Annotated[str | None, _default("linear", "STR")] = None
    """How the cameras speed up and slow down along their paths."""

    def given(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        return _given(self)

    def build(self) -> Rig:
        """The rig that was asked for.

        Raises:
            InputError: an unknown rig (the nearest is named), a bad option or file, or options beside a file.
        """
        from trajectories.errors import InputError

        options = self.given()
        options.pop("rig", None)
        if self.rig.endswith(".json") or "/" in self.rig:
            if options:
                name = next(iter(options))
                raise InputError(f"--{name} cannot change the rig file {self.rig}; leave it out or edit the file.")
            from trajectories.rig_file import load_rig

            return load_rig(self.rig)
        from trajectories.rigs import make_rig

        for name, value in options.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise InputError(f"--{name} is {value}; give a finite number.")
        if "size" in options:
            options["width"], options["height"] = options.pop("size")
        for name in ANGLES:
            if name in options:
                options[name] = math.radians(options[name])
        return make_rig(self.rig, options.pop("views", 4), options.pop("frames", 16), **options)


@dataclass(frozen=True)
class SamplingOptions:
    """The videos."""

    negative_prompt: str = ""
    """What should not be there."""
    steps: Annotated[int | None, _default("the model's", "INT")] = None
    """Denoising steps."""
    guidance: Annotated[float | None, _default("the model's", "FLOAT")] = None
    """How strongly the prompt is followed (classifier-free guidance)."""
    model: Annotated[Path | None, _default("the model that comes with cvd3d", "DIR")] = None
    """A folder with another model's weights."""
    matching: Literal["random", "overlap", "exhaustive"] = "random"
    """How videos are paired: at random (the paper's), those that see the same things more often, or all with all."""
    recurrences: Annotated[int | None, _default("by the number of videos", "INT")] = None
    """Passes in each step (the paper's R)."""
    matchings: Annotated[int | None, _default("by the number of videos", "INT")] = None
    """Matchings averaged in each pass (the paper's Q)."""
    window_overlap: Annotated[int | None, arg(metavar="INT", help_behavior_hint="")] = None
    """For videos longer than the model's: make them in windows that share so many frames."""
    keep: Annotated[tuple[str, ...], arg(metavar="NAME", help_behavior_hint="")] = ()
    """Videos of the scene that stay as they are; the others are made anew to agree with them."""
    known: Annotated[tuple[str, ...], arg(metavar="NAME=FILE", help_behavior_hint="")] = ()
    """Videos of your own in the place of the rig's; the others are made to agree with them."""
    max_memory: Annotated[float | None, _default("what suits most machines", "GB")] = None
    """Do less at once to stay below so much memory."""
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    """Numbers in the network; half of them is quicker on a GPU only."""

    def given(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        return _given(self)

    def build(self, prompt: str, seed: int, rig: Rig, scene: Path) -> Sampling:
        """The checked settings.

        Args:
            prompt: what the videos show.
            seed: of every random draw.
            rig: the cameras.
            scene: the scene folder, which has the videos to keep.

        Raises:
            InputError: an empty prompt, a number out of range, a rig that the model cannot take, or known videos that
                are not there or do not fit.
        """
        from cvd3d.sampling import DEFAULT_MODEL
        from cvd3d.sampling.limits import check_rig_for
        from cvd3d.scene.known import known_videos
        from cvd3d.scene.stages import Sampling
        from trajectories.errors import InputError

        if not prompt.strip():
            raise InputError("The prompt is empty; say in a sentence what the scene holds.")
        for name in ("steps", "recurrences", "matchings"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"--{name} is {value}; give at least 1.")
        if self.guidance is not None and not (math.isfinite(self.guidance) and self.guidance >= 0):
            raise InputError(f"--guidance is {self.guidance}; give a number of 0 or more.")
        if self.max_memory is not None and not (math.isfinite(self.max_memory) and self.max_memory > 0):
            raise InputError(f"--max-memory is {self.max_memory}; give a number of GB above 0.")
        if self.model is not None and not self.model.is_dir():
            raise InputError(f"There is no model folder {self.model}; check --model.")
        check_rig_for(self.model or DEFAULT_MODEL, rig, self.window_overlap)
        return Sampling(
            prompt,
            negative_prompt=self.negative_prompt,
            steps=self.steps,
            guidance=self.guidance,
            matching=self.matching,
            recurrences=self.recurrences,
            matchings=self.matchings,
            window_overlap=self.window_overlap,
            known=known_videos(scene, rig, self.keep, self.known),
            max_memory=None if self.max_memory is None else int(self.max_memory * 1e9),
            precision=self.precision,
            model=self.model,
            seed=seed,
        )


@dataclass(frozen=True)
class FitOptions:
    """The splats."""

    quality: Literal["draft", "normal", "high"] = "normal"
    """How long the fit takes: to see whether it works at all, as a rule, or for a last version."""
    steps: Annotated[int | None, _default("chosen for the capture", "INT")] = None
    """Optimisation steps, one frame each."""
    sh_degree: Annotated[int | None, _default("2; 3 in high quality", "INT")] = None
    """Degree of the spherical harmonics, 0 to 3."""
    densify: Annotated[str | None, _default("mcmc; default where something moves", "STR")] = None
    """How splats are added: mcmc (moved to where they are needed), default (clone, split, prune), or none."""
    cap: Annotated[int | None, _default("by the pixels, at most 100000; 300000 in high quality", "INT")] = None
    """Never more splats than this."""
    exposure: Annotated[bool | None, _default("True for generated frames", "BOOL")] = None
    """Learn a gain and an offset for each frame's colors, as for photos in changing light."""
    confidence: Annotated[str | None, _default("learnt for generated frames, else even", "STR")] = None
    """even: all frames count alike; learnt: those that the others contradict count less."""
    depth_weight: Annotated[float | None, _default("0", "FLOAT")] = None
    """How hard splats are pulled to the depths of the starting points that a frame sees; gsplat has 0.01."""
    knots: Annotated[int | None, _default("up to 8 where something moves, else 0", "INT")] = None
    """Control points of each splat's path over time; 0 for a scene that stands still."""
    still_below: Annotated[float | None, _default("0.01", "FLOAT")] = None
    """Splats stand still where their motion makes errors of colors, 0 to 1, smaller by less than this."""
    hold_out: Annotated[int | None, _default("8", "INT")] = None
    """Every so many frames, one is kept out of the fit and measured; 0 keeps none out."""

    def given(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        return _given(self)
