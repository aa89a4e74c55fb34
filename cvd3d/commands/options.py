"""Options that several commands share. What is not given is left to the library's own default."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

if TYPE_CHECKING:
    from cvd3d.stages import Sampling
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

    def given(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        return _given(self)

    def build(self, prompt: str, seed: int) -> Sampling:
        """The checked settings.

        Raises:
            InputError: an empty prompt, steps below 1, or guidance that is not a number of 0 or more.
        """
        from cvd3d.stages import Sampling
        from trajectories.errors import InputError

        if not prompt.strip():
            raise InputError("The prompt is empty; say in a sentence what the scene holds.")
        if self.steps is not None and self.steps < 1:
            raise InputError(f"--steps is {self.steps}; give at least 1.")
        if self.guidance is not None and not (math.isfinite(self.guidance) and self.guidance >= 0):
            raise InputError(f"--guidance is {self.guidance}; give a number of 0 or more.")
        if self.model is not None and not self.model.is_dir():
            raise InputError(f"There is no model folder {self.model}; check --model.")
        return Sampling(prompt, self.negative_prompt, self.steps, self.guidance, self.model, seed)


@dataclass(frozen=True)
class FitOptions:
    """The splats."""

    steps: Annotated[int | None, _default("chosen for the capture", "INT")] = None
    """Optimisation steps, one frame each."""
    sh_degree: Annotated[int | None, _default("2", "INT")] = None
    """Degree of the spherical harmonics, 0 to 3."""
    densify: Annotated[str | None, _default("default", "STR")] = None
    """How splats are added: default (clone, split, prune), mcmc, or none."""
    cap: Annotated[int | None, _default("100000", "INT")] = None
    """No more splats once there are so many."""
    hold_out: Annotated[int | None, _default("8", "INT")] = None
    """Every so many frames, one is kept out of the fit and measured; 0 keeps none out."""

    def given(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        return _given(self)
