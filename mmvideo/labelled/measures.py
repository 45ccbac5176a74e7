"""Measures of predictions on labelled clips, with 95 % intervals: for classes, for tags, and for numbers.

Intervals of accuracy are Wilson's; others are percentiles of 1,000 bootstrap samples of the clips, or, where clips have
groups, of the groups, because clips of one person or place are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mmvideo.evaluation.intervals import wilson

SAMPLES = 1000
_BINS = 15
_SEED = 0
Array = np.ndarray


def measure_predictions(truth: Array, scores: Array, names: Sequence[str], task: str, groups: Sequence[str] = ()
                        ) -> dict[str, Any]:
    """Return the figures of a model.

    Args:
        truth: int (N,) for classes, 0 and 1 (N, C) for tags, float (N, C) for numbers.
        scores: probabilities (N, C), or predicted numbers.
        names: of the C classes, tags or numbers.
        task: classes, tags or numbers.
        groups: of each clip, where there are some.

    Returns:
        name -> figure, of `main` and others; `intervals`: name -> (low, high); for classes `per_class`, `per_group` and
        `confusion`, for tags `per_class`.
    """
    if task == "classes":
        found = _classes(truth, scores, names, groups)
        chosen = _CLASS_FIGURES
    else:
        chosen = _TAG_FIGURES if task == "tags" else _NUMBER_FIGURES
        found = {name: figure(truth, scores) for name, figure in chosen.items()}
        if task == "tags":
            found["per_class"] = [{"name": name, "clips": int(truth[:, i].sum()),
                                   "average_precision": tag_average_precision(truth[:, i], scores[:, i])}
                                  for i, name in enumerate(names)]
    def on_rows(figure: Callable[[Array, Array], float]) -> Callable[[Array], float]:
        return lambda rows: figure(truth[rows], scores[rows])

    intervals = {name: bootstrap(on_rows(figure), len(truth), groups)
                 for name, figure in chosen.items() if name in found}
    if task == "classes":
        right = int((scores.argmax(1) == truth).sum())
        intervals["top1"] = wilson((right, len(truth)))
    return {"clips": len(truth), **found, "intervals": intervals}


def _classes(truth: Array, scores: Array, names: Sequence[str], groups: Sequence[str]) -> dict[str, Any]:
    guess = scores.argmax(1)
    found: dict[str, Any] = {name: figure(truth, scores) for name, figure in _CLASS_FIGURES.items()
                             if name != "top5" or scores.shape[1] > 5}
    confusion = np.zeros((len(names), len(names)), int)
    np.add.at(confusion, (truth, guess), 1)
    found["confusion"] = confusion.tolist()
    found["per_class"] = [
        {"name": name, "clips": int(n := confusion[i].sum()), "right": int(confusion[i, i]),
         "recall": _share(confusion[i, i], n), "interval": wilson((int(confusion[i, i]), int(n))),
         "precision": _share(confusion[i, i], confusion[:, i].sum())} for i, name in enumerate(names)]
    found["per_group"] = []
    for group in sorted({one for one in groups if one}):
        rows = np.array([one == group for one in groups])
        right = int((guess[rows] == truth[rows]).sum())
        found["per_group"].append({"name": group, "clips": int(rows.sum()), "right": right,
                                   "accuracy": right / int(rows.sum()), "interval": wilson((right, int(rows.sum())))})
    found["calibration"] = reliability_bins(truth, scores)
    return found


def _share(part: int, whole: int) -> float | None:
    return float(part) / float(whole) if whole else None


def top_k(truth: Array, scores: Array, k: int) -> float:
    """Return the share of clips whose class is among the k likeliest."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float((order == truth[:, None]).any(1).mean())


def balanced_accuracy(truth: Array, scores: Array) -> float:
    """Return the mean over the classes that occur of the share that is right in each."""
    right = scores.argmax(1) == truth
    return float(np.mean([right[truth == one].mean() for one in np.unique(truth)]))


def macro_f1(truth: Array, scores: Array) -> float:
    """Return the mean over the classes that occur of F1."""
    guess = scores.argmax(1)
    return float(np.mean([2 * ((guess == one) & (truth == one)).sum() / ((guess == one).sum() + (truth == one).sum())
                          for one in np.unique(truth)]))


def reliability_bins(truth: Array, scores: Array) -> list[dict[str, float]]:
    """Return confidence beside accuracy in 15 bins of confidence, those that hold clips."""
    sure, right = scores.max(1), scores.argmax(1) == truth
    place = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    return [{"confidence": float(sure[place == b].mean()), "accuracy": float(right[place == b].mean()),
             "clips": int((place == b).sum())} for b in range(_BINS) if (place == b).any()]


def expected_calibration_error(truth: Array, scores: Array) -> float:
    """Return the expected calibration error (Guo et al. 2017)."""
    bins = reliability_bins(truth, scores)
    return sum(one["clips"] * abs(one["confidence"] - one["accuracy"]) for one in bins) / max(len(truth), 1)


