"""One client of the page: its viewpoint, its controls and its keys, which no other client shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import viser

from viewer.layers import ROOTS
from viewer.overlay import Overlay
from viewer.saving import save_picture, save_splats
from viewer.scene_nodes import camera_root, view_color
from viewer.viewpoints import image_share
from viewer.visibility import Visibility
from viewer.visit import Visit

if TYPE_CHECKING:
    from viewer.app import SceneViewer

BEYOND = "No camera saw the scene from here. N goes back to the nearest."
BACKGROUND = (16, 16, 20)


@dataclass(frozen=True)
class Folders:
    """The folders of the panel, to which each client adds its own controls."""

    cameras: viser.GuiFolderHandle
    save: viser.GuiFolderHandle
    more: viser.GuiFolderHandle


def add_folders(gui: viser.GuiApi) -> Folders:
    """Add the folders of the panel; the last one starts closed."""
    return Folders(
        gui.add_folder("Cameras", order=2),
        gui.add_folder("Save", order=3),
        gui.add_folder("More", order=4, expand_by_default=False),
    )


class Visitor:
    """Controls of one client.

    Args:
        client: the client.
        page: the page that it visits.
    """

    def __init__(self, client: viser.ClientHandle, page: SceneViewer) -> None:
        self.client = client
        self.ready = False
        """Whether all controls exist."""
        self.visit = Visit(client, page.cameras, page.overview)
        self.boxes: dict[str, viser.GuiCheckboxHandle] = {}
        self.views: viser.GuiButtonGroupHandle | None = None
        self._page = page
        self._closed = False
        self._visibility = Visibility(client)
        self._hidden: str | None = None
        self._shown = ""
        self._overlay = client.gui.add_html("", order=0)
        self._places = {"Start": self.visit.open, "Nearest": self.visit.to_nearest, "Overview": self.visit.to_overview}
        do, gui = page.in_order, client.gui
        with page.folders.cameras:
            self.places = gui.add_button_group("Go to", tuple(self._places), order=2)
            self.follow = gui.add_checkbox("Follow", True, hint="In a camera, move with it over time (F)", order=3)
        with page.folders.save:
            self.saves = gui.add_button_group("", ("Picture", "Splats"))
        with page.folders.more:
            self.background = gui.add_rgb("Background", BACKGROUND, order=2)
            self.stay = gui.add_checkbox("Fade far away", True, hint="Fade out where no camera saw the scene", order=2)
            self.about = gui.add_markdown("", order=3)
        self.places.on_click(do(lambda event: self.go_to(event.target.value)))
        self.follow.on_update(do(lambda event: self.set_follow(event.target.value)))
        self.saves.on_click(do(lambda event: self.save(event.target.value)))
        self.stay.on_update(do(lambda event: self.set_stay(event.target.value)))
        self.background.on_update(do(lambda event: self._paint(event.target.value)))
        self._add_keys()
        self.show_rig()
        self.show_layers()
        self._paint(BACKGROUND)
        self.go_to("Start")
        client.camera.on_update(self._report)
        client.scene.on_click()(do(lambda event: self.act(self.visit.touch)))
        self.ready = True

    def show_rig(self) -> None:
        """Show the names of the cameras."""
        if self.views is not None:
            self.views.remove()
            self.views = None
        rig = self._page.cameras.rig
        if rig is not None:
            with self._page.folders.cameras:
                self.views = self.client.gui.add_button_group("Through", rig.names, order=1)
            self.views.on_click(
                self._page.in_order(lambda event: self.look_through(rig.names.index(event.target.value)))
            )
            self.follow.visible = rig.frames > 1

    def show_layers(self) -> None:
        """Show a checkbox for each layer that exists; a layer that this client did not touch is shown by default."""
        layers = self._page.layers
        for name, shown in layers.shown.items():
            if name not in self.boxes:
                order = 1 + 0.1 * list(ROOTS).index(name)
                with self._page.folders.more:
                    self.boxes[name] = self.client.gui.add_checkbox(name, shown, order=order)
                self.boxes[name].on_update(self._page.in_order(partial(self._toggle, name)))
            elif not self._visibility.decides(ROOTS[name]):
                self.boxes[name].value = shown  # type: ignore[misc]  # viser's setter is hidden from mypy
        self.about.content = "  \n".join([*layers.about.values(), "Colors do not change with the direction of view."])

    def show_frame(self) -> None:
        """Follow the camera that the client looks through."""
        self.act(self.visit.show_frame)

    def moved(self, eye: np.ndarray) -> None:
        """Notice that the client has moved to `eye` (3,), or resized its window."""
        self.act(lambda: self.visit.moved(eye))

    def look_through(self, view: int) -> None:
        """Look through a camera."""
        self.act(lambda: self.visit.look_through(view))

    def go_to(self, place: str) -> None:
        """Go to the start, the nearest camera or the overview."""
        self.act(self._places[place])

    def set_follow(self, follow: bool) -> None:
        """Choose whether to move with the camera that the client looks through."""
        self.follow.value = follow  # type: ignore[misc]
        self.visit.follow = follow
        self.show_frame()

    def set_stay(self, stay: bool) -> None:
        """Choose whether the scene fades out away from the cameras."""
        self.visit.stay = stay
        self.act(lambda: None)

    def save(self, what: str) -> None:
        """Download a picture of the scene, or its splats."""
        self.act(self.visit.touch)
        if what == "Picture":
            save_picture(self.client, self._page.title, self.background.value)
        else:
            save_splats(self.client, self._page.download)

    def act(self, change: Callable[[], Any]) -> None:
        """Change the viewpoint, and show what follows from it."""
        if self._closed:
            return
        change()
        self._hide_own_camera()
        html = self._overlay_now().html
        if html != self._shown:
            self._shown = self._overlay.content = html

    def close(self) -> None:
        """End the threads."""
        self._closed = True
        self.visit.close()

    async def _report(self, camera: viser.CameraHandle) -> None:
        # Read the position at once: a swing replaces it by the next one that it sends.
        self._page.in_order.submit(self.moved, np.array(camera.position))

    def _overlay_now(self) -> Overlay:
        camera, view, cameras = self.client.camera, self.visit.view, self._page.cameras
        size = (camera.image_width, camera.image_height)
        if view is None or cameras.rig is None:
            fade = round(self.visit.fade, 1)
            return Overlay(self._page.heading, size, fade=fade, hint=BEYOND if fade > 0.1 else "")
        viewpoint = cameras.viewpoint(view, camera.aspect)
        frame = image_share(cameras.camera(view), viewpoint.fov, camera.aspect)
        return Overlay(self._page.heading, size, cameras.rig.names[view], view_color(view), frame)

    def _hide_own_camera(self) -> None:
        """Hide the frustum in which the client stands."""
        rig, view = self._page.cameras.rig, self.visit.standpoint
        name = None if rig is None or view is None else camera_root(rig.names[view])
        if name != self._hidden:
            if self._hidden is not None:
                self._visibility.reset(self._hidden)
            if name is not None:
                self._visibility.set(name, False)
            self._hidden = name

    def _toggle(self, layer: str, event: viser.GuiEvent) -> None:
        if event.client is not None:
            self._visibility.set(ROOTS[layer], event.target.value)

    def _paint(self, color: tuple[int, int, int]) -> None:
        self.client.scene.set_background_image(np.full((1, 1, 3), color, np.uint8), format="png")

    def _step(self, frames: int) -> None:
        self.visit.keep_for_a_moment()
        self._page.clock.step(frames)

    def _add_keys(self) -> None:
        """Add the keys, which are also commands of viser's palette."""
        keys: list[tuple[str, Any, Callable[[], None]]] = [
            ("Play or pause", "space", self._page.clock.toggle),
            ("Next frame", "arrowright", lambda: self._step(1)),
            ("Previous frame", "arrowleft", lambda: self._step(-1)),
            ("Back to the start", "R", lambda: self.go_to("Start")),
            ("Back to the nearest camera", "N", lambda: self.go_to("Nearest")),
            ("Overview", "O", lambda: self.go_to("Overview")),
            ("Follow the camera", "F", lambda: self.set_follow(not self.follow.value)),
            ("Save a picture", "P", lambda: self.save("Picture")),
        ]
        keys += [(f"Camera {n}", str(n), partial(self.look_through, n - 1)) for n in range(1, 10)]
        for label, key, run in keys:
            command = self.client.gui.add_command(label, hotkey=key)
            command.on_trigger(self._page.in_order(partial(self._pressed, run)))

    def _pressed(self, run: Callable[[], None], event: viser.CommandEvent) -> None:
        self.act(self.visit.touch)
        run()
