"""The CPU rasterizer against the plain reference in float64, and its contract."""

import math
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from recon.rasterize import rasterization, reference
from recon.rasterize.inputs import RASTERIZE_MODES, RENDER_MODES
from trajectories.errors import InputError


def behind(scene):
    return scene.with_(means=scene.means * torch.tensor([1.0, 1.0, -1.0]))


def near_plane(scene):
    """Half of the Gaussians are close to the first camera."""
    means = scene.means.clone()
    means[::2, 2] = torch.linspace(-0.1, 0.3, len(means[::2])) - scene.viewmats[0, 2, 3]
    return scene.with_(means=means)


def tiny(scene):
    return scene.with_(scales=scene.scales * 1e-4)


def huge(scene):
    return scene.with_(scales=scene.scales * 15, opacities=scene.opacities * 0.3)


def needles(scene):
    return scene.with_(scales=scene.scales * torch.tensor([20.0, 0.01, 0.01]))


def flat(scene):
    return scene.with_(scales=scene.scales * torch.tensor([3.0, 3.0, 0.0]))


def opaque_stack(scene):
    """Every pixel is finished long before the end of its list."""
    spread = torch.tensor([0.3, 0.3, 1.0])
    center = torch.tensor([0.0, 0.0, 3.0])
    means = (scene.means - center) * spread + center
    return scene.with_(means=means, scales=scene.scales * 5, opacities=scene.opacities * 0 + 1)


def transparent(scene):
    opacities = scene.opacities.clone()
    opacities[::2] = 0
    opacities[1::4] = 1 / 250
    return scene.with_(opacities=opacities)


def one_depth(scene):
    means = scene.means.clone()
    means[:, 2] = 3
    viewmats = torch.eye(4).repeat(len(scene.viewmats), 1, 1)
    return scene.with_(means=means, viewmats=viewmats)


def one_pixel(scene):
    Ks = scene.Ks.clone()
    Ks[:, :2, 2] = 0.5
    return scene.with_(width=1, height=1, Ks=Ks)


def no_background(scene):
    return scene.with_(backgrounds=None)


def nothing(scene):
    return scene.with_(**{n: getattr(scene, n)[:0] for n in ("means", "quats", "scales", "opacities", "colors")})


def as_they_are(scene):
    return scene


SCENES = [
    as_they_are,
    behind,
    near_plane,
    tiny,
    huge,
    needles,
    flat,
    opaque_stack,
    transparent,
    one_depth,
    one_pixel,
    no_background,
    nothing,
]

OPTIONS = [
    {"sh_degree": 4},
    {"sh_degree": 3, "rasterize_mode": "antialiased"},
    {"sh_degree": 2, "rasterize_mode": "antialiased", "render_mode": "RGB+ED"},
    {"sh_degree": 1, "render_mode": "RGB+D", "eps2d": 0.1},
    {"sh_degree": 0, "render_mode": "D", "radius_clip": 3.0},
    {"sh_degree": 0, "render_mode": "ED", "near_plane": 2.0, "far_plane": 4.0},
]


def partly(scene, change, generator):
    """The scene with `change` applied to about half of its Gaussians."""
    changed, chosen = change(scene), torch.rand(len(scene.means), 1, generator=generator) < 0.5
    return scene.with_(
        means=torch.where(chosen, changed.means, scene.means),
        scales=torch.where(chosen, changed.scales, scene.scales),
        opacities=torch.where(chosen[:, 0], changed.opacities, scene.opacities),
    )


def assert_same(ours, exact):
    """Images agree within 1e-5, gradients within 1e-4 of the tensor's largest value."""
    scale = exact.images.abs().max().clamp_min(1)
    assert ours.images.shape == exact.images.shape
    assert ((ours.images - exact.images).abs().max() / scale) < 1e-5
    assert (ours.alphas - exact.alphas).abs().max() < 1e-5
    for name, grad in exact.grads.items():
        error = (ours.grads[name] - grad).abs()
        assert error.numel() == 0 or error.max() <= 1e-4 * grad.abs().max(), name


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("change", SCENES)
def test_scenes_agree_with_the_reference(change, packed, make_scene, render):
    scene = change(make_scene())
    ours = render(rasterization, scene, sh_degree=3, packed=packed)
    assert_same(ours, render(reference.rasterization, scene, torch.float64, sh_degree=3))


