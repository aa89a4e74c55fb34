"""Imports run one way: trajectories <- recon <- viewer <- cvd3d."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("trajectories", "recon", "viewer", "cvd3d")
MODULES = [path for package in LAYERS for path in sorted((ROOT / package).rglob("*.py"))]


def imported(source: str) -> set[str]:
    """The top-level names of all absolute imports, those inside functions included."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def wrong_arrows(package: str, source: str) -> set[str]:
    return imported(source) & set(LAYERS[LAYERS.index(package) + 1 :])


def test_a_wrong_arrow_is_seen():
    source = "import numpy\ndef f():\n    from cvd3d.scene.chain import make\n    import viewer.app as app"
    assert wrong_arrows("recon", source) == {"cvd3d", "viewer"}
    assert wrong_arrows("cvd3d", source) == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    package = path.relative_to(ROOT).parts[0]
    wrong = wrong_arrows(package, path.read_text())
    assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}, which lie above {package}"


def test_all_four_packages_were_walked():
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(LAYERS)


def test_trajectories_needs_numpy_and_scipy_only():
    for path in sorted((ROOT / "trajectories").rglob("*.py")):
        foreign = imported(path.read_text()) - sys.stdlib_module_names - {"trajectories", "numpy", "scipy"}
        assert not foreign, f"{path.name} imports {foreign}"


@pytest.mark.slow
def test_importing_trajectories_loads_no_heavy_library():
    code = (
        "import sys, trajectories\n"
        "from trajectories.formats import colmap, nerfstudio, realestate10k\n"
        "print(sorted({'torch', 'matplotlib', 'cv2', 'numba', 'diffusers', 'viser'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
