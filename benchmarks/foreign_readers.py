"""Checks that other programs read the splats that `cvd3d export` writes.

    npm install --prefix NODE @playcanvas/splat-transform gltf-validator
    python benchmarks/foreign_readers.py NODE

Random splats with spherical harmonics of degree 3 are written in each format. PlayCanvas' splat-transform, which
contains Niantic's SPZ library, converts the files to plain PLY. The largest difference of each attribute is printed.
Its rotation of the harmonics is compared with ours, and its .glb with ours, attribute by attribute. The report of
Khronos' validator for both .glb files is printed.
"""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from recon.export.compressed_ply import morton_order, write_compressed_ply
from recon.export.gltf import write_gltf
from recon.export.splat import write_splat
from recon.export.spz import write_spz
from recon.export.targets import TARGETS
from recon.rasterize.reference import rotation_matrices
from recon.splats import Splats
from recon.splats.ply import load_splats, save_splats
from trajectories.similarity import Similarity

N = 2000
# Axes of the PLY that splat-transform writes for SPZ, and of a PLY that it converts to glTF's axes: rotated about z.
FROM_SPZ = TARGETS["supersplat"].similarity
FOR_GLTF = Similarity(np.array([[-1, 0, 0], [0, 0, -1], [0, -1, 0]]))
# Its rotation by 90 degrees about x, then by 90 degrees about z, in the axes of a PLY.
TURNED = Similarity(np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]]))
VALIDATE = """
const fs = require("fs"), validator = require("gltf-validator");
validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1]))).then(({issues}) => console.log(
  JSON.stringify({errors: issues.numErrors, warnings: issues.numWarnings, messages: issues.messages})));
"""


def random_splats() -> Splats:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    quats = torch.nn.functional.normalize(normal(N, 4), dim=-1)
    return Splats(2 * normal(N, 3), quats, -3 + normal(N, 3), 2 * normal(N), 0.25 * normal(N, 16, 3))


def compare(name: str, found: Splats, expected: Splats, order: Callable[[Splats], np.ndarray] | None = None) -> None:
    """Print the largest difference of each attribute."""
    if order is not None:
        found, expected = (splats.map(lambda t, s=splats: t[order(s)]) for splats in (found, expected))
    differences = {
        "means": (found.means - expected.means).abs().max(),
        "shapes": (shapes(found) - shapes(expected)).abs().max(),
        "log scales": (found.log_scales - expected.log_scales).abs().max(),
        "opacities": (found.logit_opacities.sigmoid() - expected.logit_opacities.sigmoid()).abs().max(),
    }
    for degree in range(found.sh_degree + 1):
        band = slice(degree**2, (degree + 1) ** 2)
        differences[f"sh {degree}"] = (found.sh[:, band] - expected.sh[:, band]).abs().max()
    print(f"{name:<16}" + "  ".join(f"{key} {float(value):.1e}" for key, value in differences.items()))


def shapes(splats: Splats) -> torch.Tensor:
    """(N, 3, 3) covariances of ellipsoids with axes 1, sqrt(2) and sqrt(3); they do not change with half turns."""
    R = rotation_matrices(splats.quats.double())
    return R @ torch.diag(torch.tensor([1.0, 2.0, 3.0], dtype=R.dtype)) @ R.mT


def by_x(splats: Splats) -> np.ndarray:
    return np.argsort(splats.means[:, 0].numpy(), kind="stable")


def glb_attributes(path: Path) -> dict[str, np.ndarray]:
    """The float attributes of the first primitive of a .glb."""
    content = path.read_bytes()
    (size,) = struct.unpack_from("<I", content, 12)
    tree, buffer = json.loads(content[20 : 20 + size]), content[28 + size :]
    attributes = {}
    for name, n in tree["meshes"][0]["primitives"][0]["attributes"].items():
        accessor = tree["accessors"][n]
        view = tree["bufferViews"][accessor["bufferView"]]
        if accessor["componentType"] == 5126:
            start = view.get("byteOffset", 0)
            values = np.frombuffer(buffer[start : start + view["byteLength"]], "<f4")
            attributes[name] = values.reshape(accessor["count"], -1)
    return attributes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("node", type=Path, help="folder of the npm packages")
    node = parser.parse_args().node.resolve()
    tool = node / "node_modules" / "@playcanvas" / "splat-transform" / "bin" / "cli.mjs"
    splats, folder = random_splats(), Path(tempfile.mkdtemp())

    def convert(source: str, target: str, *actions: str) -> Path:
        words = ["node", str(tool), "-q", "-w", str(folder / source), *actions, str(folder / target)]
        subprocess.run(words, check=True, capture_output=True)
        return folder / target

    write_compressed_ply(splats, folder / "a.compressed.ply")
    ordered = splats.map(lambda tensor: tensor[morton_order(splats.means.numpy())])
    compare("compressed-ply", load_splats(convert("a.compressed.ply", "compressed.ply")), ordered)
    write_spz(splats.transformed(TARGETS["opengl"].similarity), folder / "a.spz")
    compare("spz", load_splats(convert("a.spz", "spz.ply")), splats.transformed(FROM_SPZ))
    write_splat(splats, folder / "a.splat")
    flat = Splats(**{**vars(splats), "sh": splats.sh[:, :1]})
    compare("splat", load_splats(convert("a.splat", "splat.ply")), flat, by_x)

    save_splats(splats.transformed(FOR_GLTF), folder / "gltf.ply")
    theirs, written = glb_attributes(convert("gltf.ply", "theirs.glb")), folder / "ours.glb"
    write_gltf(splats.transformed(TARGETS["opengl"].similarity), written)
    ours = glb_attributes(written)
    assert set(ours) == set(theirs), set(ours) ^ set(theirs)
    rotation = "KHR_gaussian_splatting:ROTATION"
    for attributes in (ours, theirs):
        wxyz = torch.tensor(attributes[rotation]).roll(1, dims=1)
        attributes[rotation] = shapes(Splats(wxyz, wxyz, wxyz, wxyz, wxyz)).numpy()
    worst = {name: float(np.abs(ours[name] - theirs[name]).max()) for name in ours}
    name = max(worst, key=worst.__getitem__)
    print(f"{'gltf':<16}{len(ours)} float attributes, the largest difference {worst[name]:.1e} ({name})")
    for glb in (written, folder / "theirs.glb"):
        words = ["node", "-e", VALIDATE, str(glb)]
        report = json.loads(subprocess.run(words, cwd=node, capture_output=True, text=True, check=True).stdout)
        codes = sorted({message["code"] for message in report["messages"]})
        print(
            f"{'validator':<16}{glb.name}: {report['errors']} errors, {report['warnings']} warnings: {', '.join(codes)}"
        )

    save_splats(splats, folder / "plain.ply")
    compare("turned", load_splats(convert("plain.ply", "turned.ply", "-r", "90,0,90")), splats.transformed(TURNED))


if __name__ == "__main__":
    main()
