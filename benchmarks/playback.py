"""Measures how fast the viewer plays moving splats.

    python benchmarks/playback.py [--splats 10000] [--moving 1 0.3] [--seconds 5] [--threads 1] [--browser]

The scene has random splats, a share of which moves along paths of eight knots. Prints for each share
  at       milliseconds of MovingSplats.at,
  whole    milliseconds of all the server's work for one instant,
  could    instants per second that the server could send,
  plays    instants per second that a client receives during playback (the viewer limits them to 30), and
  sends    kilobytes of one instant.
With --browser it also measures headless Chromium with software rendering: frames per second while paused and during
playback, and updates of the splats per second.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import closing

import numpy as np
import torch
import viser
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from recon.splats import MovingSplats, Splats
from trajectories.rigs import make_rig
from viewer.app import SceneViewer
from viewer.drawn import drawn
from viewer.screenshot import open_page
from viewer.splat_nodes import SplatNodes

KNOTS, FRAMES = 8, 16
# The splats are the only integer texture that the page uploads to WebGL.
COUNT = """() => {
  const counts = window.counts = {frames: 0, splats: 0};
  for (const name of ["texImage2D", "texSubImage2D"]) {
    const upload = WebGL2RenderingContext.prototype[name];
    WebGL2RenderingContext.prototype[name] = function (...words) {
      if (words.some((word) => word instanceof Uint32Array)) counts.splats += 1;
      return upload.apply(this, words);
    };
  }
  const tick = () => { counts.frames += 1; requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
}"""


def some_splats(count: int, share: float) -> MovingSplats:
    """Splats in a volume of the default world's size, a share of which moves by about half a meter."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    means = 0.5 * normal(count, 3) + torch.tensor([0, 0, 0.6])
    rest = Splats(means, normal(count, 4), -3.5 + 0.3 * normal(count, 3), normal(count), normal(count, 4, 3))
    M = round(share * count)
    paths = (0.3 * normal(M, KNOTS, 3), 0.3 * normal(M, KNOTS, 3), 0.3 * normal(M, KNOTS))
    return MovingSplats(rest, torch.randperm(count, generator=generator)[:M], *paths, 0.0, (FRAMES - 1) / 8)


def milliseconds(work: Callable[[float], object], repeats: int = 60) -> float:
    """Median time of `work` over several instants."""
    taken = []
    for n in range(repeats):
        start = time.perf_counter()
        work(1.8 * (n + 1) / repeats)
        taken.append(time.perf_counter() - start)
    return 1000 * float(np.median(taken))


def play(splats: MovingSplats, seconds: float) -> tuple[float, float]:
    """Instants per second that a client receives during playback, and kilobytes per instant."""
    with playing(splats) as viewer:
        url, protocol = viewer.url.replace("http", "ws"), Subprotocol(f"viser-v{viser.__version__}")
        with connect(url, subprotocols=[protocol], max_size=None, compression=None) as client:
            sizes, end = [], time.monotonic() + seconds + 2
            while (left := end - time.monotonic()) > 0:
                size = len(client.recv(timeout=left + 10))
                if left < seconds and size > 32 * len(splats.moving):  # the first two seconds send the page
                    sizes.append(size)
    return len(sizes) / seconds, float(np.median(sizes)) / 1000


def watch(splats: MovingSplats, seconds: float) -> tuple[float, float, float]:
    """Frames per second of headless Chromium while paused and during playback, and updates of the splats per second."""
    with playing(splats) as viewer, open_page(viewer.url, wait=5, size=(840, 480)) as page:
        page.evaluate(COUNT)
        viewer.clock.pause()
        page.wait_for_timeout(3000)
        rates = []
        for _ in range(2):
            before, start = page.evaluate("() => ({...counts})"), time.monotonic()
            page.wait_for_timeout(1000 * seconds)
            counts, taken = page.evaluate("() => ({...counts})"), time.monotonic() - start
            rates.append({name: (counts[name] - before[name]) / taken for name in counts})
            viewer.clock.play()
    paused, played = rates
    return paused["frames"], played["frames"], played["splats"]


def playing(splats: MovingSplats) -> closing[SceneViewer]:
    """A page that plays these splats with a rig of four cameras."""
    viewer = SceneViewer(port=0, max_splats=2_000_000)
    viewer.show_rig(make_rig("orbit", 4, FRAMES))
    viewer.show_splats(splats)
    viewer.clock.play()
    return closing(viewer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splats", type=int, default=10_000)
    parser.add_argument("--moving", type=float, nargs="+", default=[1.0, 0.3])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--browser", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(" splats  moving   at (ms)  whole (ms)  could (/s)  plays (/s)  sends (kB)")
    for share in args.moving:
        splats = some_splats(args.splats, share)
        at = milliseconds(splats.at)
        with closing(SceneViewer(port=0)) as viewer:
            nodes = SplatNodes(viewer.server)
            nodes.show(drawn(splats, args.splats), 0.0)
            whole = milliseconds(nodes.show_instant)
        plays, sends = play(splats, args.seconds)
        print(
            f"{len(splats):7} {len(splats.moving):7} {at:9.1f} {whole:11.1f} {1000 / whole:11.0f} {plays:11.1f} "
            f"{sends:11.0f}",
            flush=True,
        )
        if args.browser:
            paused, played, updates = watch(splats, args.seconds)
            print(
                f"        Chromium: {paused:.1f} frames per second paused, {played:.1f} playing, {updates:.1f} splat "
                "updates",
                flush=True,
            )


if __name__ == "__main__":
    main()
