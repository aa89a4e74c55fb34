"""The pipeline with tiny random parts: reproducibility, number of calls, resuming and refused input."""

import json
from collections import Counter

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from hypothesis import given
from hypothesis import strategies as st

import cvd3d.model.unet
import cvd3d.sampling.cost
import cvd3d.sampling.denoise
import cvd3d.sampling.resume
from cvd3d.sampling import load_pipeline, weights_hash
from cvd3d.sampling.denoise import Job, chunks, jobs_of
from cvd3d.sampling.pipeline import CollaborativePipeline
from trajectories import InputError, Rig
from trajectories.rotations import rigid

pytestmark = pytest.mark.slow


@pytest.fixture
def calls(monkeypatch, pipeline):
    """The number of videos in each network call."""
    sizes = []
    forward = pipeline.unet.forward

    def counted(z, *args, **options):
        sizes.append(len(z))
        return forward(z, *args, **options)

    monkeypatch.setattr(pipeline.unet, "forward", counted)
    return sizes


@pytest.mark.parametrize(("views", "frames"), [(1, 2), (2, 2), (3, 2), (4, 2), (2, 1)])
def test_the_same_seed_gives_the_same_bytes_for_any_number_of_videos(pipeline, rig, sample, views, frames):
    videos = sample(pipeline, rig(views, frames), seed=5)
    assert videos.shape == (views, frames, 16, 16, 3) and videos.dtype == np.float32
    assert np.isfinite(videos).all() and videos.std() > 0
    torch.randn(7)  # the global generator is not used
    assert sample(pipeline, rig(views, frames), seed=5).tobytes() == videos.tobytes()
    assert sample(pipeline, rig(views, frames), seed=6).tobytes() != videos.tobytes()


def test_the_number_of_network_calls_follows_the_formula(pipeline, rig, sample, calls):
    sample(pipeline, rig(4), num_inference_steps=3, recurrences=2, matchings=1)
    assert calls == [8] * ((3 - 1) * 2 + 1)
    calls.clear()
    sample(pipeline, rig(4), num_inference_steps=3, recurrences=2, matching="exhaustive")
    assert calls == [8] * ((3 - 1) * 2 + 1) * 3
    calls.clear()
    sample(pipeline, rig(4), num_inference_steps=2, guidance_scale=1.0)
    assert calls == [4] * ((2 - 1) * 4 + 1)  # the paper's R = 4, Q = 1
    calls.clear()
    sample(pipeline, rig(1), num_inference_steps=3)
    assert calls == [2] * 3


def test_guidance_moves_away_from_the_negative_prompt(pipeline, rig, sample):
    plain = sample(pipeline, rig(2), guidance_scale=1.0)
    same = sample(pipeline, rig(2), guidance_scale=9.0, negative_prompt="a red cube")
    assert np.allclose(plain, same, atol=1e-4)  # equal prompts: guidance has no effect
    guided = sample(pipeline, rig(2), guidance_scale=9.0)
    assert np.abs(guided - plain).max() > 1e-3
    uncond = sample(pipeline, rig(2), guidance_scale=0.0, negative_prompt="a cube")
    assert np.allclose(uncond, sample(pipeline, rig(2), prompt="a cube", guidance_scale=1.0), atol=1e-4)


def test_matchings_are_averaged(pipeline, rig, sample):
    """Independent videos have the same prediction in every matching."""
    one = sample(pipeline, rig(4), recurrences=1, matchings=1, cross_view_scale=0.0)
    assert np.allclose(sample(pipeline, rig(4), recurrences=1, matchings=3, cross_view_scale=0.0), one, atol=1e-4)


def test_noise_is_added_again_by_the_papers_formula(pipeline):
    steps = 4
    pipeline.scheduler.set_timesteps(steps)
    assert pipeline.scheduler.timesteps.tolist() == [999, 749, 499, 249]
    abar = pipeline.scheduler.alphas_cumprod
    previous = torch.randn(2, 4, 2, 4, 4)
    for t, before in ((749, abar[499]), (249, torch.tensor(1.0))):
        noise = torch.randn(previous.shape, generator=torch.Generator().manual_seed(1))
        expected = (abar[t] / before) ** 0.5 * previous + (1 - abar[t] / before) ** 0.5 * noise
        noised = pipeline._renoise(previous, t, steps, torch.Generator().manual_seed(1))
        assert torch.allclose(noised, expected, atol=1e-6)


