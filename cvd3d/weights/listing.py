"""Print the tables and next commands of `cvd3d weights`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cvd3d.weights.catalog import ITEMS, Item
from cvd3d.weights.registry import Entry, fault, registered, registry_file

if TYPE_CHECKING:
    from cvd3d.sampling.pipeline import CollaborativePipeline
    from cvd3d.weights.conversion import Sources

OFFICIAL_CAMERAS = "--radius 1 --fov 59.6"  # the scale and field of view of the official rigs
CHECKSUMS = "cvd3d has no list of official sha256 checksums: compare those of your files with the publishers' pages."
HEX = 12  # digits of a checksum to print


def print_weights(console: Console) -> None:
    """Print which weights are needed, which are registered, where the others are published, and the next command."""
    entries = registered()
    faults = {name: reason for name, entry in entries.items() if (reason := fault(entry)) is not None}
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False)
    for column in ("", "name", "what it is", "download", "license"):
        table.add_column(column, no_wrap=column == "name")
    for item in ITEMS.values():
        what = Text.assemble((item.title, "bold"), "" if item.needed else " (optional)", ": ", (item.role, "dim"))
        mark = _mark(item, item.name in entries, item.name in faults)
        table.add_row(mark, item.name, what, item.size, item.license)
    console.print(table)
    console.print(CHECKSUMS, style="dim")
    console.print()
    console.print("Registered", style="bold")
    for name, entry in entries.items():
        state = faults.get(name) or f"{entry.path}  ({human_size(entry.size)}, sha256 {entry.sha256[:HEX]}…)"
        _line(console, name, state, "red" if name in faults else "green")
    if not entries:
        console.print(f"  nothing is registered in {registry_file()} yet", soft_wrap=True, highlight=False)
    missing = [item for item in ITEMS.values() if item.name not in entries or item.name in faults]
    if missing:
        console.print("\nMissing, and where it is published", style="bold")
    for item in missing:
        _line(console, item.name, item.address, "")
    console.print("\nNext:")
    for command in next_commands(entries, faults):
        console.print(f"  {command}", soft_wrap=True, markup=False, highlight=False)


def next_commands(entries: Mapping[str, Entry], faults: Mapping[str, str]) -> list[str]:
    """The commands to run next, with comments."""
    missing = [item for item in ITEMS.values() if item.needed and (item.name not in entries or item.name in faults)]
    commands = [f"cvd3d weights add {shlex.quote(str(entries[name].path))}" for name in faults]
    if any(item.hub is not None for item in missing):
        names = ", ".join(item.name for item in missing if item.hub is not None)
        commands.append(f"cvd3d weights fetch       # {names}")
    for item in missing:
        if item.hub is None and item.name not in faults:
            commands.append(f"cvd3d weights add FILE    # {item.title}, from {item.published}")
    return commands or ["cvd3d weights convert --out models/cvd"]


def human_size(size: int) -> str:
    """A size in bytes with a unit."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size} bytes"


def _mark(item: Item, is_registered: bool, has_fault: bool) -> Text:
    if is_registered and not has_fault:
        return Text("✓", "bold green")
    return Text("✗", "bold red") if item.needed or has_fault else Text("·", "dim")


def _line(console: Console, name: str, text: str, style: str) -> None:
    """Print one line without wrapping, so that paths and addresses can be copied."""
    console.print(Text.assemble(f"  {name:<15} ", (text, style)), soft_wrap=True)


def print_converted(out: Path, sources: Sources, pipeline: CollaborativePipeline) -> None:
    """Print the sources of a converted model folder, and the next commands."""
    from cvd3d.sampling.latents import latent_factor

    parameters = sum(parameter.numel() for parameter in pipeline.unet.parameters())
    on_disk = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    print(f"\n{out}: a network of {parameters / 1e6:.1f} M parameters, a text encoder and an autoencoder, ", end="")
    print(human_size(on_disk))
    for field in fields(sources):
        print(f"  {field.name.replace('_', '-'):<15} {getattr(sources, field.name) or 'none'}")
    folder = shlex.quote(str(out))
    side = pipeline.unet.config.sample_size * latent_factor(pipeline.vae)
    print("\nNext:")
    print(f"  cvd3d weights test --model {folder}")
    print(f'  cvd3d scene "a castle in a forest" --model {folder} --size {side} {side} {OFFICIAL_CAMERAS}')
