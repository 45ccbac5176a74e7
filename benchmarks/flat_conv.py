"""python benchmarks/flat_conv.py [--threads 1] [--runs 7]: 3D convolutions of one point, of time or of space alone.

Each as torch's conv3d and as `mmvideo.nn.flat_conv`, one clip, float32, without gradients, in turn, median CPU time.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import nn

from mmvideo.nn.flat_conv import flatten

CASES = [
    ("SlowFast res2, slow, conv_c", (64, 256), (1, 1, 1), (8, 64), 1),
    ("SlowFast res5, slow, conv_a", (2048, 512), (3, 1, 1), (8, 8), 1),
    ("SlowFast res4, slow, conv_a", (1024, 256), (3, 1, 1), (8, 16), 1),
    ("SlowFast res3, slow, conv_skip", (320, 512), (1, 1, 1), (8, 64), 2),
    ("SlowFast res2, fast, conv_a", (32, 8), (3, 1, 1), (32, 64), 1),
    ("SlowFast res2, fast, conv_b", (8, 8), (1, 3, 3), (32, 64), 1),
    ("SlowFast res5, fast, conv_b", (64, 64), (1, 3, 3), (32, 8), 1),
    ("R(2+1)D layer1, in time", (144, 64), (3, 1, 1), (16, 56), 1),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"{'':34}{'kernel':12}{'conv3d, ms':>12}{'ours, ms':>10}{'ratio':>8}{'difference':>12}")
    with torch.inference_mode():
        for name, (dim_in, dim), kernel, (frames, side), stride in CASES:
            padding = tuple(k // 2 for k in kernel)
            plain = nn.Conv3d(dim_in, dim, kernel, (1, stride, stride), padding, bias=False).eval()
            ours = nn.Conv3d(dim_in, dim, kernel, (1, stride, stride), padding, bias=False).eval()
            ours.load_state_dict(plain.state_dict())
            flatten(ours)
            x = torch.rand(1, dim_in, frames, side, side)
            expected, found = plain(x), ours(x)
            times: dict[nn.Module, list[float]] = {plain: [], ours: []}
            for _ in range(given.runs):
                for layer, spent in times.items():
                    start = time.process_time()
                    layer(x)
                    spent.append(1000 * (time.process_time() - start))
            theirs, mine = (statistics.median(spent) for spent in times.values())
            gap = float((found - expected).abs().max() / expected.abs().max())
            print(f"{name:34}{'x'.join(map(str, kernel)):12}{theirs:12.1f}{mine:10.1f}{mine / theirs:8.2f}{gap:12.0e}")


if __name__ == "__main__":
    main()
