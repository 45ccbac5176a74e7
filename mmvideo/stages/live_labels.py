"""Labels of a video as it comes, by a network that never looks ahead (causal MoViNet, online TSM)."""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from torch import Tensor

from mmvideo.encoders.preset import Input
from mmvideo.results import Classification
from mmvideo.types import NOT_JUDGED, Label

_DEFAULT_FPS = 5.0
"""Frames a second for networks whose input has no rate."""


def is_causal(network: Any) -> bool:
    """Tell whether a network can be fed frame by frame (`stream()`)."""
    return bool(getattr(network, "causal", False) or getattr(network, "online", False))


class CausalLabels:
    """What a causal network sees, judged anew after every frame.

    The label is about the recent past, not about all that was ever seen: a cumulative network (MoViNet averages over
    all frames so far) runs twice, begun `horizon_seconds` apart, and the older run answers until it has seen two
    horizons; then the younger one does, and another begins. A network that only looks a frame back (TSM) runs once;
    the logits of its last frames are averaged. Memory is constant in both.

    Args:
        network: a causal encoder with a classifier, in evaluation mode.
        top: labels that are named; None for all.
        model: its name in results.
    """

    def __init__(self, network: Any, *, top: int | None, model: str, device: torch.device | None):
        shape = network.input
        assert isinstance(shape, Input)
        self.network, self.top, self.model, self.device = network, top, model, device
        self.size = (shape.height, shape.width)
        """Height and width of the frames, in pixels."""
        self.fps = shape.fps or _DEFAULT_FPS
        """Frames a second that the network was trained with."""
        self.horizon = shape.num_frames
        """Frames after which an answer is as good as that of a whole clip."""
        self._runs: list[Any] = []
        self._recent: deque[Tensor] = deque(maxlen=self.horizon)
        self._seconds: deque[float] = deque(maxlen=2 * self.horizon)

    def step(self, frame: Tensor, seconds: float) -> Classification:
        """Look at the next frame.

        Args:
            frame: uint8 (C, H, W).
            seconds: its time.

        Returns:
            The label of the recent past; `seconds_looked_at` are the times of the frames that it rests on.
        """
        self._seconds.append(seconds)
        clip = frame[None, None] if self.device is None else frame[None, None].to(self.device)
        with torch.inference_mode():
            shares, seen, rule = self._of_newest(clip) if getattr(self.network, "online", False) else self._of_all(clip)
        ranked = shares.topk(min(self.top or len(shares), len(shares)))
        found = tuple(Label(self.network.labels[i], p)
                      for i, p in zip(ranked.indices.tolist(), ranked.values.tolist(), strict=True))
        return Classification(label=found[0].name, labels=found, confidence=found[0].confidence, in_domain=NOT_JUDGED,
                              seconds_looked_at=tuple(self._seconds)[-seen:], model=self.model, rule=rule)

    def _of_newest(self, clip: Tensor) -> tuple[Tensor, int, str]:
        if not self._runs:
            self._runs.append(self.network.stream())
        self._runs[0].step(clip)
        self._recent.append(self.network.head(self._runs[0].newest)[0].float().cpu())
        count = len(self._recent)
        logits = torch.stack(tuple(self._recent)).mean(0)
        return logits.softmax(-1), count, f"logits of the last {count} frames averaged"

    def _of_all(self, clip: Tensor) -> tuple[Tensor, int, str]:
        if not self._runs or (len(self._runs) == 1 and self._runs[0].num_frames == self.horizon):
            self._runs.append(self.network.stream())
        elif self._runs[0].num_frames == 2 * self.horizon:
            self._runs = [self._runs[1], self.network.stream()]
        features = [run.step(clip) for run in self._runs]
        count = self._runs[0].num_frames
        logits = self.network.classify(features[0])[0].float().cpu()
        return logits.softmax(-1), count, f"causal network over the last {count} frames"

    def memory_bytes(self) -> int:
        """Return how many bytes the states of the network take."""
        return sum(run.memory_bytes() for run in self._runs)


__all__ = ["CausalLabels", "is_causal"]
