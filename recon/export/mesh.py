"""Export a mesh as binary glTF with trimesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recon.export.gltf import linear_from_srgb
from recon.export.targets import TargetAxes
from recon.fusion import Mesh
from trajectories.files import write_bytes


def write_mesh(mesh: Mesh, path: Path | str, target: TargetAxes) -> None:
    """Write a .glb with a color for each vertex; an existing file is replaced.

    Args:
        mesh: triangles in our axes.
        path: the file.
        target: the axes to write in; glTF's axes are OpenGL's. If they are mirrored, the triangles are reversed, so
            that their front sides stay outside.
    """
    import trimesh
    from trimesh.exchange.gltf import export_glb

    mirrored = np.linalg.det(np.array(target.rows)) < 0
    rgb = np.round(linear_from_srgb(mesh.colors) * 255).astype(np.uint8)
    written = trimesh.Trimesh(
        target.similarity(mesh.vertices),
        mesh.faces[:, ::-1] if mirrored else mesh.faces,
        vertex_colors=np.concatenate([rgb, np.full((len(rgb), 1), 255, np.uint8)], axis=1),
        process=False,
    )
    write_bytes(path, export_glb(trimesh.Scene(written)))
