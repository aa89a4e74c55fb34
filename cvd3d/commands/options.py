"""Options that several commands share. An option that is not given keeps the library's default."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_type_hints

from docstring_parser import parse_from_object
from tyro.conf import arg

from cvd3d.commands.choices import one_of
from cvd3d.sampling.request import Request
from recon.fitting.settings import FitSettings, Quality

if TYPE_CHECKING:
    from trajectories.rig import Rig

T = TypeVar("T")
ANGLES = ("elevation", "azimuth", "fov", "sweep", "top")
# The names in `trajectories.rigs.RIGS` and `trajectories.paths.EASINGS`, which import numpy.
RIG_NAMES = ("circle", "orbit", "upper_hemi", "dome", "interpolate", "static")
Easing = Literal["linear", "in", "out", "in-out"]
DENOISE_STEPS = {"steps": "denoise-steps"}


def _default(text: str, metavar: str) -> Any:
    """An option whose help describes its default in words."""
    return arg(metavar=metavar, help_behavior_hint=f"(default: {text})")


def flag(name: str) -> str:
    """The option on the command line for a field of `RigOptions` or `SamplingOptions`."""
    return "--" + DENOISE_STEPS.get(name, name).replace("_", "-")


def _given(options: Any) -> dict[str, Any]:
    values = {field: getattr(options, field.name) for field in fields(options)}
    return {field.name: value for field, value in values.items() if value != field.default}


def _flags_of(
    source: type, *, renamed: Mapping[str, str] = MappingProxyType({}), prefixed: Collection[str] | None = None,
    **flags: tuple[str, str] | None,
) -> Callable[[type[T]], type[T]]:  # fmt: skip
    """Class decorator that makes a frozen dataclass and adds fields of the dataclass `source` to it.

    Args:
        source: provides the types and, in its docstrings, the help.
        renamed: other names of options on the command line; the option of the field's own name is read as well.
        prefixed: the fields whose options keep the prefix of the dataclass; None keeps it for all.
        flags: for each field to add, a description of its default and its metavar; the option is then None by default.
            None keeps the default of the source.
    """
    types, defaults = get_type_hints(source), {field.name: field.default for field in fields(source)}
    texts = {each.arg_name: " ".join((each.description or "").split()) for each in parse_from_object(source).params}

    def derive(options: type[T]) -> type[T]:
        shown: dict[str, Any]
        for name, flag in flags.items():
            if flag is None:
                kind, default, shown = types[name], defaults[name], {}
            else:
                kind, default = types[name] | None, None
                shown = {"metavar": flag[1], "help_behavior_hint": flag[0] and f"(default: {flag[0]})"}
            if name in renamed:
                shown |= {"name": renamed[name], "aliases": [f"--{name}"]}
            prefix = prefixed is None or name in prefixed
            options.__annotations__[name] = Annotated[kind, arg(help=texts[name], prefix_name=prefix, **shown)]
            setattr(options, name, default)
        return dataclass(frozen=True)(options)

    return derive


@dataclass(frozen=True)
class RigOptions:
    """The cameras. Angles in degrees, lengths in meters."""

    rig: Annotated[str, one_of(RIG_NAMES, "NAME", or_file=True)] = "orbit"
    """Shape of the camera paths: circle, orbit, upper_hemi, dome, interpolate or static; or a rig.json file."""
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
    """Direction from the target to the first camera, measured from +x towards +y."""
    fov: Annotated[float | None, _default("50", "DEGREES")] = None
    """Vertical field of view."""
    spread: Annotated[float | None, _default("0.5", "FLOAT")] = None
    """circle, upper_hemi: how far each camera moves, as a fraction of the radius."""
    sweep: Annotated[float | None, _default("360/views, at most 90", "DEGREES")] = None
    """orbit: the arc of each camera."""
    top: Annotated[float | None, _default("70", "DEGREES")] = None
    """dome: the elevation at the end."""
    easing: Annotated[Easing | None, _default("linear", "{linear,in,out,in-out}")] = None
    """How the cameras accelerate along their paths."""

    def given(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        return _given(self)

    def build(self) -> Rig:
        """Build or load the rig.

        Raises:
            InputError: an unknown rig (the closest name is suggested), a bad option or file, or options together with a
                rig file.
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
    renamed=DENOISE_STEPS,
    negative_prompt=None,
    steps=("the model's", "INT"),
    guidance=("the model's", "FLOAT"),
    model=("the model that comes with cvd3d", "DIR"),
    matching=None,
    recurrences=("by the number of videos", "INT"),
    matchings=("by the number of videos", "INT"),
    window_overlap=("", "INT"),
    max_memory=("no limit, 8 videos per network call", "GB"),
    precision=None,
)
class SamplingOptions:
    """Sampling of the videos."""

    keep: Annotated[tuple[str, ...], arg(metavar="NAME", help_behavior_hint="")] = ()
    """Videos of the scene to keep unchanged; the others are sampled again to be consistent with them."""
    known: Annotated[tuple[str, ...], arg(metavar="NAME=FILE", help_behavior_hint="")] = ()
    """Your own video files for these videos of the rig; the others are sampled to be consistent with them."""

    def given(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        return _given(self)

    def build(self, prompt: str, seed: int, rig: Rig, scene: Path) -> Request:
        """Build and validate the request.

        Args:
            prompt: what the videos show.
            seed: seed of all random draws.
            rig: the cameras.
            scene: the scene folder with the videos to keep.

        Raises:
            InputError: what `Request` refuses, a rig that the model does not support, or known videos that are missing
                or do not match the rig.
        """
        from cvd3d.sampling import DEFAULT_MODEL
        from cvd3d.sampling.limits import check_rig_for
        from cvd3d.scene.known import known_videos

        given = {name: value for name, value in self.given().items() if name not in ("keep", "known")}
        request = _affordable(Request(prompt, seed=seed, **given), rig.views)
        check_rig_for(request.model or DEFAULT_MODEL, rig, request.window_overlap)
        return replace(request, known=known_videos(scene, rig, self.keep, self.known))


def _affordable(request: Request, views: int) -> Request:
    """On a CPU, replace the defaults of R and Q by those of `cpu_schedule`, and print it if it differs."""
    if views <= 4 or request.matching == "exhaustive" or request.recurrences or request.matchings:
        return request
    import torch

    from cvd3d.sampling.matchings import cpu_schedule, default_schedule

    if torch.cuda.is_available():
        return request
    (R, Q), (slow_R, slow_Q) = cpu_schedule(views), default_schedule(views)
    print(
        f"{views} videos on a CPU: {R} recurrences and {Q} matching, {slow_R * slow_Q / (R * Q):.2g} times as fast as "
        f"the paper's; for those, give --recurrences {slow_R} --matchings {slow_Q}",
        flush=True,
    )
    return replace(request, recurrences=R, matchings=Q)


@_flags_of(
    FitSettings,
    prefixed=("steps",),
    steps=("chosen for the capture", "INT"),
    sh_degree=("2; 3 in high quality", "INT"),
    densify=("mcmc; 'default' if something moves", "{mcmc,default,none}"),
    cap=("from the number of pixels, at most 100000; 300000 in high quality", "INT"),
    exposure=("True for generated frames", "BOOL"),
    confidence=("learnt for generated frames, else even", "{even,learnt}"),
    depth_weight=("0", "FLOAT"),
    knots=("up to 8 if something moves, else 0", "INT"),
    still_below=("0.01", "FLOAT"),
    hold_out=("8", "INT"),
    new_paths=("0.25", "FLOAT"),
    prune=("0.1 pixels", "FLOAT"),
)
class FitOptions:
    """Fitting of the splats."""

    quality: Annotated[Quality, arg(prefix_name=False)] = "normal"
    """Trade-off between time and quality: draft is a quick check, high is for a final version."""

    def given(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        return _given(self)
