"""`cvd3d weights`: list, download, check and convert the released weights."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, OmitSubcommandPrefixes, Positional, arg, subcommand

SILENT = 1  # exit status of a self-test in which an input has no effect


@dataclass(frozen=True)
class ListWeights:
    """List the weights that are needed, where they are published, and which are registered."""

    def run(self) -> None:
        """Print the table."""
        from rich.console import Console

        from cvd3d.weights.listing import print_weights

        print_weights(Console())


@dataclass(frozen=True)
class Add:
    """Identify files by their tensor names, check and register them; they are not moved or copied."""

    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="FILE", help_behavior_hint="")]
    """Checkpoints of the released weights, or a diffusers folder of SD 1.5."""

    def run(self) -> None:
        """Register all files, or none if one of them is refused."""
        from trajectories.errors import InputError

        if not self.files:
            raise InputError("No file was given; 'cvd3d weights' lists the files that are needed.")
        from rich.progress import Progress

        from cvd3d.weights.catalog import ITEMS
        from cvd3d.weights.inspection import bytes_of, inspect
        from cvd3d.weights.listing import human_size
        from cvd3d.weights.registry import register

        found = []
        with Progress() as bars:
            for path in self.files:
                task = bars.add_task(f"Checking {path.name}", total=2 * bytes_of(path))
                found.append(inspect(path, partial(bars.advance, task)))
        register(found)
        for entry in found:
            print(f"{entry.path}: {ITEMS[entry.item].title}, {human_size(entry.size)}, sha256 {entry.sha256}")
        _print_next()


@dataclass(frozen=True)
class Fetch:
    """Download weights from the Hugging Face hub, check and register them."""

    names: Annotated[
        Positional[tuple[str, ...]], arg(metavar="NAME", help_behavior_hint="(default: all that are missing)")
    ]
    """Names from the first column of 'cvd3d weights', such as image-lora."""

    def run(self) -> None:
        """Download the items one by one; each is registered as soon as it is complete."""
        from cvd3d.weights.fetching import fetch, to_fetch
        from cvd3d.weights.listing import human_size

        items = to_fetch(self.names)
        for item in items:
            print(f"{item.title} ({item.size}) from {item.published}")
            entry = fetch(item)
            print(f"{entry.path}: {human_size(entry.size)}, sha256 {entry.sha256}")
        if not items:
            print("All needed weights that the hub provides are already registered.")
        _print_next()


def _part(default: str) -> object:
    return arg(metavar="PATH", help_behavior_hint=f"(default: {default})")


@dataclass(frozen=True)
class Convert:
    """Convert the released weights to one model folder, for --model."""

    out: Path
    """The model folder to write."""
    half: FlagCreatePairsOff[bool] = False
    """Store the weights as float16, in half the size."""
    force: FlagCreatePairsOff[bool] = False
    """Replace an existing model folder."""
    sd: Annotated[str | None, _part("the registered one")] = None
    """A diffusers folder of SD 1.5."""
    unet: Annotated[str | None, _part("the registered fine-tune, else the UNet of --sd")] = None
    """A fine-tuned UNet to use instead of the one in --sd: a file, or a diffusers UNet folder."""
    motion_module: Annotated[str | None, _part("the registered one")] = None
    """The motion module of AnimateDiff."""
    camera_control: Annotated[str | None, _part("the registered one")] = None
    """The checkpoint of CameraCtrl."""
    cross_view: Annotated[str | None, _part("the registered one")] = None
    """The checkpoint of CVD."""
    motion_lora: Annotated[str | None, _part("the registered domain adapter; none with a fine-tuned UNet")] = None
    """A LoRA to merge: a file such as AnimateDiff's domain adapter, "registered" or "none"."""
    image_lora: Annotated[str | None, _part("none")] = None
    """Another LoRA to merge: a file such as the RealEstate10K LoRA, or "registered"."""

    def run(self) -> None:
        """Convert, and print the source of each part."""
        from cvd3d.weights.conversion import choose_sources, convert
        from cvd3d.weights.listing import print_converted
        from cvd3d.weights.registry import registered

        given = {
            "sd": self.sd, "unet": self.unet, "motion-module": self.motion_module, "motion-lora": self.motion_lora,
            "camera-control": self.camera_control, "cross-view": self.cross_view, "image-lora": self.image_lora,
        }  # fmt: skip
        sources = choose_sources(given, registered())
        pipeline = convert(sources, self.out, half=self.half, force=self.force, show=True)
        print_converted(self.out, sources, pipeline)


@dataclass(frozen=True)
class Test:
    """Test whether cameras, partner videos and text affect a model's output; exit status 1 if one of them does not."""

    model: Annotated[
        Path | None, arg(metavar="DIR", help_behavior_hint="(default: the model that comes with cvd3d)")
    ] = None
    """The model folder to test."""

    def run(self) -> None:
        """Print the effect of each input, and a sentence for each input without effect."""
        from cvd3d.sampling import load_pipeline
        from cvd3d.weights.self_test import self_test

        effects = self_test(load_pipeline(self.model))
        for effect in effects:
            print(f"{effect.input:<8} the output changes by {100 * effect.change:.3g} % {effect.case}")
        silent = [effect.silent for effect in effects if not effect.works]
        for sentence in silent:
            print(f"cvd3d: {sentence}", file=sys.stderr)
        if silent:
            sys.exit(SILENT)
        print("Cameras, partner and text all change the output.")


Choice = (
    Annotated[ListWeights, subcommand("list")]
    | Annotated[Add, subcommand("add")]
    | Annotated[Fetch, subcommand("fetch")]
    | Annotated[Convert, subcommand("convert")]
    | Annotated[Test, subcommand("test")]
)


@dataclass(frozen=True)
class Weights:
    """List, check, download and convert the released weights; without a subcommand, list them."""

    do: OmitSubcommandPrefixes[OmitArgPrefixes[Choice]] = field(default_factory=ListWeights)

    def run(self) -> None:
        """Run the subcommand."""
        self.do.run()


def _print_next() -> None:
    from cvd3d.weights.listing import next_commands
    from cvd3d.weights.registry import fault, registered

    entries = registered()
    faults = {name: reason for name, entry in entries.items() if (reason := fault(entry)) is not None}
    print("\nNext:")
    for command in next_commands(entries, faults):
        print(f"  {command}")
