"""What splats are like, in numbers and in text."""

from __future__ import annotations

import numpy as np

OPACITY_EDGES = (0.0, 0.005, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
BAR = 40


def histogram(values: np.ndarray, edges: np.ndarray | tuple[float, ...]) -> list[str]:
    """One line for each bin: its range, the number of values in it, their share, and a bar.

    Args:
        values: (N,) values; those outside the edges are not counted.
        edges: increasing; the last bin includes its upper edge.
    """
    counts, _ = np.histogram(values, edges)
    most = max(int(counts.max()), 1)
    return [
        f"{low:>8.3g} to {high:<8.3g} {count:>10,} {count / max(len(values), 1):>6.1%}  {'#' * -(-BAR * count // most)}"
        for low, high, count in zip(edges, edges[1:], counts.tolist())
    ]


def decades(values: np.ndarray) -> np.ndarray:
    """Edges of half decades (1, 3.16, 10, ...) around positive values."""
    low, high = np.floor(2 * np.log10(values.min())) / 2, np.ceil(2 * np.log10(values.max())) / 2
    return 10 ** np.arange(low, max(high, low + 0.5) + 0.25, 0.5)
