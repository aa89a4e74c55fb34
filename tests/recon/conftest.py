"""Fixtures: a small world with known depth (checkered ground, a ball, a far sky), and splats of various shapes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from recon.capture import Capture, from_rig
from recon.splats import MovingSplats, Splats
from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.rig import Rig
from trajectories.rotations import look_at

BALL = np.array([0.0, 0.0, 0.6])
RADIUS = 0.6


def texture(u, v):
    """Smooth blotches with no symmetry, in [0, 1]."""
    waves = np.sin(2.1 * u + 1.3 * v) + np.sin(3.7 * v - 1.9 * u + 1.0) + np.sin(7.3 * u + 2.0) * np.sin(6.1 * v + 0.5)
    return 0.5 + 0.5 * waves / 3


def render_world(cameras: Cameras) -> tuple[np.ndarray, np.ndarray]:
    """(N, H, W, 3) uint8 frames and (N, H, W) z-depths (inf in the sky), by casting one ray per pixel."""
    x, y = np.meshgrid(np.arange(cameras.width) + 0.5, np.arange(cameras.height) + 0.5)
    frames, depths = [], []
    for c2w, K in zip(cameras.c2w, cameras.K):
        local = np.stack([x, y, np.ones_like(x)], axis=-1) @ np.linalg.inv(K).T
        d, o = local @ c2w[:3, :3].T, c2w[:3, 3]
        ground = np.where(d[..., 2] < 0, -o[2] / np.minimum(d[..., 2], -1e-9), np.inf)
        a, b, c = (d * d).sum(-1), d @ (o - BALL), (o - BALL) @ (o - BALL) - RADIUS**2
        inside = b * b - a * c
        ball = np.where(inside > 0, (-b - np.sqrt(np.maximum(inside, 0))) / a, np.inf)
        ground[ground > 40] = np.inf
        depth = np.minimum(ground, ball)
        hit = o + d * np.where(np.isfinite(depth), depth, 0.0)[..., None]
        shade = np.where(ball < ground, texture(5 * hit[..., 0] + 3, 5 * hit[..., 2] - 4 * hit[..., 1]), 0.0)
        grass = texture(1.5 * hit[..., 0], 1.5 * hit[..., 1])
        color = np.stack([0.2 + 0.3 * grass, 0.3 + 0.6 * grass, 0.1 + 0.2 * grass], axis=-1)
        color = np.where(
            (ball < ground)[..., None], np.stack([0.3 + 0.7 * shade, 0.4 * shade, 0.1 + 0 * shade], -1), color
        )
        color = np.where(np.isfinite(depth)[..., None], color, [0.5, 0.7, 0.95])
        frames.append(np.round(color * 255).astype(np.uint8))
        depths.append(depth)
    return np.stack(frames), np.stack(depths)


def small_rig(views: int = 3, frames: int = 4, size: int = 96) -> Rig:
    """`views` arcs of `frames` cameras around the ball."""
    angles = np.radians(np.linspace(0, 25, frames)[None, :] + np.linspace(0, 80, views)[:, None])
    positions = np.stack([4 * np.cos(angles), 4 * np.sin(angles), np.full_like(angles, 1.9)], axis=-1)
    c2w = np.array([[look_at(p, np.array([0.0, 0.0, 0.5])) for p in row] for row in positions])
    K = intrinsics_from_fov(np.radians(50), size, size)
    return Rig(Cameras(c2w, K, size, size), np.arange(frames) / 8, tuple(f"view{v}" for v in range(views)))


def write_frames(rig: Rig, folder: Path) -> np.ndarray:
    """Write `folder/NAME/00000.png` and so on; returns the z-depths (V*T, H, W)."""
    from PIL import Image

    frames, depths = render_world(rig.cameras.reshape(-1))
    for index, frame in enumerate(frames):
        view, t = divmod(index, rig.frames)
        path = folder / rig.names[view] / f"{t:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(frame).save(path)
    return depths


@dataclass(frozen=True)
class World:
    rig: Rig
    images: Path
    capture: Capture
    depths: np.ndarray

    @staticmethod
    def distance_to_surface(positions: np.ndarray) -> np.ndarray:
        """(P,) distances of points to the nearest surface, ground or ball."""
        ground, ball = np.abs(positions[:, 2]), np.abs(np.linalg.norm(positions - BALL, axis=1) - RADIUS)
        return np.minimum(ground, ball)


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> World:
    rig = small_rig()
    folder = tmp_path_factory.mktemp("world") / "images"
    depths = write_frames(rig, folder)
    return World(rig, folder, from_rig(rig, folder), depths)


@pytest.fixture
def some_splats():
    """A function that makes N splats near the origin with spherical harmonics of a given degree."""

    def make(degree=3, N=7):
        generator = torch.Generator().manual_seed(degree)

        def normal(*shape):
            return torch.randn(*shape, generator=generator)

        return Splats(
            means=0.4 * normal(N, 3),
            quats=normal(N, 4),
            log_scales=-1.7 + 0.5 * normal(N, 3),
            logit_opacities=1.0 + normal(N),
            sh=0.4 * normal(N, (degree + 1) ** 2, 3),
        )

    return make


@pytest.fixture
def moving_splats(some_splats):
    """Seven splats, of which the second and the last move, turn and fade from 0 to 2 seconds."""
    generator = torch.Generator().manual_seed(9)
    shifts, turns = (torch.randn(2, 5, 3, generator=generator) for _ in range(2))
    fades = torch.randn(2, 5, generator=generator)
    return MovingSplats(some_splats(2), torch.tensor([1, 6]), shifts, turns, fades, 0.0, 2.0)
