"""python benchmarks/slowfast.py [PRESET] [--size 256] [--runs 5] [--threads N] [--peer FOLDER]: where its time goes.

Hooks time the parts of both pathways and the lateral connections within the same runs, in CPU time (what else the
machine does counts less) and in wall time; work is counted on shapes alone. The network runs as built and with batch
normalisation folded, as the pipeline loads it; with --peer, a checkout of pytorchvideo, its SlowFast R50 runs in turn.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable

import torch

from mmvideo.encoders.slowfast import SlowFast
from mmvideo.nn.costs import multiply_adds
from mmvideo.nn.fuse_batchnorm import fuse

PARTS = ("slow pathway", "fast pathway", "lateral connections")


def parts(encoder: SlowFast) -> dict[str, list[torch.nn.Module]]:
    return dict(zip(PARTS, ([encoder.slow.stem, *encoder.slow.stages], [encoder.fast.stem, *encoder.fast.stages],
                            list(encoder.laterals)), strict=True))


def parts_of_peer(network: torch.nn.Module) -> dict[str, list[torch.nn.Module]]:
    """Return the same parts of pytorchvideo's network: stem and stages hold both pathways and what joins them."""
    stages = [block for block in network.blocks if hasattr(block, "multipathway_fusion")]
    slow, fast = ([block.multipathway_blocks[i] for block in stages] for i in range(2))
    return dict(zip(PARTS, (slow, fast, [block.multipathway_fusion for block in stages if block.multipathway_fusion]),
                    strict=True))


def timed(run: Callable[[], object], of: dict[str, list[torch.nn.Module]],
          clock: Callable[[], float]) -> dict[str, float]:
    """Return seconds of one run by part, and of the whole."""
    spent, begun, hooks = defaultdict(float), {}, []
    part_of = {module: part for part, modules in of.items() for module in modules}

    def before(module: torch.nn.Module, _: tuple) -> None:
        begun[module] = clock()

    def after(module: torch.nn.Module, *_: object) -> None:
        spent[part_of[module]] += clock() - begun[module]

    for module in part_of:
        hooks += module.register_forward_pre_hook(before), module.register_forward_hook(after)
    start = clock()
    run()
    spent["total"] = clock() - start
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


def contenders(preset: str, clip: torch.Tensor, peer: str) -> dict[str, tuple[Callable, dict]]:
    """Return what runs in turn: name -> how, and its parts."""
    found: dict[str, tuple[Callable, dict]] = {}
    for name in ("as built", "folded"):
        encoder = SlowFast.create(preset).eval()
        if name == "folded":
            fuse(encoder, clip)
        found[name] = (lambda encoder=encoder: encoder.logits(clip)), parts(encoder)
    if peer:
        sys.path.insert(0, peer)
        from pytorchvideo.models.slowfast import create_slowfast

        network = create_slowfast(slowfast_fusion_conv_kernel_size=(7, 1, 1)).eval()
        fast = clip.transpose(1, 2)
        found["pytorchvideo"] = (lambda: network([fast[:, :, ::4], fast])), parts_of_peer(network)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", nargs="?", default="slowfast-r50-8x8")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--peer", default="", help="a checkout of pytorchvideo; compares SlowFast R50 8x8")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    if given.peer and given.preset != "slowfast-r50-8x8":
        parser.error("--peer is for slowfast-r50-8x8")
    clip = torch.rand(1, SlowFast.PRESETS[given.preset].input.num_frames, 3, given.size, given.size)
    found = contenders(given.preset, clip, given.peer)
    clocks = {"CPU": time.process_time, "wall": time.perf_counter}
    runs: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    with torch.inference_mode():
        for run, _ in found.values():
            run()
        for _ in range(given.runs):
            for clock, now in clocks.items():
                for name, (run, of) in found.items():
                    runs[name, clock].append(timed(run, of, now))
    costs = work(given.preset, given.size)
    print(f"{given.preset}, {clip.shape[1]} frames of {given.size}x{given.size}, float32, {torch.get_num_threads()} "
          f"threads, median of {given.runs} runs in turn")
    print("multiply-adds: " + ", ".join(f"{part} {costs[part] / costs['total']:.1%}" for part in PARTS))
    print(f"{'':22}{'':6}{'total, ms':>10}" + "".join(f"{part:>21}" for part in PARTS))
    for (name, clock), measured in runs.items():
        shares = [statistics.median(run[part] / run["total"] for run in measured) for part in PARTS]
        total = statistics.median(run["total"] for run in measured)
        print(f"{name:22}{clock:6}{1e3 * total:10.0f}" + "".join(f"{share:21.1%}" for share in shares))


if __name__ == "__main__":
    main()
