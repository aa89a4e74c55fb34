"""3D scenes from a text prompt: multi-camera rigs, collaborative video diffusion, Gaussian splats, a live viewer.

    import cvd3d

    scene = cvd3d.make_scene("a red cube on green grass", "scenes/first", quality="draft")
    scene = cvd3d.load_scene("scenes/first")
    scene.rig, scene.splats, scene.image(view=0, frame=0)

The names load what they need on first use, so `import cvd3d` is fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cvd3d.scenes import load_scene, make_scene

__all__ = ["__version__", "load_scene", "make_scene"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in ("load_scene", "make_scene"):
        from cvd3d import scenes

        return getattr(scenes, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
