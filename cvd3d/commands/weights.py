"""`cvd3d weights`: the released weights, from what is needed to a model folder."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, OmitSubcommandPrefixes, Positional, arg, subcommand

SILENT = 1  # the exit status of a self-test in which something does nothing


@dataclass(frozen=True)
class ListWeights:
    """List what is needed, where it is published, and what is on this disk."""

    def run(self) -> None:
        """Print the table."""
        from rich.console import Console

        from cvd3d.weights.listing import print_weights

        print_weights(Console())


@dataclass(frozen=True)
class Add:
    """Recognize files by their keys, check them and register them; they stay where they are."""

    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="FILE", help_behavior_hint="")]
    """Checkpoints of the released weights, and a diffusers folder of SD 1.5."""

    def run(self) -> None:
        """Register all files, or none when one of them is wrong."""
        from trajectories.errors import InputError

        if not self.files:
            raise InputError("No file was given to add; 'cvd3d weights' lists what is needed.")
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
    """Download what the Hugging Face hub has, check it and register it."""

    names: Annotated[Positional[tuple[str, ...]], arg(metavar="NAME", help_behavior_hint="(default: what is missing)")]
    """Names from the first column of 'cvd3d weights', such as image-lora."""

    def run(self) -> None:
        """Fetch one after the other; each is registered as soon as it is here."""
        from cvd3d.weights.fetching import fetch, to_fetch
        from cvd3d.weights.listing import human_size

        items = to_fetch(self.names)
        for item in items:
            print(f"{item.title} ({item.size}) from {item.published}")
            entry = fetch(item)
            print(f"{entry.path}: {human_size(entry.size)}, sha256 {entry.sha256}")
        if not items:
            print("All that is needed and that the hub has is on this disk.")
        _print_next()


def _part(words: str) -> object:
    return arg(metavar="PATH", help_behavior_hint=f"(default: {words})")


@dataclass(frozen=True)
class Convert:
    """Write one model folder of the released weights, for --model."""

    out: Path
    """The model folder to make."""
    half: FlagCreatePairsOff[bool] = False
    """In float16, which is half as large."""
    force: FlagCreatePairsOff[bool] = False
    """Replace a model folder that is there."""
    sd: Annotated[str | None, _part("the registered one")] = None
    """A diffusers folder of SD 1.5."""
    unet: Annotated[str | None, _part("the registered fine-tune, else that of --sd")] = None
    """Another UNet than that of --sd: a file, or a diffusers UNet folder."""
    motion_module: Annotated[str | None, _part("the registered one")] = None
    """AnimateDiff's motion module."""
    camera_control: Annotated[str | None, _part("the registered one")] = None
    """CameraCtrl."""
    cross_view: Annotated[str | None, _part("the registered one")] = None
    """CVD."""
    motion_lora: Annotated[str | None, _part("the registered domain adapter; none with another UNet")] = None
    """A LoRA to merge: AnimateDiff's domain adapter, "registered" or "none"."""
    image_lora: Annotated[str | None, _part("none")] = None
    """A LoRA to merge: the RealEstate10K LoRA, or "registered"."""

    def run(self) -> None:
        """Convert, and say what was made of what."""
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
    """Tell whether cameras, partners and text change a model's output at all; exit status 1 when one does not."""

    model: Annotated[
        Path | None, arg(metavar="DIR", help_behavior_hint="(default: the model that comes with cvd3d)")
    ] = None
    """The model folder."""

    def run(self) -> None:
        """Print the numbers, and a sentence for what does nothing."""
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
    """List, check, fetch and convert the released weights; alone, it lists them."""

    do: OmitSubcommandPrefixes[OmitArgPrefixes[Choice]] = field(default_factory=ListWeights)

    def run(self) -> None:
        """Run what was chosen."""
        self.do.run()


def _print_next() -> None:
    from cvd3d.weights.listing import next_commands
    from cvd3d.weights.registry import fault, registered

    entries = registered()
    faults = {name: words for name, entry in entries.items() if (words := fault(entry)) is not None}
    print("\nNext:")
    for command in next_commands(entries, faults):
        print(f"  {command}")