@pytest.mark.parametrize("seed", range(24))
def test_random_scenes_agree_with_the_reference(seed, make_scene, render):
    """Any size and options, ordinary and degenerate Gaussians mixed."""
    draw, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    size = {"width": draw.randint(1, 40), "height": draw.randint(1, 40)}
    scene = make_scene(count=draw.choice([0, 1, 8, 60, 200]), cameras=draw.randint(1, 3), seed=100 + seed, **size)
    for change in draw.sample([behind, near_plane, tiny, huge, needles, flat, opaque_stack, transparent], 2):
        scene = partly(scene, change, generator)
    options = {
        "sh_degree": draw.randint(0, 4),
        "render_mode": draw.choice(RENDER_MODES),
        "rasterize_mode": draw.choice(RASTERIZE_MODES),
        "eps2d": draw.choice([0.05, 0.3]),
        "radius_clip": draw.choice([0.0, 2.0]),
    }
    if draw.random() < 0.5:
        scene = no_background(scene)
    ours = render(rasterization, scene, packed=draw.random() < 0.5, absgrad=draw.random() < 0.5, **options)
    assert_same(ours, render(reference.rasterization, scene, torch.float64, **options))


def test_the_planes_themselves_are_drawn(make_scene, render):
    below, above = torch.nextafter(torch.tensor([0.5, 4.0]), torch.tensor([0.0, 9.0]))
    depths = torch.tensor([below, 0.5, 2.0, 4.0, above])
    scene = make_scene(count=5, cameras=1, width=9, height=9).with_(
        means=depths[:, None] * torch.tensor([0.0, 0.0, 1.0]),
        scales=depths[:, None] * torch.tensor([0.1, 0.05, 0.2]),
        opacities=torch.full((5,), 0.5),
        viewmats=torch.eye(4)[None],
    )
    planes = {"sh_degree": 0, "near_plane": 0.5, "far_plane": 4.0}
    ours = render(rasterization, scene, **planes)
    assert ours.meta["gaussian_ids"].tolist() == [1, 2, 3]
    assert_same(ours, render(reference.rasterization, scene, torch.float64, **planes))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("options", OPTIONS)
def test_options_agree_with_the_reference(options, packed, make_scene, render):
    scene = make_scene(seed=1)
    ours = render(rasterization, scene, packed=packed, **options)
    exact = render(reference.rasterization, scene, torch.float64, **options)
    assert_same(ours, exact)
    seen = exact.meta["radii"] > 0
    assert 0 < seen.sum() < seen.numel()
    if packed:
        ours_seen = torch.zeros_like(seen)
        ours_seen[ours.meta["camera_ids"], ours.meta["gaussian_ids"]] = True
        assert torch.equal(ours_seen, seen)
        assert torch.equal(ours.meta["radii"], exact.meta["radii"][seen].reshape(-1, 2))
        v_means2d = exact.meta["means2d"].grad[seen[..., 0]]
    else:
        assert torch.equal(ours.meta["radii"], exact.meta["radii"])
        v_means2d = exact.meta["means2d"].grad
    assert torch.allclose(ours.meta["means2d"].grad.double(), v_means2d, atol=1e-4 * v_means2d.abs().max().item())


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("shape", [(200, 5), (2, 200, 3), (200, 1)])
def test_given_colors(shape, packed, make_scene, render):
    colors = torch.rand(shape, generator=torch.Generator().manual_seed(3))
    scene = make_scene().with_(colors=colors, backgrounds=torch.rand(2, shape[-1]))
    ours = render(rasterization, scene, packed=packed)
    assert_same(ours, render(reference.rasterization, scene, torch.float64))


