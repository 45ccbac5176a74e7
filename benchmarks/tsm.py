"""python benchmarks/tsm.py [REPEATS]: time of TSM over the same timm ResNet-50 per frame, on this CPU.

The two networks run in turn on the same clip; the median of the ratios of neighbouring runs is printed, of process
time (other work on the machine counts less) and of wall time. Set OMP_NUM_THREADS=1 on a busy machine.
"""

from __future__ import annotations

import statistics
import sys
import time

import torch

from mmvideo.encoders.tsm import TSM


def main(repeats: int) -> None:
    import timm

    torch.manual_seed(0)
    tsm = TSM.create("tsm-r50-8f").eval()
    plain = timm.create_model("resnet50", num_classes=400).eval()
    clip = torch.rand(1, 8, 3, 224, 224)
    normal = tsm.prepare(clip)
    runs = {"resnet50 per frame": lambda: plain(normal.flatten(0, 1)).unflatten(0, (1, 8)).mean(1),
            "tsm-r50-8f": lambda: tsm.classify(tsm.encode(normal))}
    cpu, wall = ({name: [] for name in runs} for _ in range(2))
    with torch.inference_mode():
        for run in runs.values():
            run()
        for i in range(repeats):
            for name in (list(runs) if i % 2 else list(runs)[::-1]):
                began, began_cpu = time.perf_counter(), time.process_time()
                runs[name]()
                cpu[name].append(time.process_time() - began_cpu)
                wall[name].append(time.perf_counter() - began)
    print(f"8 x 224 x 224, {torch.get_num_threads()} threads, {repeats} runs each, in turn")
    for what, times in (("CPU time", cpu), ("wall time", wall)):
        base, ours = times.values()
        ratio = statistics.median(o / b for o, b in zip(ours, base, strict=True))
        print(f"{what}: " + ", ".join(f"{name} {statistics.median(t):.3f} s" for name, t in times.items())
              + f"; ratio {ratio:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
