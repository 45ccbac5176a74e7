"""Probes of frozen features: a linear layer, a linear SVM, nearest neighbours, and prototypes from a few examples.

What a probe can choose (a penalty, a number of neighbours) is chosen by cross-validation on the clips to learn from;
the clips that are measured on are looked at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.errors import InvalidInput, MissingExtra, UnknownName
from mmvideo.evaluation.intervals import wilson
from mmvideo.heads.svm import fit_svm

SHOTS = (1, 2, 4, 8, 16)
DRAWS = 20
"""Draws of the examples of each number of shots; the accuracy is their mean."""
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
"""Weight decay of the linear probe, of features with mean 0 and deviation 1."""
SVM_C = (0.01, 0.1, 1.0)
NEIGHBOURS = (1, 3, 5, 10, 20)
FOLDS = 3


@dataclass(frozen=True)
class ProbeScore:
    """How often a probe is right."""

    probe: str
    accuracy: float
    low: float
    high: float
    """95 % interval of the accuracy (Wilson's)."""
    num_tested: int
    chosen: str = ""
    """What cross-validation chose, in words."""


@dataclass(frozen=True)
class Probing:
    """Features and labels of the clips to learn from and of those to measure on.

    Raises:
        InvalidInput: nothing to learn from or to measure on, one class only, or shapes that do not fit.
    """

    train: Tensor
    """float32 (N, D)."""
    train_labels: Tensor
    """int64 (N,)."""
    test: Tensor
    """float32 (M, D)."""
    test_labels: Tensor
    """int64 (M,)."""
    groups: Tensor | None = None
    """int64 (N,): whom or which place each clip to learn from shows. Cross-validation then holds out whole groups."""

    def __post_init__(self) -> None:
        for name in ("train", "test"):
            features, labels = getattr(self, name), getattr(self, f"{name}_labels")
            if features.ndim != 2 or labels.shape != features.shape[:1] or not len(features):
                raise InvalidInput(f"A probe takes features (N, D) and labels (N,) with N of 1 or more; {name} has "
                                   f"{tuple(features.shape)} and {tuple(labels.shape)}.")
        if len(self.train_labels.unique()) < 2:
            raise InvalidInput("A probe needs clips of two or more classes to learn from.")


def linear_probe(data: Probing) -> ProbeScore:
    """Fit a linear layer with the cross-entropy (L-BFGS) to standardised features."""
    train, test = _rotated(*_standard(data.train, data.test))
    penalty = _best(PENALTIES, train, data, _linear_guess)
    right = _linear_guess(penalty, train, data.train_labels, test) == data.test_labels
    return _score("linear", right, f"penalty {penalty:g}")


def _linear_guess(penalty: float, train: Tensor, labels: Tensor, test: Tensor) -> Tensor:
    num = int(labels.max()) + 1
    weight = torch.zeros(train.shape[1], num, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(num, dtype=torch.float64, requires_grad=True)
    fit = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")
    x = train.double() / math.sqrt(train.shape[1])

    def loss() -> Tensor:
        fit.zero_grad()
        found = F.cross_entropy(x @ weight + bias, labels) + penalty / 100 * weight.square().sum()
        found.backward()
        return found

    with torch.enable_grad():
        fit.step(loss)
    return ((test.double() / math.sqrt(train.shape[1])) @ weight + bias).argmax(1)


def svm_probe(data: Probing) -> ProbeScore:
    """Fit linear SVMs (`mmvideo.heads.svm`) to standardised features.

    Raises:
        MissingExtra: scikit-learn is absent.
    """
    train, test = _rotated(*_standard(data.train, data.test))
    c = _best(SVM_C, train, data, _svm_guess)
    return _score("svm", _svm_guess(c, train, data.train_labels, test) == data.test_labels, f"C {c:g}")


def _svm_guess(c: float, train: Tensor, labels: Tensor, test: Tensor) -> Tensor:
    classes = labels.unique()
    if len(classes) < 2:
        return classes.expand(len(test))
    index = torch.searchsorted(classes, labels)
    scale = math.sqrt(train.shape[1])
    head = fit_svm(train / scale, index, [str(one) for one in classes.tolist()], c=c * scale, iterations=2000)
    with torch.inference_mode():
        return classes[head.score(test.float() / scale).argmax(1)]


def knn_probe(data: Probing) -> ProbeScore:
    """Take the vote of the nearest clips by cosine, each weighted by it."""
    train, test = F.normalize(data.train, dim=1), F.normalize(data.test, dim=1)
    num = _best([k for k in NEIGHBOURS if k < len(train)] or [1], train, data, _knn_guess)
    return _score("knn", _knn_guess(num, train, data.train_labels, test) == data.test_labels, f"k {num:g}")


def _knn_guess(num: float, train: Tensor, labels: Tensor, test: Tensor) -> Tensor:
    near, places = (test @ train.T).topk(min(int(num), len(train)), dim=1)
    votes = torch.zeros(len(test), int(labels.max()) + 1)
    return votes.scatter_add_(1, labels[places], 1 + near).argmax(1)


def prototype_probe(data: Probing, shots: int, *, draws: int = DRAWS, seed: int = 0) -> ProbeScore:
    """Compare with the mean of `shots` examples of each class, by cosine; the mean of several draws.

    Examples of a class that has fewer are all that it has. The interval counts the clips that are measured on once.
    """
    train, test = F.normalize(data.train, dim=1), F.normalize(data.test, dim=1)
    generator = torch.Generator().manual_seed(seed)
    classes = data.train_labels.unique()
    found = []
    for _ in range(draws):
        means = []
        for label in classes.tolist():
            members = (data.train_labels == label).nonzero()[:, 0]
            chosen = members[torch.randperm(len(members), generator=generator)[:shots]]
            means.append(train[chosen].mean(0))
        guess = classes[(test @ F.normalize(torch.stack(means), dim=1).T).argmax(1)]
        found.append((guess == data.test_labels).float().mean().item())
    accuracy = float(np.mean(found))
    return ProbeScore(f"{shots}-shot", accuracy, *wilson((round(accuracy * len(test)), len(test))), len(test),
                      f"{draws} draws")


PROBES: dict[str, Callable[[Probing], ProbeScore]] = {"linear": linear_probe, "svm": svm_probe, "knn": knn_probe}


def run_probes(data: Probing, names: Sequence[str] = tuple(PROBES), shots: Sequence[int] = SHOTS
          ) -> tuple[list[ProbeScore], list[str]]:
    """Run probes.

    Returns:
        Scores, and notes about probes that could not run, such as for a package that is absent.

    Raises:
        UnknownName: no such probe.
    """
    scores, notes = [], []
    for name in names:
        if name not in PROBES:
            raise UnknownName("probe", name, PROBES)
        try:
            scores.append(PROBES[name](data))
        except MissingExtra as error:
            notes.append(f"{name}: {error}")
    return scores + [prototype_probe(data, number) for number in shots], notes


def _score(name: str, right: Tensor, chosen: str) -> ProbeScore:
    accuracy = right.float().mean().item()
    return ProbeScore(name, accuracy, *wilson((int(right.sum()), len(right))), len(right), chosen)


def _standard(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    mean, deviation = train.mean(0), train.std(0, unbiased=False).clamp_min(1e-6)
    return (train - mean) / deviation, (test - mean) / deviation


def _rotated(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Turn features into the space that the training clips span, in which a linear model loses nothing."""
    if train.shape[1] <= train.shape[0]:
        return train, test
    basis = torch.linalg.svd(train.double(), full_matrices=False).Vh.T
    scale = math.sqrt(train.shape[0] / train.shape[1])  # as many values as before would have
    return (train.double() @ basis * scale).float(), (test.double() @ basis * scale).float()


def _best(options: Sequence[float], features: Tensor, data: Probing,
          guess: Callable[[float, Tensor, Tensor, Tensor], Tensor]) -> float:
    """Return the option with the most right guesses over the folds; the first of equals."""
    labels = data.train_labels
    if len(options) == 1 or len(features) < 2 * FOLDS:
        return options[0]
    folds = _stratified(labels) if data.groups is None or len(data.groups.unique()) < 2 else _grouped(data.groups)
    right = [sum(int((guess(option, features[folds != fold], labels[folds != fold], features[folds == fold])
                      == labels[folds == fold]).sum()) for fold in folds.unique().tolist()) for option in options]
    return options[int(np.argmax(right))]


def _stratified(labels: Tensor) -> Tensor:
    folds = torch.empty(len(labels), dtype=torch.long)
    generator = torch.Generator().manual_seed(0)
    for label in labels.unique():
        members = (labels == label).nonzero()[:, 0]
        folds[members[torch.randperm(len(members), generator=generator)]] = torch.arange(len(members)) % FOLDS
    return folds


def _grouped(groups: Tensor) -> Tensor:
    """Return folds of whole groups, the largest group first into the fold with the fewest clips."""
    names, sizes = groups.unique(return_counts=True)
    folds, filled = torch.empty(len(groups), dtype=torch.long), torch.zeros(FOLDS, dtype=torch.long)
    for place in sizes.argsort(descending=True, stable=True).tolist():
        fold = int(filled.argmin())
        folds[groups == names[place]] = fold
        filled[fold] += sizes[place]
    return folds


__all__ = ["DRAWS", "PROBES", "SHOTS", "ProbeScore", "Probing", "knn_probe", "linear_probe", "prototype_probe",
           "run_probes", "svm_probe"]