def test_a_mask_is_computed_once_for_each_ordered_pair_and_resolution(pipeline, rig, sample, monkeypatch):
    computed = Counter()
    original = cvd3d.model.unet.epipolar_bias

    def counted(query, key, rows, cols, *args, **options):
        computed[query.c2w.tobytes(), key.c2w.tobytes(), rows, cols] += 1
        return original(query, key, rows, cols, *args, **options)

    monkeypatch.setattr(cvd3d.model.unet, "epipolar_bias", counted)
    sample(pipeline, rig(4, name="orbit"), num_inference_steps=3, recurrences=8)
    assert len(computed) == 12 * 2  # all ordered pairs at two resolutions
    assert set(computed.values()) == {1}


def test_the_cross_view_modules_join_the_videos_and_can_be_switched_off(pipeline, rig, sample):
    first, second = rig(2), rig(2, name="orbit")
    c2w = np.stack([first.cameras.c2w[0], second.cameras.c2w[1]])
    mixed = Rig(type(first.cameras)(c2w, first.cameras.K, 16, 16), first.times, first.names)
    for scale, joined in ((1.0, True), (0.0, False)):
        a, b = (sample(pipeline, r, cross_view_scale=scale)[0] for r in (first, mixed))
        assert (np.abs(a - b).max() > 1e-5) == joined


def test_with_poses_relative_to_the_first_camera_the_world_may_be_moved(build, rig, sample):
    still = rig(2)
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    moved = still.transformed(rigid(turn, [3.0, -2.0, 1.0]))
    for pose_frame, same in (("first", True), ("world", False)):
        pipeline = build(pose_frame=pose_frame)
        difference = np.abs(sample(pipeline, still) - sample(pipeline, moved)).max()
        assert (difference < 1e-4) == same


def test_a_rig_may_look_in_any_direction(build, rig, sample):
    """Poses are relative to the first camera's heading, so a rotation about the vertical axis has no effect."""
    facing = rig(2)
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    turned = facing.transformed(rigid(turn, np.zeros(3)))
    difference = np.abs(sample(build(), facing) - sample(build(), turned)).max()
    assert difference < 1e-4


def test_the_default_steps_and_guidance_are_the_models(build, rig):
    left_out = build(steps=2, guidance=1.5)("a red cube", rig(2), progress=False).videos
    asked = build()("a red cube", rig(2), num_inference_steps=2, guidance_scale=1.5, progress=False).videos
    assert left_out.tobytes() == asked.tobytes()


def test_a_saved_pipeline_gives_the_same_bytes_and_logs_nothing(build, rig, sample, tmp_path, capfd):
    pipeline = build(pose_frame="first", steps=7, guidance=2.5)
    capfd.readouterr()
    pipeline.save_pretrained(tmp_path)
    back = CollaborativePipeline.from_pretrained(tmp_path)
    assert capfd.readouterr() == ("", "")
    assert (back.unet.config.pose_frame, back.config.steps, back.config.guidance) == ("first", 7, 2.5)
    assert sample(back, rig(3)).tobytes() == sample(pipeline, rig(3)).tobytes()
    assert load_pipeline(tmp_path).unet.dtype == torch.float32


def test_half_precision_weights_are_loaded_in_float32(build, tmp_path, rig, sample):
    pipeline = build()
    pipeline.to(dtype=torch.float16).save_pretrained(tmp_path)
    back = load_pipeline(tmp_path)
    assert {part.dtype for part in (back.unet, back.vae, back.text_encoder)} == {torch.float32}
    assert np.isfinite(sample(back, rig(2))).all()


def test_the_released_kind_of_autoencoder_is_supported(build, rig, sample, tmp_path):
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8), latent_channels=4, norm_num_groups=4,
    )  # fmt: skip
    pipeline = build(vae=vae)
    small = rig(2, width=8, height=8)  # two pixels to a latent
    videos = sample(pipeline, small)
    assert videos.shape == (2, 2, 8, 8, 3)
    pipeline.save_pretrained(tmp_path)
    assert sample(load_pipeline(tmp_path), small).tobytes() == videos.tobytes()


def test_images_may_be_of_any_shape_that_the_latents_allow(pipeline, rig, sample):
    assert sample(pipeline, rig(2, width=24, height=16)).shape == (2, 2, 16, 24, 3)
    with pytest.raises(InputError, match=r"20x16; this model needs multiples of 8 pixels"):
        sample(pipeline, rig(2, width=20))


def test_more_frames_than_positions_are_refused(pipeline, rig, sample):
    assert len(sample(pipeline, rig(1, 4))[0]) == 4
    with pytest.raises(InputError, match=r"5 frames and this model takes 4 at once; give a window overlap"):
        sample(pipeline, rig(1, 5))


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("num_inference_steps", 0, "steps is 0; give at least 1"),
        ("num_inference_steps", 1001, "steps is 1001; give at most 1000 for this model"),
        ("recurrences", 0, "recurrences is 0"),
        ("matchings", -1, "matchings is -1"),
    ],
)
def test_options_out_of_range_are_refused(pipeline, rig, sample, option, value, words):
    with pytest.raises(InputError, match=words):
        sample(pipeline, rig(2), **{option: value})


