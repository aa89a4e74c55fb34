"""Draw a camera rig from above and from the side, with a line of text for each path."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from trajectories.cameras import Cameras
from trajectories.errors import InputError
from trajectories.files import write_bytes
from trajectories.geometry import meeting_point
from trajectories.rig import Rig

PAPER, INK, FAINT, GROUND = "#fbfaf7", "#2d2f33", "#8d9096", "#ece7db"
COLORS = ("#2f6db5", "#e0772f", "#2e9c72", "#c8446a", "#7b62b8", "#b08a1e", "#1f9fb5", "#85604a")
FORMATS = (".png", ".svg", ".pdf")
MARGIN = 0.19
"""Margin around the cameras, as a fraction of the largest extent."""
LISTED = 12
"""At most this many paths are described and labeled."""
TOLERANCE = 0.02
"""Optical axes meet in a point if they pass it within this fraction of the camera's distance to it."""
WIDTH = 11.0
"""Width of the figure in inches."""


def draw_rig(rig: Rig, path: str | Path, target: ArrayLike | None = None) -> None:
    """Draw a rig from above and from the side (viewed along -x), in meters, both at the same scale.

    Paths are faint at the start and opaque at the end. Frustums show the first, the last and two frames between.

    Args:
        rig: the rig.
        path: the file to write; .png, .svg or .pdf.
        target: (3,) the point that the cameras look at; by default the point where their optical axes meet, if any.

    Raises:
        InputError: another file type, or a file that cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path}: cannot draw to a file that ends in {path.suffix!r}; use {' or '.join(FORMATS)}.")
    subject = meeting_point(rig.cameras, TOLERANCE) if target is None else np.asarray(target, dtype=np.float64)
    settings: dict[Any, Any] = {
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "svg.hashsalt": "cvd3d",
        "text.color": INK,
    }
    with matplotlib.rc_context(settings):
        figure = _figure(rig, subject)
        picture = io.BytesIO()
        stamp = {".png": "Software", ".svg": "Date", ".pdf": "CreationDate"}[path.suffix.lower()]
        figure.savefig(picture, format=path.suffix[1:].lower(), dpi=160, facecolor=PAPER, metadata={stamp: None})
    write_bytes(path, picture.getvalue())


def _figure(rig: Rig, subject: np.ndarray | None) -> Figure:
    points = rig.cameras.centers.reshape(-1, 3)
    if subject is not None:
        points = np.concatenate([points, subject[None]])
    span = float(np.ptp(points, axis=0).max()) or 1.0
    reach = 0.085 * span
    low, high = points.min(axis=0) - MARGIN * span, points.max(axis=0) + MARGIN * span
    if 0 <= points[:, 2].min() < 0.5 * span:
        low[2] = -0.07 * span
    x, y, z = high - low

    # All lengths in inches: two panels side by side with margins; the text is below the side view.
    left, gap, right, bottom, top = 0.75, 0.85, 0.3, 0.6, 1.0
    scale = (WIDTH - left - gap - right) / (x + y)
    lines = min(rig.views, LISTED + 1)
    text = 0.6 + 0.24 * lines
    height = bottom + top + max(y * scale, z * scale + text + 0.35)
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)

    def panel(x0: float, y0: float, w: float, h: float) -> Axes:
        return figure.add_axes((x0 / WIDTH, y0 / height, w / WIDTH, h / height))

    above = panel(left, height - top - y * scale, x * scale, y * scale)
    side = panel(left + x * scale + gap, height - top - z * scale, y * scale, z * scale)
    colors = _colors(rig.views)
    for axes, (i, j), title in ((above, (0, 1), "from above"), (side, (1, 2), "from the side")):
        axes.set(xlim=(low[i], high[i]), ylim=(low[j], high[j]), aspect="equal")
        axes.set_xlabel(f"{'xyz'[i]} (m)", color=FAINT)
        axes.set_ylabel(f"{'xyz'[j]} (m)", color=FAINT)
        axes.set_title(title, loc="left", color=FAINT, fontsize=9, pad=6)
        _style(axes)
        if j == 2 and low[2] < 0:
            axes.axhspan(low[2], 0, color=GROUND, zorder=0.5, lw=0)
            axes.axhline(0, color=FAINT, lw=0.8, zorder=0.6)
        if subject is not None:
            axes.plot(*subject[[i, j]], marker="o", ms=13, mfc="none", mec=INK, mew=0.9, zorder=6)
            axes.plot(*subject[[i, j]], marker="+", ms=9, mec=INK, mew=0.9, zorder=6)
        for v, color in enumerate(colors):
            _draw_path(axes, rig.cameras[v], (i, j), color, reach)
        if rig.views <= LISTED:
            _draw_names(axes, rig, (i, j), colors, reach, 1 / scale)

    seconds = rig.times[-1] - rig.times[0]
    summary = [
        f"{rig.views} camera{'s' if rig.views > 1 else ''}",
        f"{rig.frames} frame{'s' if rig.frames > 1 else ''}" + (f" in {seconds:.3g} s" if seconds else ""),
        f"{rig.cameras.width} × {rig.cameras.height} pixels",
    ]
    figure.text(left / WIDTH, 1 - 0.42 / height, "   ·   ".join(summary), fontsize=13, weight="bold", va="center")
    _describe(
        panel(left + x * scale + gap, height - top - z * scale - 0.35 - text, y * scale, text - 0.25), rig, colors
    )
    return figure


def _style(axes: Axes) -> None:
    axes.set_facecolor("white")
    axes.grid(color="#e9e8e4", lw=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, length=0, labelsize=8)
    for spine in axes.spines.values():
        spine.set_color("#d9d7d0")


def _draw_path(axes: Axes, cameras: Cameras, plane: tuple[int, int], color: str, reach: float) -> None:
    """One camera's center in each frame, and the frustums of some frames."""
    T = cameras.size
    flat = cameras.centers[:, plane]
    alpha = np.linspace(0.35, 1.0, T)
    if T > 1:
        segments = np.stack([flat[:-1], flat[1:]], axis=1)
        axes.add_collection(
            LineCollection(list(segments), colors=[to_rgba(color, a) for a in alpha[1:]], lw=1.8, zorder=4)
        )
    axes.scatter(flat[:, 0], flat[:, 1], s=7, c=[to_rgba(color, a) for a in alpha], lw=0, zorder=5)
    for t in sorted(set(np.linspace(0, T - 1, 4).round().astype(int).tolist())):
        ends = t in (0, T - 1)
        corners = _frustum(cameras[t], reach * (1.0 if ends else 0.7))[:, plane]
        apex, image = corners[0], corners[1:]
        faces = [np.stack([apex, image[k], image[(k + 1) % 4]]) for k in range(4)]
        axes.add_collection(PolyCollection(faces, facecolors=to_rgba(color, 0.10 if ends else 0.05), zorder=2))
        edges = [np.stack([apex, corner]) for corner in image] + [np.concatenate([image, image[:1]])]
        edge_color = to_rgba(color, 0.9 if ends else 0.35)
        axes.add_collection(LineCollection(edges, colors=edge_color, lw=0.9 if ends else 0.6, zorder=3))


