"""Which rows belong to which columns at the least cost, without importing scipy.optimize, which takes half a second."""

from __future__ import annotations

import numpy as np


def least_cost_pairs(cost: np.ndarray) -> list[tuple[int, int]]:
    """Match min(N, M) rows and columns so that the sum of their costs is least; in the order of the rows.

    Shortest augmenting paths with potentials (Jonker and Volgenant 1987).

    Args:
        cost: float (N, M), finite.
    """
    if 0 in cost.shape:
        return []
    if cost.shape[0] > cost.shape[1]:
        return sorted((row, column) for column, row in least_cost_pairs(cost.T))
    rows, columns = cost.shape
    of_rows, of_columns = np.zeros(rows), np.zeros(columns)
    row_of = np.full(columns, -1)
    for row in range(rows):
        reached, came_from = np.full(columns, np.inf), np.full(columns, -1)
        done = np.zeros(columns, bool)
        at, column, far = row, -1, 0.0
        visited = [row]
        while True:
            ways = far + cost[at] - of_rows[at] - of_columns
            better = ~done & (ways < reached)
            reached[better], came_from[better] = ways[better], column
            column = int(np.where(done, np.inf, reached).argmin())
            far = float(reached[column])
            done[column] = True
            if row_of[column] < 0:
                break
            at = int(row_of[column])
            visited.append(at)
        of_rows[row] += far
        for other in visited[1:]:
            its = int(np.flatnonzero(row_of == other)[0])
            of_rows[other] += far - reached[its]
        before = done.copy()
        before[column] = False
        of_columns[before] -= far - reached[before]
        while column >= 0:
            previous = int(came_from[column])
            row_of[column] = row if previous < 0 else row_of[previous]
            column = previous
    return sorted((int(row), int(column)) for column, row in enumerate(row_of) if row >= 0)


__all__ = ["least_cost_pairs"]
