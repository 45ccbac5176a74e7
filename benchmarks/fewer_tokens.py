"""What fewer tokens cost and save on toybox: merged soft tokens (ToMe), and still places dropped (VideoLLaMA 3).

    python benchmarks/fewer_tokens.py [--num 96] [--level easy]

Merging is measured on the embedded model, which was not trained for it: accuracy, and the seconds that the language
model takes for all questions. Its projector reads a whole grid, so for dropping the table says what share of the
encoder's tokens is left, and the accuracy where each dropped token is seen as the last one kept at its place: what is
lost by not looking.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch
from torch import Tensor, nn

from mmvideo.evaluation.toybox import Model, measure
from mmvideo.nn.fewer import merged, still
from mmvideo.types import Features


class Merging(nn.Module):
    """The projector, and its soft tokens merged."""

    def __init__(self, projector: nn.Module, share: float):
        super().__init__()
        self.projector, self.share, self.left = projector, share, 0

    def forward(self, features: Features) -> Tensor:
        soft = self.projector(features)
        soft = soft if self.share == 1 else merged(soft, self.share)
        self.left = soft.shape[1]
        return soft


class Dropping(nn.Module):
    """The encoder, with every still token seen as the last kept one at its place."""

    def __init__(self, encoder: nn.Module, threshold: float):
        super().__init__()
        self.encoder, self.threshold = encoder, threshold
        self.kept = self.seen = 0

    def forward(self, frames: Tensor, *rest: Any) -> Features:
        features = self.encoder(frames, *rest)
        t, h, w = features.grid
        tokens = features.tokens.clone()
        for row, clip in enumerate(frames):
            gone = still(clip, features.grid, self.threshold).view(t, h * w)
            grid = tokens[row, :t * h * w].view(t, h * w, -1)
            for step in range(1, t):
                grid[step] = torch.where(gone[step, :, None], grid[step - 1], grid[step])
            self.kept, self.seen = self.kept + int((~gone).sum()), self.seen + gone.numel()
        return Features(tokens, features.grid, features.pooled, num_extra=features.num_extra)


class Timed(nn.Module):
    """The language model, and the seconds that it took."""

    def __init__(self, language: Any):
        super().__init__()
        self.language, self.seconds = language, 0.0

    def open(self, soft: Tensor) -> Any:
        self._start = time.perf_counter()
        session, outer = self.language.open(soft), self

        class Session:
            def reply(self, *arguments: Any, **named: Any) -> Any:
                said = session.reply(*arguments, **named)
                outer.seconds += time.perf_counter() - outer._start
                return said

        return Session()


def macro(score: Any) -> float:
    shares = score.by_type()
    return sum(shares.values()) / len(shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num", type=int, default=96, help="scenes")
    parser.add_argument("--level", default="easy")
    options = parser.parse_args()
    whole = Model.load("toybox-qa")
    measure(whole, level=options.level, split="test", num=32)  # the first run pays for what is set up once
    print(f"{options.num} scenes of {options.level}, {torch.get_num_threads()} threads\n")
    print("| merge_to | soft tokens | mean of types | language model |\n|---|---|---|---|")
    for share in (1.0, 0.75, 0.5, 0.25):
        bridge, language = Merging(whole.projector, share), Timed(whole.language)
        score = measure(Model(whole.encoder, bridge, language), level=options.level, split="test", num=options.num)
        print(f"| {share} | {bridge.left} | {macro(score):.3f} | {language.seconds:.1f} s |", flush=True)
    print("\n| drop_below | tokens left | mean of types |\n|---|---|---|")
    for threshold in (0.0, 0.02, 0.05, 0.1):
        eyes = Dropping(whole.encoder, threshold)
        seen = Model(eyes, whole.projector, whole.language)
        score = measure(seen, level=options.level, split="test", num=options.num)
        print(f"| {threshold} | {eyes.kept / eyes.seen:.0%} | {macro(score):.3f} |", flush=True)


if __name__ == "__main__":
    main()
