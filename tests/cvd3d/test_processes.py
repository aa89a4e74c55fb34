"""Gradients and sums over several processes."""

import os
import socket
import subprocess
import sys

import pytest
import torch

from cvd3d import processes

WORKER = """
import torch
from cvd3d import processes
a, b, unused = (torch.nn.Parameter(torch.zeros(shape)) for shape in ((2, 3), (4,), (5,)))
a.grad = torch.full((2, 3), 1.0 + processes.rank())
b.grad = torch.arange(4.0) * (1 + processes.rank())
processes.average_gradients([a, b, unused])
total = torch.tensor([1.0, 2.0]) * (1 + processes.rank())
processes.add_up(total)
assert total.tolist() == [3.0, 6.0] and processes.device().type == "cpu"
assert processes.count() == 2 and unused.grad is None
assert torch.equal(a.grad, torch.full((2, 3), 1.5)) and torch.equal(b.grad, torch.arange(4.0) * 1.5)
processes.wait()
"""


@pytest.mark.slow
def test_two_processes_share_their_gradients_and_sums():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "GLOO_SOCKET_IFNAME": "lo"}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER], env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)}
        )
        for rank in range(2)
    ]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]


def test_one_process_keeps_what_it_has():
    total = torch.tensor([3.0])
    processes.add_up(total)
    assert total.item() == 3.0
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([1.0, 2.0])
    processes.average_gradients([parameter])
    assert processes.rank() == 0 and processes.count() == 1 and parameter.grad.tolist() == [1.0, 2.0]
