"""Whether a clip looks like what an encoder was trained on: Mahalanobis distance of its features, and a contrast.

Lee et al. 2018, "A simple unified framework for detecting out-of-distribution samples": a Gaussian is fitted to the
features of the training world; what lies further from it than nearly all of that world's own clips is outside.

Clips that are known to be outside may draw a second border: a logistic regression between them and the training world
on the same whitened features (outlier exposure, Hendrycks et al. 2019, "Deep anomaly detection with outlier exposure").
An empty or grey picture has few features and so lies near the middle of the Gaussian; the second border finds it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.errors import InvalidInput
from mmvideo.nn.pretrained import Pretrained
from mmvideo.types import Features


def statistics(features: Features) -> Tensor:
    """Return what the distance is measured on, float32 (B, 2 D): mean and spread of the video tokens."""
    tokens = features.tokens[:, : features.tokens.shape[1] - features.num_extra].float()
    return torch.cat((tokens.mean(1), tokens.std(1)), -1)


class DomainHead(Pretrained):
    """Features -> (score, inside): a score in [0, 1] that is 0.5 on the border.

    Args:
        dim: width D of the features.
        contrast: whether there is a second border, drawn against clips that are outside.
    """

    mean: Tensor
    whiten: Tensor
    limit: Tensor
    normal: Tensor
    offset: Tensor

    def __init__(self, *, dim: int, contrast: bool = False):
        super().__init__()
        self.config = {"dim": dim, **({"contrast": True} if contrast else {})}
        self.register_buffer("mean", torch.zeros(2 * dim))
        self.register_buffer("whiten", torch.eye(2 * dim))
        self.register_buffer("limit", torch.ones(()))
        if contrast:
            self.register_buffer("normal", torch.zeros(2 * dim))
            self.register_buffer("offset", torch.ones(()))

    @torch.no_grad()
    def fit(self, samples: Tensor, held_out: Tensor, outside: Tensor | None = None, *, keep: float = 0.97,
            shrink: float = 0.02) -> None:
        """Fit the Gaussian and the borders.

        Args:
            samples: (M, 2 D) statistics of clips inside the domain.
            held_out: (M', 2 D) statistics of other clips inside it, which set the borders.
            outside: (M'', 2 D) statistics of clips outside it; needed for a head with a contrast, and only there.
            keep: share of the held-out clips that shall be inside each border.
            shrink: how far the covariance is pulled towards a multiple of the identity.

        Raises:
            InvalidInput: `outside` is missing, or has no use.
        """
        if (outside is not None) != hasattr(self, "normal"):
            raise InvalidInput("DomainHead(contrast=True) is fitted with clips outside the domain; "
                               "contrast=False without.")
        self.mean.copy_(samples.mean(0))
        covariance = torch.cov(samples.double().T)
        scale = covariance.diagonal().mean()
        covariance = (1 - shrink) * covariance + shrink * scale * torch.eye(len(covariance)).double()
        values, vectors = torch.linalg.eigh(covariance)
        self.whiten.copy_((vectors / values.sqrt()).float())
        self.limit.copy_(self.distance(held_out).quantile(keep))
        if outside is not None:
            self.normal.copy_(_logistic(self._white(samples), self._white(outside)))
            self.offset.fill_(0.0)
            self.offset.copy_(-self.margin(held_out).quantile(1 - keep))

    def _white(self, statistics_: Tensor) -> Tensor:
        return (statistics_ - self.mean) @ self.whiten

    def distance(self, statistics_: Tensor) -> Tensor:
        """Return the Mahalanobis distance per clip (B,), in units where a typical clip has about 1."""
        return self._white(statistics_).square().mean(-1).sqrt()

    def margin(self, statistics_: Tensor) -> Tensor:
        """Return by how much each clip is on the inner side of the second border (B,), negative outside, in logits."""
        return _shortened(self._white(statistics_)) @ self.normal + self.offset

    def forward(self, features: Features) -> tuple[Tensor, Tensor]:
        """Return the score (B,), float, and whether each clip is inside (B,), bool."""
        found = statistics(features)
        distance = self.distance(found)
        score, inside = 1 / (1 + (distance / self.limit).pow(4)), distance <= self.limit
        if hasattr(self, "normal"):
            margin = self.margin(found)
            score, inside = torch.minimum(score, margin.sigmoid()), inside & (margin >= 0)
        return score, inside


def _shortened(white: Tensor) -> Tensor:
    """Bring vectors that are longer than a typical clip's to its length, so that none weighs more than another."""
    return white / white.square().mean(-1, keepdim=True).sqrt().clamp_min(1.0)


def _logistic(inside: Tensor, outside: Tensor, *, decay: float = 1e-3) -> Tensor:
    """Fit a logistic regression between two clouds, equally weighted.

    Returns:
        (D,) the normal of its border, in logits.
    """
    x = torch.cat([_shortened(inside), _shortened(outside)]).double()
    y = torch.cat([torch.ones(len(inside)), torch.zeros(len(outside))]).double()
    weight = torch.where(y > 0, len(y) / (2 * len(inside)), len(y) / (2 * len(outside)))
    normal = torch.zeros(x.shape[1], dtype=torch.double, requires_grad=True)
    offset = torch.zeros((), dtype=torch.double, requires_grad=True)
    solver = torch.optim.LBFGS([normal, offset], max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        value = F.binary_cross_entropy_with_logits(x @ normal + offset, y, weight) + decay * normal.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        solver.step(loss)
    return normal.detach().float()


__all__ = ["DomainHead", "statistics"]
