"""A linear SVM over features or class scores, fitted by scikit-learn and kept as a linear layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmvideo.errors import InvalidInput, MissingExtra
from mmvideo.heads.linear import LinearHead


def fit_svm(inputs: Tensor, truth: Tensor, labels: Sequence[str], *, c: float = 1.0, seed: int = 0,
            iterations: int = 10_000) -> LinearHead:
    """Fit one-against-all linear SVMs with the squared hinge loss.

    Args:
        inputs: float (N, D), such as `TwoStream.svm_inputs` gives.
        truth: int (N,), the index of each one's label.
        labels: names of the classes, two or more.
        c: penalty of what is on the wrong side; larger fits closer.
        seed: of the order in which examples are visited.
        iterations: at most.

    Returns:
        A head whose layer `score` gives the SVMs' decision values; nothing of scikit-learn is needed to run it.

    Raises:
        MissingExtra: scikit-learn is absent.
        InvalidInput: shapes that do not fit, or a class without an example.
    """
    try:
        from sklearn.svm import LinearSVC
    except ImportError as error:
        raise MissingExtra("scikit-learn", "train", "Fitting an SVM") from error
    if inputs.ndim != 2 or truth.shape != inputs.shape[:1] or c <= 0:
        raise InvalidInput(f"fit_svm takes inputs (N, D), truth (N,) and a positive c, not {tuple(inputs.shape)}, "
                           f"{tuple(truth.shape)} and {c}.")
    head = LinearHead(inputs.shape[1], labels)
    if len(head.labels) < 2 or sorted(set(truth.tolist())) != list(range(len(head.labels))):
        raise InvalidInput(f"An SVM needs two or more classes with an example of each; {len(head.labels)} labels were "
                           f"given and truth holds {sorted(set(truth.tolist()))[:20]}.")
    fitted = LinearSVC(C=c, random_state=seed, max_iter=iterations).fit(
        inputs.detach().double().cpu().numpy(), truth.cpu().numpy())
    weight, bias = torch.from_numpy(fitted.coef_), torch.from_numpy(fitted.intercept_)
    if len(head.labels) == 2:  # scikit-learn keeps the second class's scores alone
        weight, bias = torch.cat((-weight, weight)), torch.cat((-bias, bias))
    with torch.no_grad():
        head.score.weight.copy_(weight)
        head.score.bias.copy_(bias)
    return head.eval()