def _draw_names(axes: Axes, rig: Rig, plane: tuple[int, int], colors: list[str], reach: float, inch: float) -> None:
    """Label each path behind its camera, where it is farthest from the other paths; overlapping labels are stacked."""
    flat = rig.cameras.centers[..., plane]
    box = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75}
    placed: list[np.ndarray] = []
    for v, color in enumerate(colors):
        clearance = np.arange(rig.frames) * 1e-9
        if rig.views > 1:
            others = np.delete(flat, v, axis=0).reshape(-1, 2)
            clearance = clearance + np.linalg.norm(flat[v][:, None] - others, axis=-1).min(axis=1)
        t = int(np.argmax(clearance))
        behind = -rig.cameras.forward[v, t, plane]
        at = flat[v, t] + 0.45 * reach * behind / max(float(np.linalg.norm(behind)), 0.3)
        while any((np.abs(at - other) < np.array([0.55, 0.15]) * inch).all() for other in placed):
            at = at + np.array([0.0, 0.16 * inch])
        placed.append(at)
        align = "center" if abs(behind[0]) < 0.5 else "left" if behind[0] > 0 else "right"
        style: dict[str, Any] = {"color": color, "weight": "bold", "fontsize": 8, "bbox": box, "zorder": 7}
        axes.text(at[0], at[1], rig.names[v], ha=align, va="center", **style)


def _describe(axes: Axes, rig: Rig, colors: list[str]) -> None:
    """A table: how far each camera travels, how fast, and how much it turns."""
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(min(rig.views, LISTED + 1), -1))
    columns = ((0.30, "travels"), (0.52, "speed"), (0.76, "turns"), (1.0, "field of view"))
    for x, title in columns:
        axes.text(x, -0.6, title, color=FAINT, ha="right", va="center", fontsize=8)
    seconds = float(rig.times[-1] - rig.times[0])
    for v in range(min(rig.views, LISTED)):
        cameras = rig.cameras[v]
        travel = float(np.linalg.norm(np.diff(cameras.centers, axis=0), axis=-1).sum())
        cosines = np.sum(cameras.forward[1:] * cameras.forward[:-1], axis=-1)
        turn = float(np.degrees(np.arccos(np.clip(cosines, -1, 1)).sum()))
        fov = np.degrees(cameras[[0, -1]].vertical_fov)
        zoom = f"{fov[0]:.0f}°" if round(fov[0]) == round(fov[1]) else f"{fov[0]:.0f}° to {fov[1]:.0f}°"
        speed = f"{travel / seconds:.2f} m/s" if seconds and travel > 1e-6 else "–"
        axes.text(0, v + 0.4, rig.names[v], color=colors[v], weight="bold", va="center", fontsize=8.5)
        for (x, _), text in zip(
            columns, (f"{travel:.2f} m" if travel > 1e-6 else "stands", speed, f"{turn:.0f}°", zoom)
        ):
            axes.text(x, v + 0.4, text, ha="right", va="center", fontsize=8.5)
    if rig.views > LISTED:
        axes.text(0, LISTED + 0.4, f"and {rig.views - LISTED} more", color=FAINT, va="center", fontsize=8.5)


def _frustum(camera: Cameras, depth: float) -> np.ndarray:
    """(5, 3) the center, and the four corners of the image plane at a depth in meters."""
    w, h = camera.width, camera.height
    origins, directions = camera.rays(np.array([[0, 0], [w, 0], [w, h], [0, h]]))
    return np.concatenate([origins[:1], origins + depth * directions])


def _colors(views: int) -> list[str]:
    if views <= len(COLORS):
        return list(COLORS[:views])
    wheel = 0.82 * matplotlib.colormaps["turbo"](np.linspace(0.05, 0.95, views))[:, :3]
    return [matplotlib.colors.to_hex(color) for color in wheel]
