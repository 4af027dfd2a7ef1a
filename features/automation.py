"""How much a session looks like a script's: a small forest over its page views, learned on the simulated store.

Comparisons, sums and quotients alone, in one order: a row's bytes depend on no other row and on no processor.
`python -m benchmarks.automation --learn` made the trees; what they find is in docs/detection.md.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.numbers import Number, Windowed

Floats = NDArray[np.float64]

BASE = 0.0
# The root's sign and threshold, the left side's, the right side's, four leaves; at or below a threshold is left.
TREES: tuple[tuple[float, ...], ...] = (
    (0, 0.3007, 5, 0.3875, 2, 2.417, -0.395, -0.034, 0.101, 0.449),
    (0, 0.2601, 5, 0.3246, 0, 0.4223, -0.418, -0.083, 0.132, 0.381),
    (0, 0.3694, 5, 0.3246, 3, 21.839, -0.362, -0.048, 0.326, 0.091),
    (0, 0.2134, 5, 0.3246, 3, 22.602, -0.327, -0.064, 0.265, 0.047),
    (5, 0.3875, 2, 0.439, 0, 0.4295, -0.161, -0.367, 0.02, 0.274),
    (0, 0.4152, 5, 0.3246, 3, 13.039, -0.297, -0.017, 0.267, 0.087),
    (5, 0.3875, 2, 0.439, 0, 0.5165, -0.11, -0.337, 0.026, 0.258),
    (5, 0.3246, 2, 6.106, 0, 0.4354, -0.28, -0.313, -0.005, 0.216),
    (5, 0.3246, 2, 6.106, 1, 17.8222, -0.273, -0.305, 0.076, -0.107),
    (5, 0.4722, 1, 4.5553, 2, 2.095, -0.396, -0.038, -0.126, 0.16),
    (5, 0.3246, 2, 6.106, 0, 0.5534, -0.267, -0.297, -0.001, 0.226),
    (5, 0.3246, 2, 6.106, 1, 3.5472, -0.263, -0.291, -0.303, 0.032),
    (1, 15.7873, 2, 2.618, 2, 8.669, -0.03, 0.141, -0.067, -0.346),
    (5, 0.3246, 2, 6.106, 0, 0.5613, -0.259, -0.289, -0.003, 0.21),
    (1, 4.7428, 0, 0.5451, 3, 20.41, -0.332, 0.209, 0.119, -0.038),
    (5, 0.3246, 2, 6.106, 2, 8.669, -0.257, -0.288, 0.023, -0.246),
    (1, 5.175, 0, 0.5451, 1, 11.2202, -0.272, 0.194, 0.096, -0.033),
    (5, 0.3246, 2, 6.106, 1, 3.7653, -0.256, -0.286, -0.216, 0.018),
    (1, 23.836, 5, 0.3246, 2, 8.528, -0.256, 0.025, -0.08, -0.302),
    (0, 0.5758, 1, 5.175, 1, 10.3396, -0.214, 0.005, 0.212, 0.085),
    (2, 5.871, 0, 0.1795, 5, 0.3693, -0.008, 0.101, -0.375, -0.077),
    (5, 0.3246, 2, 6.106, 1, 40.7808, -0.254, -0.269, 0.012, -0.215),
    (1, 3.7653, 2, 2.343, 2, 6.162, -0.31, 0.166, 0.02, -0.09),
    (5, 0.4722, 2, 0.352, 2, 8.669, 0.021, -0.071, 0.068, -0.121),
)


class Automation(msgspec.Struct, frozen=True, tag="automation"):
    """0 to 1: the higher, the more like a script. Raise `version` when the trees change: they are not in the hash."""

    kind: str
    window: str
    version: int = 1

    @property
    def name(self) -> str:
        return f"{self.kind}.automation"

    @property
    def text(self) -> str:
        return (
            f"How much the pages of this {self.kind} in the last {self.window} look like a script's, 0 to 1 (no "
            "probability): even pauses, nothing loaded beside them, straight to the check-out; absent "
            "without a page."
        )

    @property
    def inputs(self) -> tuple[Number, ...]:
        of_visits = tuple(Windowed(self.kind, "visits", of, self.window) for of in ("count", "sum", "min", "max"))
        counts = tuple(Windowed(self.kind, of, "count", self.window) for of in ("assets", "checkouts", "errors"))
        return (*of_visits, *counts)

    @staticmethod
    def formula(*numbers: Floats) -> Floats:
        told = signs(*numbers)
        margin = np.full(numbers[0].shape, BASE)
        for root, at, left, left_at, right, right_at, *leaves in TREES:
            below = np.where(told[int(left)] <= left_at, leaves[0], leaves[1])
            above = np.where(told[int(right)] <= right_at, leaves[2], leaves[3])
            margin = margin + np.where(told[int(root)] <= at, below, above)
        return np.where(numbers[0] > 0, 0.5 + 0.5 * margin / (1.0 + np.abs(margin)), np.nan)


def signs(
    count: Floats,
    total_ms: Floats,
    shortest_ms: Floats,
    longest_ms: Floats,
    assets: Floats,
    checkouts: Floats,
    errors: Floats,
) -> list[Floats]:
    """What the trees ask of a session: evenness and length of its pauses (seconds), and shares of its pages.

    Not how many pages: that tells the simulated scripts, and no others.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return [
            shortest_ms / longest_ms,
            total_ms / count / 1000,
            shortest_ms / 1000,
            longest_ms / 1000,
            assets / count,
            checkouts / count,
            errors / count,
        ]
