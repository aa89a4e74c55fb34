"""Two processes that share the network calls of a pass, started as a user starts them."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest

import cvd3d.sampling.cost
from cvd3d.cli import main

WORKER = """
import sys
import numpy as np
import torch
import cvd3d.sampling.cost
from cvd3d import processes
from cvd3d.sampling import load_pipeline
from trajectories import make_rig

cvd3d.sampling.cost.VIDEOS_PER_CALL = 2
pipeline = load_pipeline(sys.argv[1])
rig = make_rig("orbit", 5, 2, width=16, height=16)
calls = []
pipeline.unet.register_forward_pre_hook(lambda *args: calls.append(1))
videos = pipeline(
    "a red cube", rig, num_inference_steps=2, recurrences=2, matchings=2, matching="overlap",
    generator=torch.Generator().manual_seed(3), progress=False,
).videos
np.savez(f"{sys.argv[2]}/{processes.rank()}.npz", videos=videos, calls=len(calls), processes=processes.count())
"""


@pytest.mark.slow
def test_two_processes_share_the_calls_and_make_the_same_videos(pipeline, rig, sample, tmp_path, monkeypatch):
    monkeypatch.setattr(cvd3d.sampling.cost, "VIDEOS_PER_CALL", 2)
    calls = []
    hook = pipeline.unet.register_forward_pre_hook(lambda *args: calls.append(1))
    alone = sample(pipeline, rig(5, name="orbit"), seed=3, recurrences=2, matchings=2, matching="overlap")
    hook.remove()
    pipeline.save_pretrained(tmp_path / "model")
    (tmp_path / "worker.py").write_text(WORKER)
    # On GPUs `accelerate launch` starts processes in the same way; on a CPU it needs MPI.
    subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            "2",
            "worker.py",
            "model",
            ".",
        ],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        check=True,
        timeout=240,
        capture_output=True,
    )
    found = [np.load(tmp_path / f"{rank}.npz") for rank in range(2)]
    assert [int(each["processes"]) for each in found] == [2, 2]
    assert sum(int(each["calls"]) for each in found) == len(calls)
    assert abs(int(found[0]["calls"]) - int(found[1]["calls"])) <= 3
    assert found[0]["videos"].tobytes() == found[1]["videos"].tobytes()
    assert np.abs(found[0]["videos"] - alone).max() < 1e-6


def environment(**variables):
    return {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", **variables}


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_the_command_in_two_processes_makes_the_same_files(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path / "model")
    words = ["sample", "a red cube", "--model", str(tmp_path / "model"), "--views", "3", "--frames", "2"]
    words += ["--size", "16", "16", "--steps", "2", "--recurrences", "2", "--out"]
    main([*words, str(tmp_path / "alone")])
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "cvd3d"]
    both = subprocess.run(
        [*launcher, *words, str(tmp_path / "both")], env=environment(), capture_output=True, text=True, timeout=240
    )
    assert both.returncode == 0, both.stderr
    assert both.stdout.count("sample ...") == 1
    alone, both = files(tmp_path / "alone"), files(tmp_path / "both")
    assert len(alone) > 6 and alone.keys() == both.keys()
    assert [name for name in alone if alone[name] != both[name]] == ["scene.json"]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["nowhere", "empty"])
def test_a_refused_model_is_reported_once_and_ends_all_processes(tmp_path, model):
    (tmp_path / "empty").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "cvd3d", "sample", "a red cube", "--model", model, "--out", "scene"]
    # The variables that torchrun sets for each process.
    places = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    started = [
        subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment(**places, RANK=rank, LOCAL_RANK=rank),
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    leader, helper = (process.communicate(timeout=240)[1] for process in started)
    assert [process.returncode for process in started] == [2, 2], leader + helper
    assert leader.count("cvd3d: error: ") == 1 and model in leader
    assert "error" not in helper
    assert "Traceback" not in leader + helper
