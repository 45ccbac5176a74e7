"""Small made-up talkers: a voice of harmonics that opens and closes, and a mouth that opens with it."""

from __future__ import annotations

import torch
from torch import Tensor

from mmvideo.types import Cues


def talkers(batch: int, frames: int, *, samples: int | None = None, seed: int = 0,
            same_voice: bool = False) -> tuple[Tensor, Cues]:
    """Make pairs of talkers.

    Returns:
        Waveforms (B, 2, S) and cues of their two mouths, with still faces.
    """
    random = torch.Generator().manual_seed(seed)
    samples = samples or frames * 640
    knots = torch.rand(batch, 2, frames // 4 + 2, generator=random)
    opening = torch.nn.functional.interpolate((knots > 0.45).float(), size=frames + 4, mode="linear")[..., :frames]
    envelope = torch.nn.functional.interpolate(opening, size=samples, mode="linear")
    pitch = 90 + 160 * torch.rand(batch, 2, 1, generator=random)
    if same_voice:
        pitch[:, 1] = pitch[:, 0] * 1.03
    clock = torch.arange(samples) / 16000
    harmonics = sum(torch.sin(2 * torch.pi * n * pitch * clock + n * n) / n for n in range(1, 12))
    voices = 0.1 * envelope * harmonics
    y = torch.linspace(-1, 1, 96)
    inside = (y[:, None] / (0.05 + 0.5 * opening[..., None, None])).square() + (y[None] / 0.6).square() < 1
    mouths = (200 - 150 * inside.float()).to(torch.uint8)
    faces = torch.randint(0, 256, (batch, 2, 3, 64, 64), generator=random, dtype=torch.uint8)
    return voices, Cues(mouths, torch.ones(batch, 2, frames, dtype=torch.bool), faces)


def of(cues: Cues, person: int) -> Cues:
    """Return the cues of one of the people."""
    at = slice(person, person + 1)
    return Cues(cues.mouths[:, at], cues.valid[:, at], None if cues.faces is None else cues.faces[:, at])
