"""Options that several commands share. What is not given is left to the library's own default."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_type_hints

from docstring_parser import parse_from_object
from tyro.conf import arg

from cvd3d.sampling.request import Request
from recon.fitting.settings import FitSettings

if TYPE_CHECKING:
    from trajectories.rig import Rig

T = TypeVar("T")
ANGLES = ("elevation", "azimuth", "fov", "sweep", "top")


def _default(text: str, metavar: str) -> Any:
    """Say in words what happens without the option."""
    return arg(metavar=metavar, help_behavior_hint=f"(default: {text})")


def _given(options: Any) -> dict[str, Any]:
    values = {field: getattr(options, field.name) for field in fields(options)}
    return {field.name: value for field, value in values.items() if value != field.default}


def _flags_of(source: type, **flags: tuple[str, str] | None) -> Callable[[type[T]], type[T]]:
    """Class decorator: a frozen dataclass of its own fields and of `flags`, fields of the dataclass `source`.

    Args:
        source: gives the types and, in its docstrings, the help.
        flags: by name, what happens without the option and its metavar: the option is then None unless given. None
            keeps the default of the source.
    """
    types, defaults = get_type_hints(source), {field.name: field.default for field in fields(source)}
    texts = {each.arg_name: " ".join((each.description or "").split()) for each in parse_from_object(source).params}

    def derive(options: type[T]) -> type[T]:
        for name, flag in flags.items():
            if flag is None:
                kind, default, shown = types[name], defaults[name], arg(help=texts[name])
            else:
                kind, default = types[name] | None, None
                hint = flag[0] and f"(default: {flag[0]})"
                shown = arg(help=texts[name], metavar=flag[1], help_behavior_hint=hint)
            options.__annotations__[name] = Annotated[kind, shown]
            setattr(options, name, default)
        return dataclass(frozen=True)(options)

    return derive


@dataclass(frozen=True)
class RigOptions:
    """The cameras. Angles in degrees, lengths in meters."""

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


@_flags_of(
    Request,
    negative_prompt=None,
    steps=("the model's", "INT"),
    guidance=("the model's", "FLOAT"),
    model=("the model that comes with cvd3d", "DIR"),
    matching=None,
    recurrences=("by the number of videos", "INT"),
    matchings=("by the number of videos", "INT"),
    window_overlap=("", "INT"),
    max_memory=("what suits most machines", "GB"),
    precision=None,
)
class SamplingOptions:
    """The videos."""

    keep: Annotated[tuple[str, ...], arg(metavar="NAME", help_behavior_hint="")] = ()
    """Videos of the scene that stay as they are; the others are made anew to agree with them."""
    known: Annotated[tuple[str, ...], arg(metavar="NAME=FILE", help_behavior_hint="")] = ()
    """Videos of your own in the place of the rig's; the others are made to agree with them."""

    def given(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        return _given(self)

    def build(self, prompt: str, seed: int, rig: Rig, scene: Path) -> Request:
        """The request, which is checked.

        Args:
            prompt: what the videos show.
            seed: of every random draw.
            rig: the cameras.
            scene: the scene folder, which has the videos to keep.

        Raises:
            InputError: what `Request` refuses, a rig that the model cannot take, or known videos that are not there or
                do not fit.
        """
        from cvd3d.sampling import DEFAULT_MODEL
        from cvd3d.sampling.limits import check_rig_for
        from cvd3d.scene.known import known_videos

        given = {name: value for name, value in self.given().items() if name not in ("keep", "known")}
        request = Request(prompt, seed=seed, **given)
        check_rig_for(request.model or DEFAULT_MODEL, rig, request.window_overlap)
        return replace(request, known=known_videos(scene, rig, self.keep, self.known))


@_flags_of(
    FitSettings,
    steps=("chosen for the capture", "INT"),
    sh_degree=("2; 3 in high quality", "INT"),
    densify=("mcmc; default where something moves", "{mcmc,default,none}"),
    cap=("by the pixels, at most 100000; 300000 in high quality", "INT"),
    exposure=("True for generated frames", "BOOL"),
    confidence=("learnt for generated frames, else even", "{even,learnt}"),
    depth_weight=("0", "FLOAT"),
    knots=("up to 8 where something moves, else 0", "INT"),
    still_below=("0.01", "FLOAT"),
    hold_out=("8", "INT"),
)
class FitOptions:
    """The splats."""

    quality: Literal["draft", "normal", "high"] = "normal"
    """How long the fit takes: to see whether it works at all, as a rule, or for a last version."""

    def given(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        return _given(self)
