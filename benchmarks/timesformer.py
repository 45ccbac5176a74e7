"""python benchmarks/timesformer.py [--layers 2] [--frames 8 32 96] [--runs 3]: divided against joint attention.

ViT-B's width at 224x224 with few layers, which all cost the same; the two kinds run in turn on the same clip, and the
median of the ratios is printed beside the ratio of multiply-adds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace

import torch

from mmvideo.encoders.timesformer import TimeSformer
from mmvideo.nn.costs import multiply_adds, shapes_only

KINDS = ("divided", "joint")


def build(kind: str, frames: int, layers: int) -> TimeSformer:
    preset = f"timesformer-b-{kind}"
    shape = replace(TimeSformer.PRESETS[preset].input, num_frames=frames)
    return TimeSformer.create(preset, input=shape, depth=layers).eval()


def work(kind: str, frames: int, layers: int) -> int:
    with shapes_only():
        encoder = build(kind, frames, layers)
        return multiply_adds(lambda: encoder.logits(torch.rand(1, frames, 3, 224, 224)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--frames", type=int, nargs="+", default=[8, 32, 96])
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    print(f"{given.layers} layers, float32, {torch.get_num_threads()} threads, median of {given.runs} runs in turn")
    print(f"{'frames':>6}{'divided s':>11}{'joint s':>9}{'joint / divided':>17}{'the same in multiply-adds':>27}")
    for frames in given.frames:
        networks = {kind: build(kind, frames, given.layers) for kind in KINDS}
        clip = torch.rand(1, frames, 3, 224, 224)
        times: dict[str, list[float]] = {kind: [] for kind in KINDS}
        with torch.inference_mode():
            for run in range(given.runs + 1):
                for kind, network in networks.items():
                    began = time.perf_counter()
                    network.logits(clip)
                    if run:  # the first warms up
                        times[kind].append(time.perf_counter() - began)
        ratio = statistics.median(j / d for d, j in zip(*times.values(), strict=True))
        counted = work("joint", frames, given.layers) / work("divided", frames, given.layers)
        divided, joint = (statistics.median(times[kind]) for kind in KINDS)
        print(f"{frames:6}{divided:11.2f}{joint:9.2f}{ratio:17.2f}{counted:27.2f}", flush=True)


if __name__ == "__main__":
    main()