def test_coefficients_for_each_camera(make_scene, render):
    scene = make_scene()
    scene = scene.with_(colors=torch.stack([scene.colors, scene.colors.flip(0)]))
    ours = render(rasterization, scene, sh_degree=2)
    assert_same(ours, render(reference.rasterization, scene, torch.float64, sh_degree=2))


def test_one_gaussian_by_hand():
    images, alphas, _ = rasterization(
        means=torch.tensor([[0.0, 0.0, 2.0]]),
        quats=torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        scales=torch.full((1, 3), 0.1),
        opacities=torch.tensor([0.5]),
        colors=torch.tensor([[0.25, 0.5, 1.0]]),
        viewmats=torch.eye(4)[None],
        Ks=torch.tensor([[[10.0, 0.0, 2.5], [0.0, 10.0, 1.5], [0.0, 0.0, 1.0]]]),
        width=4,
        height=3,
        backgrounds=torch.ones(1, 3),
    )
    assert images[0, 1, 2].tolist() == pytest.approx([0.625, 0.75, 1.0], abs=1e-6)
    assert alphas[0, 1, 1, 0].item() == pytest.approx(0.5 * math.exp(-0.5 / 0.55), abs=1e-6)


def test_the_same_bits_on_any_number_of_threads(make_scene, render):
    scene = make_scene(count=2000, cameras=2, width=130, height=90)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 1, 2, 3):
            torch.set_num_threads(threads)
            results.append(render(rasterization, scene, sh_degree=4, render_mode="RGB+ED", absgrad=True))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert torch.equal(results[0].images, other.images)
        assert all(torch.equal(grad, other.grads[name]) for name, grad in results[0].grads.items())
        assert torch.equal(results[0].meta["means2d"].absgrad, other.meta["means2d"].absgrad)


def test_two_threads_of_a_program_may_render_at_once(make_scene, render):
    scenes = [make_scene(count=1000, width=100, height=80, seed=seed) for seed in range(4)]
    alone = [render(rasterization, scene, sh_degree=1) for scene in scenes]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda scene: render(rasterization, scene, sh_degree=1), scenes))
    for one, other in zip(alone, together):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.grads["means"], other.grads["means"])


def test_a_parameter_that_changes_before_backward_is_noticed(make_scene):
    scene = make_scene()
    means = scene.means.clone().requires_grad_()
    images, _, _ = rasterization(**{**vars(scene), "means": means}, sh_degree=0)
    with torch.no_grad():
        means += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        images.sum().backward()


@pytest.mark.parametrize("packed", [True, False])
def test_meta_has_what_the_strategies_read(packed, make_scene, render):
    scene = make_scene(width=40, height=30)
    meta = render(rasterization, scene, sh_degree=0, packed=packed, absgrad=True).meta
    means2d = meta["means2d"]
    assert not means2d.is_leaf
    assert means2d.absgrad.shape == means2d.shape
    assert (means2d.absgrad >= means2d.grad.abs() * (1 - 1e-4) - 1e-6).all()
    assert (means2d.absgrad > 1.01 * means2d.grad.abs()).any()
    assert (meta["width"], meta["height"], meta["n_cameras"]) == (40, 30, 2)
    assert meta["radii"].dtype == torch.int32
    assert meta["radii"].shape == means2d.shape
    if packed:
        assert meta["gaussian_ids"].shape == means2d.shape[:1]
        assert (meta["radii"] > 0).all()
    else:
        assert means2d.shape == (2, 200, 2)
        assert meta["gaussian_ids"] is None


