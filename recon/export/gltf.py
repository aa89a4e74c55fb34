"""Export splats as binary glTF with the extension KHR_gaussian_splatting.

The extension is ratified (extensions/2.0/Khronos in Khronos' glTF repository). Splats are a primitive of points with
further attributes, so a reader without the extension shows points. Scales are linear, opacities in [0, 1], quaternions
xyzw, harmonics as in 3D Gaussian Splatting, colors sRGB. glTF's axes are OpenGL's (y up, right-handed, meters); the
caller transforms the splats to them.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recon.splats import SH_C0, Splats
from trajectories.files import write_bytes

EXTENSION = "KHR_gaussian_splatting"
KERNEL = {"kernel": "ellipse", "colorSpace": "srgb_rec709_display", "sortingMethod": "cameraDistance"}
FLOAT, UNSIGNED_BYTE, ARRAY_BUFFER, POINTS = 5126, 5121, 34962, 0
SHAPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}


def write_gltf(splats: Splats, path: Path | str) -> None:
    """Write a .glb with all properties of the splats; an existing file is replaced once the new one is complete."""
    splats = splats.map(lambda tensor: tensor.detach().cpu())
    opacities = splats.logit_opacities.sigmoid()
    columns = {
        "POSITION": splats.means,
        f"{EXTENSION}:ROTATION": torch.nn.functional.normalize(splats.quats, dim=-1).roll(-1, dims=1),
        f"{EXTENSION}:SCALE": splats.log_scales.exp(),
        f"{EXTENSION}:OPACITY": opacities[:, None],
    }
    for degree in range(splats.sh_degree + 1):
        for n in range(2 * degree + 1):
            columns[f"{EXTENSION}:SH_DEGREE_{degree}_COEF_{n}"] = splats.sh[:, degree**2 + n]
    arrays = {name: column.float().numpy().astype("<f4") for name, column in columns.items()}
    rgb = linear_from_srgb(np.clip(0.5 + SH_C0 * splats.sh[:, 0].numpy(), 0, 1))
    rgba = np.concatenate([rgb, opacities.numpy()[:, None]], axis=1)
    arrays["COLOR_0"] = np.round(rgba * 255).astype("u1")
    write_bytes(path, _glb(arrays))


def linear_from_srgb(rgb: np.ndarray) -> np.ndarray:
    """Linear RGB, as in glTF's COLOR_0, from sRGB values in [0, 1] (IEC 61966-2-1)."""
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def _glb(arrays: dict[str, np.ndarray]) -> bytes:
    """A .glb with one node and one primitive of points with these attributes."""
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []
    offset = 0
    for array in arrays.values():
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": array.nbytes, "target": ARRAY_BUFFER})
        accessor = {
            "bufferView": len(accessors),
            "componentType": FLOAT if array.dtype.kind == "f" else UNSIGNED_BYTE,
            "count": len(array),
            "type": SHAPES[array.shape[1]],
        }
        accessors.append(accessor | ({} if array.dtype.kind == "f" else {"normalized": True}))
        offset += array.nbytes
    # The format requires the bounds of the positions.
    position = arrays["POSITION"]
    accessors[list(arrays).index("POSITION")] |= {
        "min": position.min(axis=0).tolist(),
        "max": position.max(axis=0).tolist(),
    }
    primitive = {
        "attributes": {name: n for n, name in enumerate(arrays)},
        "mode": POINTS,
        "extensions": {EXTENSION: KERNEL},
    }
    content = {
        "asset": {"version": "2.0", "generator": "cvd3d"},
        "extensionsUsed": [EXTENSION],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "buffers": [{"byteLength": offset}],
        "bufferViews": views,
        "accessors": accessors,
    }
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    buffer = b"".join(array.tobytes() for array in arrays.values())
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(buffer), b"BIN\0") + buffer
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
