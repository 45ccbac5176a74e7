"""A learnt scorer of windows, taught by the confidence of a heavy network (the saliency rank loss of SCSampler)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mmvideo.errors import InvalidInput, WeightsError


class SaliencyHead(nn.Module):
    """Cues of a window (K, F) -> its score (K,); cues are compared with the other windows of their video.

    Args:
        num_cues: F.
        dim: width of the hidden layer.
    """

    def __init__(self, num_cues: int, dim: int = 16):
        super().__init__()
        self.hidden, self.out = nn.Linear(num_cues, dim), nn.Linear(dim, 1)

    def forward(self, cues: Tensor) -> Tensor:
        cues = torch.log1p(cues.clamp_min(0))
        spread = cues.std(0, keepdim=True) if len(cues) > 1 else torch.zeros_like(cues)
        return self.out(torch.relu(self.hidden((cues - cues.mean(0)) / (spread + 1e-6))))[:, 0]

    @torch.no_grad()
    def scores(self, cues: Tensor) -> Tensor:
        """Return the scores of the windows of one video."""
        return self(cues.float())

    def save(self, path: Path) -> Path:
        """Write the weights (.safetensors)."""
        save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, path)
        return path

    @classmethod
    def from_file(cls, path: Path, num_cues: int) -> Self:
        """Read what `save` wrote.

        Raises:
            WeightsError: it is missing, damaged, or for other cues.
        """
        try:
            tensors = load_file(path)
            head = cls(num_cues, dim=tensors["out.weight"].shape[1])
            head.load_state_dict(tensors)
        except (OSError, SafetensorError, KeyError, RuntimeError, IndexError) as error:
            raise WeightsError(f"{path} holds no scorer of windows for {num_cues} cues: {error}. Write one with "
                               "SaliencyHead.save, or leave weights= out.") from error
        return head.eval()


def rank_loss(scores: Tensor, teacher: Tensor, *, margin: float = 1.0) -> Tensor:
    """Return the saliency rank loss of the windows of one video (SCSampler, section 3.2).

    Every pair of windows that the teacher ranks is to be ranked alike, by `margin`: max(0, margin - (s_i - s_j)) for
    teacher_i > teacher_j, averaged over the pairs; 0 where the teacher finds all alike.

    Args:
        scores: (K,).
        teacher: (K,), as the probability that the heavy network gives the right class in each window.
    """
    if scores.shape != teacher.shape or scores.ndim != 1:
        raise InvalidInput(f"Scores and teacher must be (K,) alike, not {tuple(scores.shape)} and "
                           f"{tuple(teacher.shape)}.")
    above = teacher[:, None] > teacher[None]
    if not bool(above.any()):
        return scores.sum() * 0
    return (margin - (scores[:, None] - scores[None])).clamp_min(0)[above].mean()


def fit_saliency(videos: Sequence[tuple[Tensor, Tensor]], *, steps: int = 300, seed: int = 0, dim: int = 16
                 ) -> SaliencyHead:
    """Train a scorer.

    Args:
        videos: of each, the cues of its windows (K, F) and the teacher's confidence in each (K,).
        steps: of Adam, a video each.

    Raises:
        InvalidInput: no videos, or cues and confidences that do not belong together.
    """
    if not videos:
        raise InvalidInput("There is no video to learn from.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = SaliencyHead(videos[0][0].shape[1], dim)
        optimiser = torch.optim.Adam(head.parameters(), lr=1e-2, weight_decay=1e-4)
        for step in range(steps):
            cues, teacher = videos[step % len(videos)]
            loss = rank_loss(head(cues.float()), teacher)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return head.eval()


__all__ = ["SaliencyHead", "fit_saliency", "rank_loss"]
