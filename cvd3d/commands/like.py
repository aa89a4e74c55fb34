"""`--like DIR`: the options that made another scene, as words of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvd3d.commands.options import flag

if TYPE_CHECKING:
    from cvd3d.commands.scene import Scene

OF_ONE_SCENE = ("keep", "known")
"""Options that name videos of one scene; other scenes do not take them."""
OF_CAPTURES = ("seed", "moves", "longest_side")
"""Options that apply to captures as well."""
OF_FOOTAGE = ("seed", "moves", "generated")
"""Options in the record of a fit that are not options of the command."""


def recorded(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a command as JSON values for scene.json; paths become absolute."""
    values = {name: value for name, value in options.items() if name not in OF_ONE_SCENE}
    if "/" in (rig := values.get("rig", "")) or rig.endswith(".json"):
        values["rig"] = Path(rig)
    return {name: str(value.resolve()) if isinstance(value, Path) else value for name, value in values.items()}


def words_like(scene: Scene) -> list[str]:
    """The words that make a scene like the one in `scene.like`; words that the user gives come after them.

    A prompt or a capture that `scene` has takes the place of the other scene's.

    Raises:
        InputError: no scene, or one that does not record its options.
    """
    from cvd3d.scene.chain import read_scene
    from trajectories.errors import InputError

    assert scene.like is not None
    other = read_scene(scene.like)
    asked = other["asked"]
    if "options" not in asked:
        raise InputError(f"{scene.like} does not record its options, as it is from an earlier version; make it again.")
    options = dict(asked["options"])
    prompt = [asked["prompt"]] if "prompt" in asked else []
    if scene.prompt is not None or scene.from_ is not None:
        prompt = []
        options = {name: options[name] for name in options if name not in ("from", "poses")}
    if scene.from_ is not None:
        options = {name: options[name] for name in options if name in OF_CAPTURES}
    words = [word for name, value in options.items() for word in _words(flag(name), value)]
    fit = other["stages"].get("fit", {}).get("options", {})
    for name, value in fit.items():
        if name not in OF_FOOTAGE:
            words += _words("--fit.steps" if name == "steps" else flag(name), value)
    return prompt + words


def _words(option: str, value: Any) -> list[str]:
    return [option, *map(str, value if isinstance(value, list) else [value])]