@pytest.mark.parametrize("packed", [True, False])
def test_absolute_gradients_are_the_magnitudes_of_each_pixel_added_up(packed, make_scene):
    scene = make_scene(count=40, width=9, height=7)
    weights = torch.randn(2, 7, 9, 3, generator=torch.Generator().manual_seed(5))
    images, _, meta = rasterization(
        **{**vars(scene), "means": scene.means.clone().requires_grad_()}, sh_degree=0, packed=packed, absgrad=True
    )
    images.backward(weights)
    leaves = {n: t.double() if isinstance(t, torch.Tensor) else t for n, t in vars(scene).items()}
    leaves["means"].requires_grad_()
    exact, _, exact_meta = reference.rasterization(**leaves, sh_degree=0)
    pixels = (exact * weights).sum(-1).flatten()
    grads = [torch.autograd.grad(pixel, exact_meta["means2d"], retain_graph=True)[0].abs() for pixel in pixels]
    expected = torch.stack(grads).sum(0).float()
    if packed:
        expected = expected[meta["camera_ids"], meta["gaussian_ids"]]
    absolute = meta["means2d"].absgrad
    assert (absolute - expected).abs().max() < 1e-4 * expected.max()


def test_numbers_that_are_not_finite_are_not_drawn(make_scene):
    scene = make_scene()
    arguments = (scene.viewmats, scene.Ks, scene.width, scene.height)
    means, scales = scene.means.clone(), scene.scales.clone()
    means[0], means[1, 2], scales[2] = float("nan"), float("inf"), float("inf")
    broken, _, _ = rasterization(means, scene.quats, scales, scene.opacities, scene.colors, *arguments, sh_degree=3)
    rest = [t[3:] for t in (scene.means, scene.quats, scene.scales, scene.opacities, scene.colors)]
    whole, _, _ = rasterization(*rest, *arguments, sh_degree=3)
    assert torch.equal(broken, whole)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sparse_grad": True}, "sparse_grad"),
        ({"distributed": True}, "distributed"),
        ({"covars": torch.zeros(200, 3, 3)}, "covars"),
        ({"with_ut": True}, "with_ut"),
        ({"radial_coeffs": torch.zeros(2, 6)}, "radial_coeffs"),
        ({"camera_model": "fisheye"}, "fisheye"),
        ({"rasterize_mode": "sharp"}, "sharp"),
        ({"render_mode": "depth"}, "depth"),
        ({"near_plane": 0.0}, "near_plane"),
        ({"sh_degree": 5}, "sh_degree is 5"),
        ({"sh_degree": None}, "colors has shape"),
        ({"sh_degree": 3, "colors": torch.zeros(200, 9, 3)}, "needs 16"),
        ({"means": torch.zeros(200, 3, dtype=torch.float64)}, "float64"),
        ({"quats": torch.zeros(199, 4)}, "quats has shape"),
        ({"backgrounds": torch.zeros(1, 3)}, "backgrounds has shape"),
        ({"Ks": torch.full((2, 3, 3), 0.5)}, "skew"),
        ({"width": 0}, "0x38"),
    ],
)
def test_refusals(changes, sentence, make_scene):
    scene = make_scene()
    arguments = {**vars(scene), "sh_degree": 0, **changes}
    with pytest.raises(InputError, match=sentence):
        rasterization(**arguments)


@pytest.mark.parametrize("options", OPTIONS)
def test_agrees_with_gsplat(options, make_scene, render):
    if not torch.cuda.is_available():
        pytest.skip("gsplat's rasterizer needs a CUDA device, and there is none here")
    from gsplat import rasterization as on_cuda

    def there(**arguments):
        moved = {n: a.cuda() if isinstance(a, torch.Tensor) else a for n, a in arguments.items()}
        images, alphas, meta = on_cuda(**moved)
        return images.cpu(), alphas.cpu(), meta

    scene = make_scene()
    ours, theirs = render(rasterization, scene, **options), render(there, scene, **options)
    # gsplat rounds exp and log on the GPU: a splat with alpha near 1/255 may be on either side of the threshold.
    assert ((ours.images - theirs.images).abs() > 1e-4).float().mean() < 1e-3
    for name, grad in theirs.grads.items():
        assert (ours.grads[name] - grad).abs().max() <= 1e-2 * grad.abs().max(), name
