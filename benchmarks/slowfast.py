"""python benchmarks/slowfast.py [PRESET] [--size 256] [--runs 5] [--threads N] [--fused]: where its time goes.

Hooks time the parts of both pathways and the lateral connections within the same runs; work is counted on shapes alone.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict

import torch

from mmvideo.encoders.slowfast import SlowFast
from mmvideo.nn.costs import multiply_adds
from mmvideo.nn.fuse import fuse


def parts(encoder: SlowFast) -> dict[str, list[torch.nn.Module]]:
    return {"slow pathway": [encoder.slow.stem, *encoder.slow.stages],
            "fast pathway": [encoder.fast.stem, *encoder.fast.stages],
            "lateral connections": list(encoder.laterals)}


def timed(encoder: SlowFast, clip: torch.Tensor) -> dict[str, float]:
    """Return seconds of one run by part, and of the whole."""
    spent, begun, hooks = defaultdict(float), {}, []
    part_of = {module: part for part, modules in parts(encoder).items() for module in modules}

    def before(module: torch.nn.Module, _: tuple) -> None:
        begun[module] = time.perf_counter()

    def after(module: torch.nn.Module, *_: object) -> None:
        spent[part_of[module]] += time.perf_counter() - begun[module]

    for module in part_of:
        hooks += module.register_forward_pre_hook(before), module.register_forward_hook(after)
    start = time.perf_counter()
    encoder.logits(clip)
    spent["total"] = time.perf_counter() - start
    for hook in hooks:
        hook.remove()
    return dict(spent)


def work(preset: str, size: int) -> dict[str, float]:
    """Return multiply-adds by part, and of the whole."""
    with torch.device("meta"):
        encoder = SlowFast.create(preset).eval()
        inputs = {}
        for modules in parts(encoder).values():
            for module in modules:
                module.register_forward_pre_hook(lambda module, given: inputs.__setitem__(module, given))
        clip = torch.rand(1, encoder.input.num_frames, 3, size, size)
        total = multiply_adds(lambda: encoder.logits(clip))
    by_part = {part: sum(multiply_adds(lambda m=m: m(*inputs[m])) for m in modules)
               for part, modules in parts(encoder).items()}
    return {**by_part, "total": total}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", nargs="?", default="slowfast-r50-8x8")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--fused", action="store_true", help="fold batch normalisation, as the pipeline does")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    encoder = SlowFast.create(given.preset).eval()
    clip = torch.rand(1, encoder.input.num_frames, 3, given.size, given.size)
    if given.fused:
        fuse(encoder, clip)
    with torch.inference_mode():
        encoder.logits(clip)
        runs = [timed(encoder, clip) for _ in range(given.runs)]
    costs = work(given.preset, given.size)
    print(f"{given.preset}, {encoder.input.num_frames} frames of {given.size}x{given.size}, float32, "
          f"{'fused, ' if given.fused else ''}{torch.get_num_threads()} threads, median of {given.runs} runs")
    print(f"{'':22}{'ms':>9}{'share':>9}{'10^9 multiply-adds':>21}{'share':>9}")
    for part in [*parts(encoder), "total"]:
        seconds = statistics.median(run[part] for run in runs)
        share = statistics.median(run[part] / run["total"] for run in runs)
        print(f"{part:22}{1e3 * seconds:9.0f}{share:9.1%}{costs[part] / 1e9:21.2f}{costs[part] / costs['total']:9.1%}")


if __name__ == "__main__":
    main()
