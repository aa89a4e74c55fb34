"""The page's control panel: time, cameras and layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import viser

from trajectories.rig import Rig
from viewer.scene_nodes import view_color

LAYERS = ("Splats", "Starting points", "Camera paths", "Ground grid")
MANY_VIEWS = 12


@dataclass(frozen=True)
class TimePanel:
    """Controls of the clock."""

    folder: viser.GuiFolderHandle
    frame: viser.GuiSliderHandle[int]
    seconds: viser.GuiMarkdownHandle
    play: viser.GuiButtonHandle
    fps: viser.GuiNumberHandle[float]

    def show_frame(self, frame: int, times: np.ndarray) -> None:
        """Show the number and the time of the current frame; viser reports this update without a client."""
        self.frame.value = frame  # type: ignore[misc]  # viser's setter is hidden from mypy
        self.seconds.content = f"{times[frame]:.2f} s of {times[-1]:.2f} s"

    def show_playing(self, playing: bool) -> None:
        """Label the button "Pause" while playing and "Play" while paused."""
        self.play.label = "Pause" if playing else "Play"
        self.play.icon = viser.Icon.PLAYER_PAUSE if playing else viser.Icon.PLAYER_PLAY


def add_time_panel(gui: viser.GuiApi, times: np.ndarray, fps: float) -> TimePanel:
    """Add controls for a clock with frames at `times` (T,) in seconds."""
    folder = gui.add_folder("Time", order=1)
    with folder:
        frame = gui.add_slider("Frame", 0, len(times) - 1, 1, 0)
        seconds = gui.add_markdown("")
        play = gui.add_button("Play", icon=viser.Icon.PLAYER_PLAY)
        rate = gui.add_number("Frames/s", round(fps, 2), min=0.1, max=120.0, step=0.1)
    panel = TimePanel(folder, frame, seconds, play, rate)
    panel.show_frame(0, times)
    return panel


@dataclass(frozen=True)
class CameraPanel:
    """Per view, a button in its color to look through it and a checkbox to show it."""

    folder: viser.GuiFolderHandle
    overview: viser.GuiButtonHandle
    through: tuple[viser.GuiButtonHandle, ...]
    follow: viser.GuiCheckboxHandle
    size: viser.GuiSliderHandle[float]
    shown: tuple[viser.GuiCheckboxHandle, ...]


def add_camera_panel(gui: viser.GuiApi, rig: Rig) -> CameraPanel:
    """Add the buttons and checkboxes of a rig's views; the folder starts closed if there are many views."""
    folder = gui.add_folder("Look through", order=2, expand_by_default=rig.views <= MANY_VIEWS)
    with folder:
        overview = gui.add_button("Overview", icon=viser.Icon.WORLD, hint="Back to the initial view")
        through = tuple(
            gui.add_button(name, color=view_color(v), icon=viser.Icon.VIDEO) for v, name in enumerate(rig.names)
        )
        follow = gui.add_checkbox(
            "Follow", False, visible=rig.frames > 1, hint="While looking through a camera, move with it over time"
        )
        with gui.add_folder("Cameras shown", expand_by_default=False):
            size = gui.add_slider("Size", 0.1, 3.0, 0.1, 1.0)
            shown = tuple(gui.add_checkbox(name, True) for name in rig.names)
    return CameraPanel(folder, overview, through, follow, size, shown)


@dataclass(frozen=True)
class LayerPanel:
    """Checkboxes of the layers; each is hidden until its layer exists."""

    boxes: dict[str, viser.GuiCheckboxHandle]
    about: dict[str, viser.GuiMarkdownHandle]
    """A line of text about each layer, below the checkboxes."""
    notice: viser.GuiMarkdownHandle

    def enable(self, layer: str, about: str = "") -> None:
        """Show the checkbox of a layer, and a line of text about it."""
        self.boxes[layer].visible = True
        self.about[layer].content = about
        self.about[layer].visible = bool(about)


def add_layer_panel(gui: viser.GuiApi, on_toggle: Callable[[str, bool], None]) -> LayerPanel:
    """Add hidden checkboxes for all layers, and an empty notice at the bottom."""
    with gui.add_folder("Show", order=3):
        boxes = {layer: gui.add_checkbox(layer, True, visible=False) for layer in LAYERS}
        about = {layer: gui.add_markdown("", visible=False) for layer in LAYERS}
    notice = gui.add_markdown("", order=4)
    for layer, box in boxes.items():
        box.on_update(partial(_toggled, on_toggle, layer))
    return LayerPanel(boxes, about, notice)


def about_splats(shown: int, total: int, moving: int = 0) -> str:
    """A line about the number of drawn splats and their colors."""
    count = f"{shown:,} of {total:,} splats" if shown < total else f"{total:,} splats"
    count += f", {moving:,} of them moving" if moving else ""
    return f"{count}. Colors are DC only: this page draws no view-dependent color."


def _toggled(on_toggle: Callable[[str, bool], None], layer: str, event: viser.GuiEvent) -> None:
    on_toggle(layer, event.target.value)
