"""How fast the viewer plays splats that move.

    python benchmarks/playback.py [--splats 10000] [--moving 1 0.3] [--seconds 5] [--threads 1] [--browser]

Random splats, a part of which moves along paths of eight knots. Prints for each part
  at       milliseconds of MovingSplats.at, and of everything that the server does for an instant (whole),
  could    instants a second that the server could send,
  plays    instants a second that a client gets from a page that plays (the viewer stops at 30), and
  sends    kilobytes of one instant.
With --browser also what headless Chromium shows, drawing in software: pictures a second while the page rests and while
it plays, and new splats a second.
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
# Splats go to WebGL as a texture of whole numbers, which nothing else on the page is.
COUNT = """() => {
  const counts = window.counts = {pictures: 0, splats: 0};
  for (const name of ["texImage2D", "texSubImage2D"]) {
    const upload = WebGL2RenderingContext.prototype[name];
    WebGL2RenderingContext.prototype[name] = function (...words) {
      if (words.some((word) => word instanceof Uint32Array)) counts.splats += 1;
      return upload.apply(this, words);
    };
  }
  const tick = () => { counts.pictures += 1; requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
}"""


def some_splats(count: int, share: float) -> MovingSplats:
    """Splats of the default world's size, a share of which wanders by half a meter."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    means = 0.5 * normal(count, 3) + torch.tensor([0, 0, 0.6])
    rest = Splats(means, normal(count, 4), -3.5 + 0.3 * normal(count, 3), normal(count), normal(count, 4, 3))
    M = round(share * count)
    paths = (0.3 * normal(M, KNOTS, 3), 0.3 * normal(M, KNOTS, 3), 0.3 * normal(M, KNOTS))
    return MovingSplats(rest, torch.randperm(count, generator=generator)[:M], *paths, 0.0, (FRAMES - 1) / 8)


def milliseconds(work: Callable[[float], object], repeats: int = 60) -> float:
    """The median time of work at an instant."""
    taken = []
    for n in range(repeats):
        start = time.perf_counter()
        work(1.8 * (n + 1) / repeats)
        taken.append(time.perf_counter() - start)
    return 1000 * float(np.median(taken))


def play(splats: MovingSplats, seconds: float) -> tuple[float, float]:
    """Instants a second that reach a client of a page that plays, and kilobytes of each."""
    with playing(splats) as viewer:
        url, protocol = viewer.url.replace("http", "ws"), Subprotocol(f"viser-v{viser.__version__}")
        with connect(url, subprotocols=[protocol], max_size=None, compression=None) as client:
            sizes, end = [], time.monotonic() + seconds + 2
            while (left := end - time.monotonic()) > 0:
                size = len(client.recv(timeout=left + 10))
                if left < seconds and size > 32 * len(splats.moving):  # the first two seconds bring the page
                    sizes.append(size)
    return len(sizes) / seconds, float(np.median(sizes)) / 1000


def watch(splats: MovingSplats, seconds: float) -> tuple[float, float, float]:
    """Pictures a second of headless Chromium at rest and playing, and how often these have new splats."""
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
    rest, played = rates
    return rest["pictures"], played["pictures"], played["splats"]


def playing(splats: MovingSplats) -> closing[SceneViewer]:
    """A page on which these splats play with a rig of four cameras."""
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
            rest, pictures, fresh = watch(splats, args.seconds)
            print(
                f"        Chromium: {rest:.1f} pictures a second at rest, {pictures:.1f} playing, {fresh:.1f} with new "
                "splats",
                flush=True,
            )


if __name__ == "__main__":
    main()
