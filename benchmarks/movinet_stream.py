"""python benchmarks/movinet_stream.py [--preset movinet-a0-stream] [--frames 16 160 1600]: a stream's memory and time.

Frames are fed one by one. Told, after so many of them: the bytes that the stream keeps, the memory of the process, and
the time of a frame.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch

from mmvideo.encoders.movinet import MoViNet


def resident_mib() -> float:
    """Return the memory that this process holds now (Linux)."""
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(fields["VmRSS"].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="movinet-a0-stream")
    parser.add_argument("--frames", type=int, nargs="+", default=[16, 160, 1600])
    given = parser.parse_args()
    encoder = MoViNet.create(given.preset).eval()
    shape, stream, times = MoViNet.PRESETS[given.preset].input, encoder.stream(), []
    print(f"{given.preset}, {shape.height}x{shape.width}, {torch.get_num_threads()} threads, frames one by one\n")
    print("| frames | stream keeps, MiB | process, MiB | a frame, ms (median of the last 16) |\n|---|---|---|---|")
    with torch.inference_mode():
        for number in range(1, max(given.frames) + 1):
            frame = torch.rand(1, 1, 3, shape.height, shape.width)
            began = time.perf_counter()
            stream.step(frame)
            times.append(1000 * (time.perf_counter() - began))
            if number in given.frames:
                print(f"| {number} | {stream.memory_bytes() / 2**20:.2f} | {resident_mib():.0f} | "
                      f"{statistics.median(times[-16:]):.1f} |", flush=True)


if __name__ == "__main__":
    main()
