"""Whether a picture looks like what a camera films: a judge on Lite0's pooled features.

What everyday models say about a picture is worth something only where it looks like the photographs that they learned
from. The judge tells camera pictures from drawings, screens, noise, empty pictures and renderings; it is fitted with
examples of each (`mmvideo.everyday.training.domain`; outlier exposure, Hendrycks et al. 2019).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmvideo.nn.pretrained import Pretrained
from mmvideo.types import Domain

KINDS = ("camera", "drawing", "screen", "noise", "empty", "rendering")
"""Classes of the judge; the first is inside the domain."""
REASONS = {
    "drawing": "it looks drawn, like a cartoon", "screen": "it looks like a screen, a page or a chart",
    "noise": "it looks like noise or a test card", "empty": "the picture is empty or next to black",
    "rendering": "it looks like simple computer graphics",
}


class EverydayDomain(Pretrained):
    """Pooled features of pictures -> how much each looks like a camera's, and what else it may be.

    Args:
        dim: width of the pooled features.
        threshold: least probability that a camera took a picture for it to be inside.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, *, dim: int = 1280, threshold: float = 0.5):
        super().__init__()
        self.config = {"dim": dim, "threshold": threshold}
        self.threshold = threshold
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("spread", torch.ones(dim))
        self.kind = nn.Linear(dim, len(KINDS))

    def logits(self, pooled: Tensor) -> Tensor:
        """Return logits of KINDS, float (M, len(KINDS))."""
        return self.kind(((pooled.float().sqrt() - self.mean) / self.spread).clamp(-6, 6))

    def kinds(self, pooled: Tensor) -> Tensor:
        """Return probabilities of KINDS, float (M, len(KINDS))."""
        return self.logits(pooled).softmax(1)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Judge pictures one by one.

        Args:
            pooled: (M, dim) pooled features of Lite0 (not negative, as ReLU6 leaves them).

        Returns:
            The probability that a camera took it (M,), float, and whether it is inside the domain (M,), bool.
        """
        score = self.kinds(pooled)[:, 0]
        return score, score >= self.threshold

    @torch.inference_mode()
    def judge(self, pooled: Tensor, *, suggestion: str = "") -> Domain:
        """Judge a video by some of its pictures (M, dim), M >= 1: it is inside where half of them are.

        Args:
            suggestion: the line that names a model which does know, for the result.
        """
        score, inside = self(pooled)
        mean = float(score.mean())
        if 2 * int(inside.sum()) >= len(inside):
            return Domain(True, score=mean)
        likely = KINDS[1 + int(self.kinds(pooled)[~inside, 1:].sum(0).argmax())]
        return Domain(False, f"this is not what a camera films: {REASONS[likely]}", suggestion, mean)


__all__ = ["KINDS", "REASONS", "EverydayDomain"]
