"""Teach a separator's lip network real mouths without its trunk, at a tenth of the cost of mixtures.

The trunk already understands what its lip network says of drawn mouths, and a drawn mouth can be moved by any voice.
So what the trained lip network says of mouths drawn to a real person's voice is what it should say of that person's
filmed mouth: it is taught by itself (distillation, Hinton et al. 2015, arXiv:1503.02531). Training on mixtures follows.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor

from mmvideo.separation.mouth_mask import LipNet
from mmvideo.separation.streaming_state import Past
from mmvideo.separation.training.mixes import SpeechMixer, Stretches
from mmvideo.separation.training.store import FRAMES

_LOOKS = 3
"""Drawn faces whose cues are averaged into one target, so that it depends on the voice alone."""
_AT_ONCE = 32


class LipTeacher:
    """What a trained lip network says of each voice of a store, by mouths drawn to it.

    Args:
        lips: the trained network; it is not changed.
        mixer: with the voices.
        seed: of the drawn faces.
    """

    def __init__(self, lips: LipNet, mixer: SpeechMixer, *, seed: int = 0):
        store, generator = mixer.store, torch.Generator().manual_seed(seed)
        lips = copy.deepcopy(lips).eval()
        tables = []
        for frames, gestures in zip(store.frames, store.each_gestures(), strict=True):
            windows = -(-int(frames) // FRAMES)
            padded = torch.cat([gestures, gestures[-1:].expand(windows * FRAMES - int(frames), -1)])
            said = torch.zeros(windows, FRAMES, lips.norm.normalized_shape[0])
            for _ in range(_LOOKS):
                for start in range(0, windows, _AT_ONCE):
                    some = padded.view(windows, FRAMES, -1)[start:start + _AT_ONCE]
                    with torch.no_grad():
                        mouths = mixer.drawn(some, generator)
                        said[start:start + _AT_ONCE] += lips(mouths, torch.ones(mouths.shape[:2], dtype=torch.bool),
                                                             Past()) / _LOOKS
            tables.append(said.flatten(0, 1)[:int(frames)].half())
        self._store, self._table = store, torch.cat(tables)
        rows = self._table.float()
        self.mean, self.spread = rows.mean(0), rows.std(0).clamp_min(0.05)

    def __call__(self, some: Stretches) -> Tensor:
        """Return the targets of stretches, standardised, float32 (N, 64, dim)."""
        said = self._store.between_frames(self._table, some)
        return self.scaled(said)

    def scaled(self, said: Tensor) -> Tensor:
        """Return what a lip network says, less the mean of the targets, in their standard deviations."""
        return (said - self.mean) / self.spread


def lip_loss(lips: LipNet, teacher: LipTeacher, mouths: Tensor, some: Stretches) -> Tensor:
    """Return the mean squared distance of what is said of mouths (N, 64, 48, 48), uint8, from what should be."""
    said = lips(mouths.float() / 255, torch.ones(mouths.shape[:2], dtype=torch.bool), Past())
    return (teacher.scaled(said.float()) - teacher(some)).square().mean()


@torch.no_grad()
def matched(lips: LipNet, teacher: LipTeacher, mouths: Tensor, some: Stretches, speaker: np.ndarray) -> float:
    """Return how often a mouth is nearer to its own voice than to that of another speaker, over all such pairs."""
    said = teacher.scaled(lips(mouths.float() / 255, torch.ones(mouths.shape[:2], dtype=torch.bool), Past()).float())
    meant = teacher(some)
    said, meant = (x - x.mean(1, keepdim=True) for x in (said, meant))
    alike = torch.einsum("itd,jtd->ij", said, meant) / meant.square().sum((1, 2)).sqrt()
    other = torch.from_numpy(speaker[:, None] != speaker[None])
    wins = (alike.diagonal()[:, None] > alike)[other]
    return float(wins.float().mean())


__all__ = ["LipTeacher", "lip_loss", "matched"]