@pytest.mark.parametrize("index", ["", "[]", "{}", '{"vae": ["x", "VQModel"]}', '{"vae": 3, "steps": 16}'])
def test_another_kind_of_folder_is_refused(tmp_path, index):
    (tmp_path / "model_index.json").write_text(index)
    with pytest.raises(InputError, match="is not a cvd3d model"):
        load_pipeline(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    for load in (load_pipeline, weights_hash):
        with pytest.raises(InputError, match="There is no model folder"):
            load(tmp_path / "none")


@pytest.fixture
def saved(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_damaged_weights_are_reported_in_one_sentence(saved):
    file = saved / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"The model in .* does not load: [^\n]+$"):
        load_pipeline(saved)


def test_a_model_with_parts_missing_or_an_unknown_frame_is_refused(saved):
    config = json.loads((saved / "unet" / "config.json").read_text())
    (saved / "unet" / "config.json").write_text(json.dumps({**config, "pose_frame": "camera"}))
    with pytest.raises(InputError, match="pose_frame is 'camera'"):
        load_pipeline(saved)
    (saved / "unet" / "config.json").write_text(json.dumps(config))
    (saved / "text_encoder" / "config.json").unlink()
    with pytest.raises(InputError, match="does not load"):
        load_pipeline(saved)


@pytest.mark.parametrize(
    "change",
    [lambda index: index.pop("steps"), lambda index: index.update(vae=["cvd3d.model.autoencoder", "LaterAutoencoder"])],
    ids=["an older one", "a newer one"],
)
def test_a_model_of_another_version_is_refused(saved, change):
    index = json.loads((saved / "model_index.json").read_text())
    change(index)
    (saved / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(
        InputError, match=r"is not a cvd3d model: its model_index\.json is missing or is of another kind"
    ):
        load_pipeline(saved)


def test_other_weights_have_another_hash(saved):
    weights_hash.cache_clear()
    before = weights_hash(saved)
    assert len(before) == 16 and weights_hash(saved) == before
    file = saved / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    weights_hash.cache_clear()
    assert weights_hash(saved) != before


@pytest.mark.parametrize("views", [2, 3, 5])
def test_smaller_calls_give_the_same_videos(pipeline, rig, sample, views, monkeypatch, calls):
    monkeypatch.setattr(cvd3d.sampling.cost, "VIDEOS_PER_CALL", 100)
    whole = sample(pipeline, rig(views, 3, name="orbit"), recurrences=1, matchings=2)
    largest = max(calls)
    calls.clear()
    monkeypatch.setattr(cvd3d.sampling.cost, "VIDEOS_PER_CALL", 3)
    pieces = sample(pipeline, rig(views, 3, name="orbit"), recurrences=1, matchings=2)
    assert max(calls) <= 3 < largest
    assert np.abs(pieces - whole).max() < 1e-6


def test_a_memory_limit_makes_the_calls_smaller_and_the_cost_is_reported(pipeline, rig, sample, calls):
    lines = []
    whole = sample(pipeline, rig(4), report=lines.append)
    assert "5 passes in 5 network calls of up to 8 videos, about" in lines[0] and "min for 5 calls, at" in lines[1]
    plan = pipeline._plan_memory(None, [slice(0, 2)], 4, 4)
    calls.clear()
    less = sample(pipeline, rig(4), report=lines.append, max_memory=plan.memory - 1)
    assert max(calls) < 8 and np.abs(less - whole).max() < 1e-6
    with pytest.raises(InputError, match=r"The memory limit is 0\.00 GB; this model and rig need at least \d+\.\d+ GB"):
        sample(pipeline, rig(4), max_memory=1000)


class Killed(Exception):
    pass


@pytest.mark.parametrize("survived", [1, 4])
def test_a_stopped_run_resumes_and_gives_the_same_bytes(pipeline, rig, sample, tmp_path, monkeypatch, calls, survived):
    options = {"num_inference_steps": 3, "recurrences": 2, "matching": "overlap", "seed": 8}
    videos = rig(3, 2, name="orbit")
    unbroken = sample(pipeline, videos, **options)
    total = len(calls)
    save = cvd3d.sampling.resume.Resume.save

    def dies(self, passes, *rest):
        save(self, passes, *rest)
        if passes == survived:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(cvd3d.sampling.resume.Resume, "save", dies)
        with pytest.raises(Killed):
            sample(pipeline, videos, **options, checkpoint=tmp_path / "state.pt")
    calls.clear()
    resumed = sample(pipeline, videos, **options, checkpoint=tmp_path / "state.pt")
    assert resumed.tobytes() == unbroken.tobytes() and len(calls) == total - survived
    calls.clear()
    other = sample(pipeline, videos, **{**options, "seed": 9}, checkpoint=tmp_path / "state.pt")
    assert other.tobytes() != unbroken.tobytes() and len(calls) == total  # another request starts from the beginning


def test_a_damaged_checkpoint_is_ignored(pipeline, rig, sample, tmp_path):
    (tmp_path / "state.pt").write_bytes(b"half a state")
    assert sample(pipeline, rig(2), checkpoint=tmp_path / "state.pt").tobytes() == sample(pipeline, rig(2)).tobytes()


def test_known_videos_are_unchanged_and_influence_the_others(pipeline, rig, sample):
    frames = np.random.default_rng(0).random((2, 16, 16, 3), dtype=np.float32)
    without = sample(pipeline, rig(3))
    guided = sample(pipeline, rig(3), known={1: frames})
    assert guided[1].tobytes() == frames.tobytes()
    assert np.abs(guided[[0, 2]] - without[[0, 2]]).max() > 1e-4
    independent = sample(pipeline, rig(3), known={1: frames}, cross_view_scale=0.0)
    assert np.abs(independent[[0, 2]] - sample(pipeline, rig(3), cross_view_scale=0.0)[[0, 2]]).max() < 1e-6


def test_a_known_video_has_the_noise_of_each_step(pipeline):
    x, noise = torch.randn(2, 4, 2, 4, 4)
    abar = pipeline.scheduler.alphas_cumprod
    for t in (0, 500, 999):
        expected = abar[t] ** 0.5 * x + (1 - abar[t]) ** 0.5 * noise
        assert torch.allclose(pipeline._noised(x, noise, torch.tensor(t)), expected)


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({3: np.zeros((2, 16, 16, 3))}, "The rig has 2 videos, so there is no known video 3"),
        ({0: np.zeros((3, 16, 16, 3))}, r"cam00 has the shape \(3, 16, 16, 3\); the rig's is \(2, 16, 16, 3\)"),
        ({v: np.zeros((2, 16, 16, 3)) for v in (0, 1)}, "All videos are known"),
    ],
)
def test_known_videos_that_do_not_match_the_rig_are_refused(pipeline, rig, sample, known, words):
    with pytest.raises(InputError, match=words):
        sample(pipeline, rig(2), known=known)


