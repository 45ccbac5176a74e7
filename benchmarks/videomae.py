"""What masking saves: a VideoMAE pretraining step (forward and backward) at several ratios beside one without masks.

    python benchmarks/videomae.py [--preset videomae-b] [--batch 1] [--runs 3] [--threads 2]

Each row is measured in a process of its own, so that its peak of memory is its own; rows take turns, and the median of
each is told. Without masks the encoder sees all tubelets and the loss counts them all.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

ROWS = (("no masks", 0.0, 0.0), ("tubes 75 %", 0.75, 0.0), ("tubes 90 %", 0.9, 0.0), ("tubes 95 %", 0.95, 0.0),
        ("tubes 90 %, running cells 50 %", 0.9, 0.5))


def measure(preset: str, batch: int, ratio: float, cells: float, attention: str) -> dict[str, float]:
    """Time one step after a warm-up step, in this process."""
    import torch

    from mmvideo.encoders.masked_autoencoder import MaskedAutoencoder
    from mmvideo.nn.costs import multiply_adds
    from mmvideo.nn.masks import running_cell_mask, tube_mask

    torch.manual_seed(0)
    network = MaskedAutoencoder(preset, **({"attention": attention} if attention else {}))
    i = network.encoder.input
    frames = torch.rand(batch, i.num_frames, len(i.mean), i.height, i.width)
    masks = [tube_mask(network.grid, ratio, batch=batch)]
    if cells:
        masks.append(running_cell_mask(network.grid, cells, batch=batch))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(2):
        network.zero_grad()
        began = time.perf_counter()
        network.loss(frames, *masks).backward()
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work = multiply_adds(lambda: network.loss(frames, *masks)) / batch / 1e9
    return {"seconds": seconds, "peak": peak / 2**20, "step": (peak - before) / 2**20, "work": work}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="videomae-b")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--attention", default="", help="sdpa or eager (default: the preset's)")
    parser.add_argument("--row", nargs=2, type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    if options.row:
        print(json.dumps(measure(options.preset, options.batch, *options.row, options.attention)))
        return
    told: dict[str, list[dict[str, float]]] = {name: [] for name, *_ in ROWS}
    for _ in range(options.runs):
        for name, ratio, cells in ROWS:
            command = [sys.executable, __file__, *sys.argv[1:], "--row", str(ratio), str(cells)]
            line = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            told[name].append(json.loads(line))
    print(f"{options.preset}, batch of {options.batch}, {options.threads} threads, medians of {options.runs} runs, "
          f"load average {os.getloadavg()[0]:.1f}")
    print(f"{'':32}{'s a step':>10}{'faster':>9}{'GiB of a step':>15}{'less':>8}{'peak GiB':>10}{'G forward':>11}")
    rows = {name: {k: statistics.median(run[k] for run in runs) for k in runs[0]} for name, runs in told.items()}
    whole = rows[ROWS[0][0]]
    for name, row in rows.items():
        print(f"{name:32}{row['seconds']:10.2f}{whole['seconds'] / row['seconds']:8.1f}x{row['step']:15.2f}"
              f"{whole['step'] / row['step']:7.1f}x{row['peak']:10.2f}{row['work']:11.1f}")


if __name__ == "__main__":
    main()
