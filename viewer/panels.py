"""The time panel of the page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import viser


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
        play = gui.add_button("Play", icon=viser.Icon.PLAYER_PLAY, hint="Space plays and pauses, the arrows step")
        frame = gui.add_slider("Frame", 0, len(times) - 1, 1, len(times) // 2)
        rate = gui.add_number("Frames/s", round(fps, 2), min=0.1, max=120.0, step=0.1)
        seconds = gui.add_markdown("")
    panel = TimePanel(folder, frame, seconds, play, rate)
    panel.show_frame(len(times) // 2, times)
    return panel