def test_longer_videos_are_sampled_in_windows(pipeline, rig, sample, calls):
    videos = sample(pipeline, rig(2, 7), window_overlap=2)
    assert videos.shape == (2, 7, 16, 16, 3) and calls == [8, 4] * 2  # three windows of four frames, two texts
    assert sample(pipeline, rig(2, 4), window_overlap=2).tobytes() == sample(pipeline, rig(2, 4)).tobytes()


def test_a_video_that_is_unpaired_in_one_matching_counts_only_where_it_is_paired():
    matchings = [torch.tensor([1, 0, -1]), torch.tensor([2, -1, 0]), torch.tensor([1, 0, -1])]
    assert jobs_of(matchings, 1, 1) == {Job((0, 1), 0, 0): 2, Job((0, 2), 0, 0): 1}
    assert jobs_of(matchings[:1], 1, 1) == {Job((0, 1), 0, 0): 1, Job((2,), 0, 0): 1}
    assert len(jobs_of(matchings, 3, 2)) == 12


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 9))
def test_no_job_is_left_out_of_the_calls(pairs, videos):
    jobs = [Job((i, i + 1) if pair else (i,), 0, 0) for i, pair in enumerate(pairs)]
    calls = chunks(jobs, videos)
    assert [job for call in calls for job in call] == jobs
    assert all(sum(len(job.videos) for job in call) <= max(2, videos) for call in calls)


def test_masks_are_computed_again_when_they_do_not_fit(pipeline, rig, sample, monkeypatch):
    whole = sample(pipeline, rig(5, name="orbit"), num_inference_steps=3)
    monkeypatch.setattr(cvd3d.sampling.denoise, "MASK_MEMORY", 1)
    monkeypatch.setattr(cvd3d.sampling.cost, "VIDEOS_PER_CALL", 2)
    assert np.abs(sample(pipeline, rig(5, name="orbit"), num_inference_steps=3) - whole).max() < 1e-6
