"""How sure a share is that was counted on some rows."""

from __future__ import annotations

import math

_Z = 1.959963984540054  # of the standard normal distribution, for 95 %


def wilson_interval(hits: int, rows: int) -> tuple[float, float]:
    """Returns the 95 % score interval of a share.

    Unlike the share plus or minus two standard errors it stays between 0 and 1, and holds its level on few rows and on
    shares near 1, which is where accuracies are.

    Args:
        hits: Rows that count.
        rows: All rows, at least one.

    Returns:
        Both ends.

    References:
        Wilson (1927), Probable inference, the law of succession, and statistical inference,
        https://doi.org/10.1080/01621459.1927.10502953
    """
    share = hits / rows
    centre = share + _Z**2 / (2 * rows)
    spread = _Z * math.sqrt(share * (1 - share) / rows + _Z**2 / (4 * rows**2))
    scale = 1 + _Z**2 / rows
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
