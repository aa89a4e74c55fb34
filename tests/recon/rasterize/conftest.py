"""Scenes shared by the rasterizer's tests."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

PARAMETERS = ("means", "quats", "scales", "opacities", "colors", "viewmats")


@dataclass(frozen=True)
class Scene:
    """Arguments of `rasterization`."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    colors: Tensor
    viewmats: Tensor
    Ks: Tensor
    width: int
    height: int
    backgrounds: Tensor | None

    def with_(self, **changes: Any) -> "Scene":
        return replace(self, **changes)


@dataclass(frozen=True)
class Rendered:
    """Outputs, and gradients of a fixed random combination of them."""

    images: Tensor
    alphas: Tensor
    meta: dict[str, Any]
    grads: dict[str, Tensor]


@pytest.fixture(scope="session")
def make_scene() -> Callable[..., Scene]:
    """Random Gaussians around z = 3, some behind the cameras or outside the image."""

    def make(count: int = 200, cameras: int = 2, width: int = 53, height: int = 38, seed: int = 0) -> Scene:
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        angles = 0.2 * torch.arange(cameras)
        viewmats = torch.eye(4).repeat(cameras, 1, 1)
        viewmats[:, 0, 0] = viewmats[:, 2, 2] = angles.cos()
        viewmats[:, 0, 2], viewmats[:, 2, 0] = angles.sin(), -angles.sin()
        viewmats[:, :3, 3] = 0.1 * normal(cameras, 3)
        return Scene(
            means=normal(count, 3) * torch.tensor([1.5, 1.2, 2.0]) + torch.tensor([0.0, 0.0, 3.0]),
            quats=normal(count, 4),
            scales=(normal(count, 3) - 2.2).exp(),
            opacities=torch.sigmoid(2 * normal(count)),
            colors=0.3 * normal(count, 25, 3),
            viewmats=viewmats,
            Ks=torch.tensor([[50.0, 0.0, width / 2 + 1], [0.0, 54.0, height / 2 - 2], [0.0, 0.0, 1.0]]).repeat(
                cameras, 1, 1
            ),
            width=width,
            height=height,
            backgrounds=torch.rand(cameras, 3, generator=generator),
        )

    return make


@pytest.fixture(scope="session")
def render() -> Callable[..., Rendered]:
    """Render a scene, and backpropagate a random combination of all outputs."""

    def go(rasterize: Callable, scene: Scene, dtype: torch.dtype = torch.float32, **options: Any) -> Rendered:
        leaves = {n: getattr(scene, n).to(dtype).clone().requires_grad_() for n in PARAMETERS}
        if scene.backgrounds is not None:
            leaves["backgrounds"] = scene.backgrounds.to(dtype).clone().requires_grad_()
        images, alphas, meta = rasterize(
            **leaves, Ks=scene.Ks.to(dtype), width=scene.width, height=scene.height, **options
        )
        meta["means2d"].retain_grad()
        generator = torch.Generator().manual_seed(5)
        weights = [torch.randn(t.shape, generator=generator).to(dtype) for t in (images, alphas)]
        ((images * weights[0]).sum() + (alphas * weights[1]).sum()).backward()
        grads = {n: torch.zeros_like(t) if t.grad is None else t.grad for n, t in leaves.items()}
        return Rendered(images.detach(), alphas.detach(), meta, grads)

    return go
