"""95 % intervals of shares and of their differences."""

from __future__ import annotations

from math import sqrt

Z = 1.96
"""Of the normal distribution, two-sided 95 %."""
Count = tuple[int, int]
"""(right, asked)."""


def wilson(count: Count) -> tuple[float, float]:
    """Return the interval of a share (Wilson 1927); (0, 1) if nothing was asked."""
    right, n = count
    if not n:
        return 0.0, 1.0
    p = right / n
    middle, half = p + Z * Z / (2 * n), Z * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + Z * Z / n)), min(1.0, (middle + half) / (1 + Z * Z / n))


def difference_interval(one: Count, other: Count) -> tuple[float, float]:
    """Return the interval of the first share minus the second (Newcombe 1998, method 10)."""
    (low1, high1), (low2, high2) = wilson(one), wilson(other)
    p1, p2 = one[0] / max(one[1], 1), other[0] / max(other[1], 1)
    return (p1 - p2 - sqrt((p1 - low1) ** 2 + (high2 - p2) ** 2),
            p1 - p2 + sqrt((high1 - p1) ** 2 + (p2 - low2) ** 2))


def pooled(counts: list[Count]) -> Count:
    """Add counts up."""
    return sum(right for right, _ in counts), sum(asked for _, asked in counts)