def negative_log_likelihood(truth: Array, scores: Array) -> float:
    """Return the mean of -log of the probability of the right class."""
    return float(-np.log(np.clip(scores[np.arange(len(truth)), truth], 1e-12, 1)).mean())


def tag_average_precision(truth: Array, scores: Array) -> float | None:
    """Return the average precision of one tag; None where no clip has it."""
    if not truth.sum():
        return None
    hits = truth[np.argsort(-scores, kind="stable")] > 0
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


def mean_average_precision(truth: Array, scores: Array) -> float:
    """Return the mean of average precision over the tags that occur."""
    found = [tag_average_precision(truth[:, i], scores[:, i]) for i in range(truth.shape[1])]
    return float(np.mean([one for one in found if one is not None] or [0.0]))


def _micro_f1(truth: Array, scores: Array) -> float:
    guess = scores >= 0.5
    return float(2 * (guess & (truth > 0)).sum() / max(guess.sum() + (truth > 0).sum(), 1))


def _r_squared(truth: Array, scores: Array) -> float:
    spread = ((truth - truth.mean(0)) ** 2).sum()
    return float(1 - ((truth - scores) ** 2).sum() / spread) if spread else 0.0


def _rank_correlation(truth: Array, scores: Array) -> float:
    def ranks(x: Array) -> Array:
        order = np.argsort(np.argsort(x, kind="stable"), kind="stable").astype(float)
        for value in np.unique(x):
            order[x == value] = order[x == value].mean()
        return order

    found = []
    for i in range(truth.shape[1]):
        a, b = ranks(truth[:, i]), ranks(scores[:, i])
        spread = a.std() * b.std()
        found.append(float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread else 0.0)
    return float(np.mean(found))


_CLASS_FIGURES: dict[str, Callable[[Array, Array], float]] = {
    "top1": lambda t, s: top_k(t, s, 1), "top5": lambda t, s: top_k(t, s, 5), "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1, "calibration_error": expected_calibration_error, "log_loss": negative_log_likelihood}
_TAG_FIGURES: dict[str, Callable[[Array, Array], float]] = {
    "mean_average_precision": mean_average_precision, "micro_f1": _micro_f1}
_NUMBER_FIGURES: dict[str, Callable[[Array, Array], float]] = {
    "mean_absolute_error": lambda t, s: float(np.abs(t - s).mean()),
    "root_mean_squared_error": lambda t, s: float(np.sqrt(((t - s) ** 2).mean())),
    "r_squared": _r_squared, "rank_correlation": _rank_correlation}
MAIN = {"classes": "top1", "tags": "mean_average_precision", "numbers": "mean_absolute_error"}
"""Task -> the figure that models are compared by; of numbers, less is better."""


def bootstrap(figure: Callable[[Array], float], num: int, groups: Sequence[str] = ()) -> tuple[float, float]:
    """Return the 95 % interval of a figure.

    Args:
        figure: numbers of clips, with repeats -> figure.
        num: of clips.
        groups: of each clip; whole groups are drawn where there are three or more.
    """
    rng = np.random.default_rng(_SEED)
    kinds = sorted(set(groups)) if any(groups) else []
    members = [np.array([i for i, one in enumerate(groups) if one == kind]) for kind in kinds]
    values = []
    for _ in range(SAMPLES if num else 0):
        if len(members) > 2:
            rows = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        else:
            rows = rng.integers(num, size=num)
        values.append(figure(rows))
    if not values:
        return 0.0, 1.0
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def paired(truth: Array, one: Array, other: Array, task: str, groups: Sequence[str] = ()) -> dict[str, Any]:
    """Compare two models on the same clips: the first's figure minus the other's, with its interval.

    Returns:
        `difference`, `interval`, and for classes `only_first` and `only_other` right, with `p` of McNemar's exact test.
    """
    figure = {**_CLASS_FIGURES, **_TAG_FIGURES, **_NUMBER_FIGURES}[MAIN[task]]

    def difference(rows: Array) -> float:
        return figure(truth[rows], one[rows]) - figure(truth[rows], other[rows])

    every = np.arange(len(truth))
    found: dict[str, Any] = {"figure": MAIN[task], "difference": difference(every),
                             "interval": bootstrap(difference, len(truth), groups)}
    if task == "classes":
        a, b = one.argmax(1) == truth, other.argmax(1) == truth
        first, second = int((a & ~b).sum()), int((b & ~a).sum())
        found |= {"only_first": first, "only_other": second, "p": mcnemar(first, second)}
    return found


def mcnemar(first: int, second: int) -> float:
    """Return the two-sided p of McNemar's exact test from the clips that one model alone has right."""
    n, k = first + second, min(first, second)
    if not n:
        return 1.0
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)


__all__ = ["MAIN", "balanced_accuracy", "bootstrap", "expected_calibration_error", "macro_f1", "mcnemar",
           "mean_average_precision", "measure_predictions", "paired", "reliability_bins",
           "tag_average_precision", "top_k"]
