"""Build the API reference from the docstrings with pdoc.

python docs/make_api.py build/api
"""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module
from pathlib import Path

import pdoc

PACKAGES = ("trajectories", "recon", "viewer", "cvd3d")
NOT_MODULES = ("!cvd3d.__main__", "!recon.export.blender_script")  # the second runs in Blender


def main(out: Path) -> None:
    """Write one page for each module, and `index.html`."""
    for package in PACKAGES:
        found = pkgutil.walk_packages(import_module(package).__path__, f"{package}.")
        for module in map(import_module, [package, *(each.name for each in found if each.ispkg)]):
            if hasattr(module, "__all__"):
                # pdoc shows only loaded names in `__all__`, so load them and add the modules of the package.
                vars(module).update({name: getattr(module, name) for name in module.__all__})
                inside = [each.name for each in pkgutil.iter_modules(module.__path__) if each.name != "__main__"]
                module.__all__ = list(dict.fromkeys([*module.__all__, *inside]))
    pdoc.render.configure(docformat="google")
    pdoc.pdoc(*PACKAGES, *NOT_MODULES, output_directory=out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
