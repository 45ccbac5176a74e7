"""Whether a clip looks like what an encoder was trained on: Mahalanobis distance of its features.

Lee et al. 2018, "A simple unified framework for detecting out-of-distribution samples": a Gaussian is fitted to the
features of the training world; what lies further from it than nearly all of that world's own clips is outside.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmvideo.nn.pretrained import Pretrained
from mmvideo.types import Features


def statistics(features: Features) -> Tensor:
    """Return what the distance is measured on, float32 (B, 2 D): mean and spread of the video tokens."""
    tokens = features.tokens[:, : features.tokens.shape[1] - features.num_extra].float()
    return torch.cat((tokens.mean(1), tokens.std(1)), -1)


class DomainHead(Pretrained):
    """Features -> (score, inside): a score in (0, 1] that is 0.5 on the border."""

    def __init__(self, *, dim: int):
        super().__init__()
        self.config = {"dim": dim}
        self.register_buffer("mean", torch.zeros(2 * dim))
        self.register_buffer("whiten", torch.eye(2 * dim))
        self.register_buffer("limit", torch.ones(()))

    @torch.no_grad()
    def fit(self, samples: Tensor, held_out: Tensor, *, keep: float = 0.97, shrink: float = 0.02) -> None:
        """Fit the Gaussian and the border.

        Args:
            samples: (M, 2 D) statistics of clips inside the domain.
            held_out: (M', 2 D) statistics of other clips inside it, which set the border.
            keep: share of the held-out clips that shall be inside.
            shrink: how far the covariance is pulled towards a multiple of the identity.
        """
        self.mean.copy_(samples.mean(0))
        covariance = torch.cov(samples.double().T)
        scale = covariance.diagonal().mean()
        covariance = (1 - shrink) * covariance + shrink * scale * torch.eye(len(covariance)).double()
        values, vectors = torch.linalg.eigh(covariance)
        self.whiten.copy_((vectors / values.sqrt()).float())
        self.limit.copy_(self.distance(held_out).quantile(keep))

    def distance(self, statistics_: Tensor) -> Tensor:
        """Return the Mahalanobis distance per clip (B,), in units where a typical clip has about 1."""
        return ((statistics_ - self.mean) @ self.whiten).square().mean(-1).sqrt()

    def forward(self, features: Features) -> tuple[Tensor, Tensor]:
        """Return the score (B,), float, and whether each clip is inside (B,), bool."""
        distance = self.distance(statistics(features))
        return 1 / (1 + (distance / self.limit).pow(4)), distance <= self.limit
