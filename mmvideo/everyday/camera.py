"""How the camera moves, from the small frames that were kept: the classifier `camera-motion` on windows of 2 s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmvideo import weights
from mmvideo.deadline import check
from mmvideo.everyday.look import SMALL_EVERY_SECONDS, Frames
from mmvideo.nn.load_part import load_part
from mmvideo.registry import find
from mmvideo.types import Segment

NUM_FRAMES = 16
_ROWS = 4
_SHORTEST_SECONDS = 0.9
"""Of a shot that is judged at all."""


class CameraJudge(nn.Module):
    """Windows of small frames -> named movements.

    Args:
        model: name or folder of the classifier.

    Raises:
        WeightsError: the weights are missing or damaged.
    """

    def __init__(self, model: str = "camera-motion"):
        super().__init__()
        folder = weights.folder(model)
        config: dict[str, Any] = weights.config(folder)
        self.encoder = find("encoders", config.get("encoder", "camera-motion")).from_pretrained(
            weights.part(model, "encoder")).eval()
        self.head = load_part(find("heads", "linear")(config["dim"], config["labels"]), folder, "head.").eval()
        self.labels: Sequence[str] = config["labels"]
        self.temperature = float(config.get("temperature", 1.0))

    def windows(self, frames: Frames, shots: Sequence[tuple[float, float]]) -> tuple[Tensor, list[tuple[float, float]]]:
        """Cut shots into windows of 2 s, the last shifted back to the shot's end.

        Returns:
            uint8 (B, 16, 3, 64, 64), possibly of no rows, and the span that each stands for.
        """
        length = NUM_FRAMES * SMALL_EVERY_SECONDS
        rows, spans = [], []
        for start, end in shots:
            inside = frames.within(start, end)
            if end - start < _SHORTEST_SECONDS or len(inside) < 4:
                continue
            for first in _starts(inside, start, end, length):
                seen = inside.within(first, min(end, first + length))
                if len(seen) < 4:
                    continue
                times = torch.linspace(float(seen.seconds[0]), float(seen.seconds[-1]), NUM_FRAMES,
                                       dtype=torch.float64)
                at = torch.searchsorted(seen.seconds, times + 1e-6, right=True).clamp(1) - 1
                rows.append(seen.pictures[at])
                spans.append((first, min(end, first + length)))
        empty = torch.zeros((0, NUM_FRAMES, *frames.pictures.shape[1:]), dtype=torch.uint8)
        return (torch.stack(rows) if rows else empty), spans

    @torch.inference_mode()
    def probabilities(self, windows: Tensor) -> Tensor:
        """Return float (B, number of labels), in passes of one fixed size."""
        if not len(windows):
            return torch.zeros(0, len(self.labels))
        found = []
        for some in windows.split(_ROWS):
            check()
            filled = torch.cat((some, some[:1].expand(_ROWS - len(some), *some.shape[1:])))
            logits = self.head(self.encoder(filled)).float() / self.temperature
            found.append(logits.softmax(-1)[:len(some)])
        return torch.cat(found)

    def segments(self, probabilities: Tensor, spans: Sequence[tuple[float, float]]) -> tuple[Segment, ...]:
        """Join neighbouring windows with the same likeliest movement."""
        joined: list[tuple[float, float, str, list[float]]] = []
        for row, (start, end) in zip(probabilities, spans, strict=True):
            share, best = row.max(-1)
            label = self.labels[int(best)]
            if joined and joined[-1][2] == label and start <= joined[-1][1] + 1e-3:
                first, _, _, shares = joined[-1]
                joined[-1] = (first, max(end, joined[-1][1]), label, [*shares, float(share)])
            else:
                joined.append((max(start, joined[-1][1]) if joined and start < joined[-1][1] else start, end, label,
                               [float(share)]))
        return tuple(Segment(start, end, label, sum(shares) / len(shares)) for start, end, label, shares in joined)


def _starts(frames: Frames, start: float, end: float, length: float) -> list[float]:
    """Return where windows begin: one after the other where frames are, the last shifted back."""
    found: list[float] = []
    at = max(start, float(frames.seconds[0]))
    while at < end - 1e-6:
        later = frames.seconds[frames.seconds >= at - 1e-6]
        if not len(later):
            break
        at = float(later[0])
        if at + length > end and found:
            at = max(found[-1] + 1e-3, end - length)
            if end - found[-1] - length > 0.5:
                found.append(at)
            break
        found.append(at)
        at += length
    return found


__all__ = ["NUM_FRAMES", "CameraJudge"]
