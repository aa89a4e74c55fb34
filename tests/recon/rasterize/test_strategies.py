"""gsplat's strategies on a CPU."""

import math

import pytest
import torch
from gsplat.strategy import ops

from recon.rasterize import rasterization, strategies
from recon.rasterize.strategies import (
    Densification,
    compute_relocation,
    default_strategy,
    mcmc_strategy,
    quat_scale_to_covar_preci,
)


def fit(strategy, make_scene, packed=True, steps=50):
    """Fit a random image for some steps; returns the number of Gaussians and the largest opacity after each step."""
    scene = make_scene(count=150, cameras=1, width=40, height=30)
    values = {"means": scene.means, "quats": scene.quats, "scales": scene.scales.log()}
    values |= {"opacities": scene.opacities.logit(), "sh": scene.colors[:, :4]}
    parameters = {name: torch.nn.Parameter(value.clone()) for name, value in values.items()}
    optimizers = {name: torch.optim.Adam([value], lr=5e-3) for name, value in parameters.items()}
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(1, 30, 40, 3, generator=generator)
    densification = Densification(strategy, parameters, optimizers, generator, packed=packed)
    counts, opacities = [], []
    for step in range(steps):
        images, _, meta = rasterization(
            parameters["means"],
            parameters["quats"],
            parameters["scales"].exp(),
            parameters["opacities"].sigmoid(),
            parameters["sh"],
            scene.viewmats,
            scene.Ks,
            scene.width,
            scene.height,
            sh_degree=1,
            packed=packed,
            absgrad=densification.absgrad,
        )
        densification.before_backward(step, meta)
        (images - target).abs().mean().backward()
        for optimizer in optimizers.values():
            optimizer.step()
            optimizer.zero_grad()
        densification.after_backward(step, meta)
        counts.append(len(parameters["means"]))
        opacities.append(parameters["opacities"].sigmoid().max().item())
    return counts, opacities, parameters


@pytest.mark.slow
@pytest.mark.parametrize(("packed", "absgrad"), [(True, False), (False, True)])
def test_the_default_strategy_grows_and_resets(packed, absgrad, make_scene):
    strategy = default_strategy(refine_start_iter=5, refine_every=10, reset_every=35, absgrad=absgrad)
    counts, opacities, parameters = fit(strategy, make_scene, packed)
    assert counts[9] == 150
    assert counts[10] > 150
    assert counts[30] > counts[10]
    assert opacities[34] > 0.5
    assert opacities[35] == pytest.approx(2 * strategy.prune_opa, rel=1e-5)
    assert all(torch.isfinite(value).all() for value in parameters.values())


@pytest.mark.slow
def test_the_mcmc_strategy_grows_up_to_its_cap(make_scene):
    counts, _, parameters = fit(mcmc_strategy(cap_max=160, refine_start_iter=5, refine_every=10), make_scene)
    assert counts[9] == 150
    assert counts[10] == 157
    assert counts[-1] == 160
    assert all(torch.isfinite(value).all() for value in parameters.values())


def test_the_mcmc_strategy_grows_by_the_given_factor(make_scene):
    strategy = mcmc_strategy(cap_max=10_000, refine_start_iter=5, refine_every=10, growth=1.5)
    assert fit(strategy, make_scene, steps=25)[0][-1] == 337  # 150, 225, 337


def test_the_largest_gradients_grow_first(make_scene):
    strategy = default_strategy(cap_max=170, grow_grad2d=0.0, refine_start_iter=5, refine_every=10, prune_opa=0.0)
    counts, _, _ = fit(strategy, make_scene, steps=45)
    assert counts[10] == max(counts) == 170
    assert strategy.grow_grad2d == 0.0


def test_noise_is_that_of_gsplat():
    generator = torch.Generator().manual_seed(0)
    N = 300
    parameters = {name: torch.randn(N, n, generator=generator) for name, n in (("means", 3), ("quats", 4))}
    parameters["scales"] = torch.randn(N, 3, generator=generator) - 1
    parameters["opacities"] = torch.linspace(-9, 5, N)
    patched = strategies.inject_noise_to_position
    by_covariance = mcmc_noise_of_gsplat()
    moved = []
    for inject in (patched, by_covariance):
        torch.manual_seed(1)
        own = {**parameters, "means": parameters["means"].clone()}
        inject(own, {}, {}, 0.5)
        moved.append(own["means"] - parameters["means"])
    torch.testing.assert_close(*moved, rtol=1e-4, atol=1e-6)
    assert moved[0][0].abs().max() > 1e-2 and (moved[0][-1] == 0).all()


def mcmc_noise_of_gsplat():
    """gsplat's original function, before the patch for CPU tensors."""
    cells = ops.inject_noise_to_position.__closure__
    (theirs,) = [cell.cell_contents for cell in cells if cell.cell_contents is not strategies.inject_noise_to_position]
    return theirs


def test_draws_come_from_the_generator_alone(make_scene):
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        results.append(fit(mcmc_strategy(refine_start_iter=5, refine_every=10), make_scene, steps=15)[2]["means"])
        assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(*results)


def test_relocation_keeps_the_sum_of_equation_nine():
    n_max = 51
    binoms = torch.tensor([[math.comb(n, k) for k in range(n_max)] for n in range(n_max)], dtype=torch.float32)
    opacities = torch.tensor([0.005, 0.3, 0.9, 0.999, 0.7, 0.5])
    ratios = torch.tensor([1, 2, 7, 51, 80, 0])
    new, scales = compute_relocation(opacities, torch.ones(6, 3), ratios, binoms)
    for old, ratio, opacity, scale in zip(opacities.tolist(), ratios.tolist(), new.tolist(), scales[:, 0].tolist()):
        n = min(max(ratio, 1), n_max)
        each = 1 - (1 - old) ** (1 / n)
        terms = [
            math.comb(i - 1, k) * (-1) ** k / math.sqrt(k + 1) * each ** (k + 1)
            for i in range(1, n + 1)
            for k in range(i)
        ]
        assert opacity == pytest.approx(each, rel=1e-5)
        assert scale == pytest.approx(old / math.fsum(terms), rel=1e-5)


def test_covariances_and_their_inverses():
    quats = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    scales = torch.rand(5, 3, generator=torch.Generator().manual_seed(1)) + 0.2
    covariances, precisions = quat_scale_to_covar_preci(quats, scales)
    assert torch.allclose(covariances @ precisions, torch.eye(3).expand(5, 3, 3), atol=1e-4)
    assert torch.allclose(torch.linalg.eigvalsh(covariances), (scales**2).sort(-1).values, atol=1e-5)
    upper, none = quat_scale_to_covar_preci(quats, scales, compute_preci=False, triu=True)
    assert none is None
    assert torch.equal(upper[:, 4], covariances[:, 1, 2])


def test_gsplat_is_patched_once():
    default_strategy()
    patched = ops.compute_relocation
    mcmc_strategy()
    assert ops.compute_relocation is patched
    assert patched.cpu_version is compute_relocation
