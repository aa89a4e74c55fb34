import threading
import time

import torch

from recon.splats import Splats
from viewer import latest_splats
from viewer.latest_splats import LatestSplats


def splats_of(value: float) -> Splats:
    return Splats(
        means=torch.full((1, 3), value),
        quats=torch.tensor([[1.0, 0, 0, 0]]),
        log_scales=torch.zeros(1, 3),
        logit_opacities=torch.zeros(1),
        sh=torch.zeros(1, 1, 3),
    )


class Drawn:
    """Records the drawn values; `wait_for` waits until a value is drawn."""

    def __init__(self, pause: float = 0.0) -> None:
        self.values: list[float] = []
        self.pause = pause
        self.changed = threading.Condition()

    def __call__(self, splats) -> None:
        time.sleep(self.pause)
        with self.changed:
            self.values.append(float(splats.means[0, 0]))
            self.changed.notify_all()

    def wait_for(self, value: float) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: value in self.values, timeout=20.0)


def test_the_first_and_the_last_are_drawn_and_most_others_are_not(monkeypatch):
    monkeypatch.setattr(latest_splats, "MIN_INTERVAL", 0.2)
    monkeypatch.setattr(latest_splats, "FLUSH_DELAY", 0.05)
    drawn = Drawn()
    queue = LatestSplats(drawn, limit=10)
    try:
        queue.offer(splats_of(0.0))
        assert drawn.wait_for(0.0)
        for step in range(1, 2001):
            queue.offer(splats_of(float(step)))
        assert drawn.wait_for(2000.0)
        assert drawn.values == sorted(drawn.values)
        assert len(drawn.values) < 200
    finally:
        queue.close()


def test_a_copy_is_taken_before_offer_returns(monkeypatch):
    monkeypatch.setattr(latest_splats, "MIN_INTERVAL", 0.0)
    drawn = Drawn(pause=0.05)
    queue = LatestSplats(drawn, limit=10)
    try:
        splats = splats_of(3.0)
        queue.offer(splats)
        splats.means.fill_(9.0)  # as the next step of a fit does, in place
        assert drawn.wait_for(3.0)
    finally:
        queue.close()


def test_slow_drawing_is_done_less_often(monkeypatch):
    monkeypatch.setattr(latest_splats, "MIN_INTERVAL", 0.0)
    monkeypatch.setattr(latest_splats, "MAX_LOAD", 1e-6)
    drawn = Drawn(pause=0.01)
    queue = LatestSplats(drawn, limit=10)
    try:
        queue.offer(splats_of(1.0))
        assert drawn.wait_for(1.0)
        while queue._due == float("inf"):
            time.sleep(0.001)
        queue.offer(splats_of(2.0))
        assert queue._due > time.monotonic() + 1000  # 10 ms / 1e-6
        assert drawn.values == [1.0]
    finally:
        queue.close()


def test_close_stops_the_thread():
    queue = LatestSplats(Drawn(), limit=10)
    queue.close()
    assert not queue._thread.is_alive()
