"""What fewer tokens cost and save on toybox: merged visual tokens (ToMe), and still places dropped (VideoLLaMA 3).

    python benchmarks/fewer_tokens.py [--num 96] [--level easy] [--only merge drop large]

Both are measured on the embedded model, which was trained for neither. Merging: accuracy, and the seconds that the
language model takes for all questions. Dropping, the option `drop_below` of the stage `encode`: accuracy, the share of
the tokens that is looked at, and the seconds that the encoder takes. The last table is the time of VideoMAE-base with
random weights on a clip (the bundled one, or --clip), where layers are most of the work.
"""

from __future__ import annotations

import argparse
import statistics
import time
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmvideo.encoders import zoo
from mmvideo.media import open_source
from mmvideo.nn.token_reduction import evened, merged, still
from mmvideo.sampling.uniform import uniform
from mmvideo.stages.encode import Encode
from mmvideo.toybox.evaluation.accuracy import Model, measure_accuracy
from mmvideo.types import Features
from mmvideo.vlm.encode import encode_rows


class Merging(nn.Module):
    """The projector, and its visual tokens merged."""

    def __init__(self, projector: nn.Module, share: float):
        super().__init__()
        self.projector, self.share, self.left = projector, share, 0

    def forward(self, features: Features) -> Tensor:
        soft = self.projector(features)
        soft = soft if self.share == 1 else merged(soft, self.share)
        self.left = soft.shape[1]
        return soft


class Dropping(nn.Module):
    """The stage `encode` with its option, and the seconds that it takes."""

    def __init__(self, encoder: nn.Module, threshold: float | None):
        super().__init__()
        self.stage = Encode(encoder="toybox-av", weights="toybox-qa", drop_below=threshold)
        self.stage.network, self.stage.device = encoder, torch.device("cpu")
        self.seconds, self.kept, self.seen = 0.0, 0, 0

    def forward(self, frames: Tensor, audio: Tensor | None = None) -> Features:
        start = time.process_time()
        features = encode_rows(self.stage.network, frames, audio, torch.full((len(frames),), audio is not None),
                               self.stage.drop_below)
        self.seconds += time.process_time() - start
        for clip in frames:
            gone = left_out(clip, features.grid, self.stage.drop_below)
            self.kept, self.seen = self.kept + int((~gone).sum()), self.seen + gone.numel()
        return features


class Timed(nn.Module):
    """The language model, and the seconds that it took."""

    def __init__(self, language: Any):
        super().__init__()
        self.language, self.seconds = language, 0.0

    def open(self, soft: Tensor) -> Any:
        self._start = time.process_time()
        session, outer = self.language.open(soft), self

        class Session:
            def replies(self, *arguments: Any, **named: Any) -> Any:
                said = session.replies(*arguments, **named)
                outer.seconds += time.process_time() - outer._start
                return said

        return Session()


def left_out(clip: Tensor, grid: tuple[int, int, int], threshold: float | None) -> Tensor:
    gone = still(clip, grid, threshold or 0.0)[None]
    return evened(gone, gone.shape[1] // 8)


def macro(score: Any) -> float:
    shares = score.by_type()
    return sum(shares.values()) / len(shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num", type=int, default=96, help="scenes")
    parser.add_argument("--level", default="easy")
    parser.add_argument("--only", nargs="+", choices=("merge", "drop", "large"), default=["merge", "drop", "large"])
    parser.add_argument("--clip", default=str(resources.files("mmvideo") / "embedded/demo/toybox.mp4"))
    options = parser.parse_args()
    torch.set_num_threads(1)  # with one thread a process's own seconds are what a quiet machine would take
    print(f"{options.num} scenes of {options.level}, seconds of one CPU thread\n")
    whole = Model.load("toybox-qa")
    if {"merge", "drop"} & {*options.only}:
        measure_accuracy(whole, level=options.level, split="test", num=32)  # the first run pays for what is set up once
    if "merge" in options.only:
        merging(whole, options)
    if "drop" in options.only:
        dropping(whole, options)
    if "large" in options.only:
        large(options.clip)


def merging(whole: Model, options: argparse.Namespace) -> None:
    print("| merge_to | visual tokens | mean of types | language model |\n|---|---|---|---|")
    for share in (1.0, 0.75, 0.5, 0.25):
        bridge, language = Merging(whole.projector, share), Timed(whole.language)
        score = measure_accuracy(Model(whole.encoder, bridge, language), level=options.level, split="test",
                                 num=options.num)
        print(f"| {share} | {bridge.left} | {macro(score):.3f} | {language.seconds:.1f} s |", flush=True)


def dropping(whole: Model, options: argparse.Namespace) -> None:
    print("\n| drop_below | tokens looked at | mean of types | encoder |\n|---|---|---|---|")
    for threshold in (None, 0.01, 0.02, 0.05, 0.1):
        eyes = Dropping(whole.encoder, threshold)
        score = measure_accuracy(Model(eyes, whole.projector, whole.language), level=options.level, split="test",
                                 num=options.num)
        print(f"| {threshold} | {eyes.kept / eyes.seen:.0%} | {macro(score):.3f} | {eyes.seconds:.2f} s |", flush=True)


def large(clip: str) -> None:
    torch.manual_seed(0)
    encoder = zoo.create("videomae-b").eval()
    stage = Encode(encoder="videomae", weights="")
    stage.network, stage.device = encoder, torch.device("cpu")
    with open_source(clip) as media:
        clips = uniform(media, num_frames=16, size=(224, 224))
    print(f"\nVideoMAE-base, 16 frames of {Path(clip).name}\n\n| drop_below | tokens looked at | encoder | faster |\n"
          "|---|---|---|---|")
    whole = 0.0
    for threshold in (None, 0.02, 0.05, 0.1):
        stage.drop_below, seconds = threshold, []
        for _ in range(3):
            start = time.process_time()
            with torch.inference_mode():
                stage(clips=clips)
            seconds.append(time.process_time() - start)
        left = 1 - float(left_out(clips.frames[0], encoder.grid, threshold).float().mean())
        taken = statistics.median(seconds)
        whole = whole or taken
        print(f"| {threshold} | {left:.0%} | {taken:.2f} s | {whole / taken:.2f} x |", flush=True)


if __name__ == "__main__":
    main()
