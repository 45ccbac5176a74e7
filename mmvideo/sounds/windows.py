"""Windows of a log-mel spectrogram, and what a tagger says of each; always as many rows at a time, so that what is said
of a window does not depend on its neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from mmvideo.deadline import check
from mmvideo.encoders.logmel_lite import SILENCE, SPECTRA_PER_SECOND, LogMelLite

HOP_SECONDS = 0.64
"""Between the beginnings of windows."""
HOP = round(HOP_SECONDS * SPECTRA_PER_SECOND)
ROWS = 8
"""Windows that the network sees at a time."""


def cut_windows(energies: Tensor, length: int) -> Tensor:
    """Cut log-mel energies (T, num_mels) into windows (N, length, num_mels), HOP spectra apart.

    The last one holds the end: what is missing there is silence. There is at least one.
    """
    count = 1 + max(0, -(-(len(energies) - length) // HOP))
    missing = (count - 1) * HOP + length - len(energies)
    whole = F.pad(energies.float(), (0, 0, 0, max(0, missing)), value=SILENCE)
    return torch.stack([whole[at:at + length] for at in range(0, count * HOP, HOP)])


@torch.inference_mode()
def window_logits(model: LogMelLite, seen: Tensor, *, rows: int = ROWS) -> Tensor:
    """Return logits (N, number of events) of windows (N, length, num_mels), `rows` at a time."""
    device = next(model.parameters()).device
    found = []
    for part in seen.split(rows):
        check()
        whole = F.pad(part, (0, 0, 0, 0, 0, rows - len(part)), value=SILENCE).to(device)
        found.append(model.classify(model.encode(model.normalised(whole)))[:len(part)].float().cpu())
    return torch.cat(found)


def clip_scores(model: LogMelLite, clips: Sequence[Tensor]) -> Tensor:
    """Return how much each event is heard in whole clips (N, number of events): its mean probability over windows.

    Args:
        model: in evaluation mode.
        clips: log-mel energies (T, num_mels) of each.
    """
    cut = [cut_windows(one, model.num_frames) for one in clips]
    shares = window_logits(model, torch.cat(cut)).sigmoid().split([len(one) for one in cut])
    return torch.stack([one.mean(0) for one in shares])


__all__ = ["HOP", "HOP_SECONDS", "ROWS", "clip_scores", "cut_windows", "window_logits"]
