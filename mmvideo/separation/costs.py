"""What a separator costs: parameters by part, and multiply-adds for one face and one window, counted while it runs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from mmvideo.encoders import zoo
from mmvideo.nn.costs import num_params
from mmvideo.registry import find
from mmvideo.separation.base import MOUTH_SIZE, SAMPLE_RATE, Separator, num_frames
from mmvideo.types import Cues

KIND = "separators"


@dataclass(frozen=True)
class Cost:
    """Of one preset with random weights."""

    seconds: float
    """Length of the window."""
    params: dict[str, int]
    """Of every part that has some."""
    multiply_adds: dict[str, int]
    """Of the whole network ("") and of its modules that are called as such, for one face in one window."""

    def total_params(self, leave_out: tuple[str, ...] = ()) -> int:
        """Return the parameters of all parts but some."""
        return sum(n for part, n in self.params.items() if part not in leave_out)

    def per_second(self, leave_out: tuple[str, ...] = ()) -> float:
        """Return 10^9 multiply-adds for a second of sound, of all parts but some."""
        whole = self.multiply_adds[""] - sum(self.multiply_adds.get(part, 0) for part in leave_out)
        return whole / 1e9 / self.seconds


def create_separator(preset: str) -> Separator:
    """Build a preset of any family with random weights, in evaluation mode.

    Raises:
        UnknownName: no such preset.
    """
    return find(KIND, zoo.family_of(preset, KIND)).create(preset).eval()


@torch.no_grad()
def count_separator(preset: str) -> Cost:
    """Count a preset by running it on silence with one face.

    Raises:
        UnknownName: no such preset.
    """
    net = create_separator(preset)
    samples = round(net.window_seconds * SAMPLE_RATE)
    frames = num_frames(samples)
    cues = Cues(torch.zeros(1, 1, frames, MOUTH_SIZE, MOUTH_SIZE, dtype=torch.uint8),
                torch.ones(1, 1, frames, dtype=torch.bool), torch.zeros(1, 1, 3, 224, 224, dtype=torch.uint8))
    with FlopCounterMode(display=False) as counter:  # not on shapes alone: istft looks at its window's values
        net(torch.zeros(1, samples), cues if net.sees else None)
    name = type(net).__name__
    by_part = {part: sum(counts.values()) // 2 for part, counts in counter.get_flop_counts().items()}
    params = {part: num_params(child) for part, child in net.named_children() if num_params(child)}
    own = num_params(net) - sum(params.values())
    work = {part: by_part[f"{name}.{part}"] for part in params if f"{name}.{part}" in by_part}
    return Cost(net.window_seconds, {**params, **({"itself": own} if own else {})},
                {"": counter.get_total_flops() // 2, **work})


__all__ = ["KIND", "Cost", "count_separator", "create_separator"]
