"""The text over the scene: its title, the frame of a camera that a client looks through, and a hint."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

STYLE = """<style>
.cvd3d { position: fixed; left: 0; top: 0; z-index: -1; overflow: hidden; pointer-events: none;
  color: white; text-shadow: 0 0 .5em rgba(0, 0, 0, .8); max-width: 100vw; max-height: 100vh; }
.cvd3d > div { position: absolute; }
.cvd3d .fade { inset: 0; background: #101014; transition: opacity .3s; }
.cvd3d .frame { left: 50%; top: 50%; transform: translate(-50%, -50%); box-shadow: 0 0 0 200vmax rgba(10, 10, 14, .6); }
.cvd3d .title { left: 1rem; right: 1rem; top: .8rem; font-size: clamp(1rem, 2.2vw, 1.35rem); font-weight: 600;
  line-height: 1.25; text-wrap: balance; }
.cvd3d .title span { display: table; margin-top: .4rem; padding: .1rem .6rem; border-radius: 1rem; font-size: .85rem; }
.cvd3d .hint { left: 0; right: 0; bottom: 1rem; padding: 0 1rem; font-size: .95rem; text-align: center; }
@media (max-width: 36em) {
  .cvd3d .hint { top: 6rem; bottom: auto; }
  .mantine-Paper-root:has(.cvd3d) { width: 100% !important; max-height: 34% !important; }
  .mantine-Paper-root:has(.cvd3d) [style*="20em"] { width: 100% !important; }
}
</style>"""


@dataclass(frozen=True)
class Overlay:
    """What the overlay of one client shows."""

    title: str
    size: tuple[int, int]
    """Width and height of the canvas in pixels."""
    line: str = ""
    """A line below the title."""
    color: tuple[int, int, int] = (255, 255, 255)
    """Color behind the line and of the frame, 0 to 255."""
    frame: tuple[float, float] | None = None
    """Width and height of a frame as fractions of the canvas; the canvas outside is dimmed."""
    fade: float = 0.0
    """How far the scene is faded out, from 0 to 1."""
    hint: str = ""

    @property
    def html(self) -> str:
        color = "rgb({}, {}, {})".format(*self.color)
        parts = [f'<div class="fade" style="opacity: {self.fade:.2f}"></div>'] if self.fade > 0 else []
        if self.frame is not None:
            width, height = (f"{min(100 * share, 100):.2f}%" for share in self.frame)
            outline = f"outline: 2px solid {color}"
            parts.append(f'<div class="frame" style="width: {width}; height: {height}; {outline}"></div>')
        line = f'<span style="background: {color}">{escape(self.line)}</span>' if self.line else ""
        parts.append(f'<div class="title">{escape(self.title)}{line}</div>')
        if self.hint:
            parts.append(f'<div class="hint">{escape(self.hint)}</div>')
        width, height = (f"{pixels}px" for pixels in self.size)
        return f'{STYLE}<div class="cvd3d" style="width: {width}; height: {height}">{"".join(parts)}</div>'
