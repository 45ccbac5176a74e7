"""What it costs to separate sound while it is recorded: real-time factor, time of a piece, memory, and equality.

    python benchmarks/separation_stream.py [--seconds 60] [--piece-ms 40 80 160] [--faces 2] [--threads 1]

The network is the preset mouth-mask-deep-causal with random weights, which cost what trained ones cost. Sound and
mouths are noise. Faces are not searched for: mouth pictures of 96 x 96 pixels are given.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch

from mmvideo.separation.mouth_mask import MouthMask
from mmvideo.types import Cues

RATE, FRAME = 16000, 640


def memory_mib() -> float:
    """Return the memory of this process now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def streamed(net: MouthMask, faces: int, seconds: float, piece: int) -> str:
    """Push so many pictures at a time until the time is over; return a row of the table."""
    stream = net.stream(faces)
    sound, mouths = torch.randn(piece * FRAME) * 0.1, torch.randint(0, 256, (faces, piece, 96, 96), dtype=torch.uint8)
    took, early = [], 0.0
    rounds = round(seconds * 25 / piece)
    began = time.process_time()
    for turn in range(rounds):
        at = time.perf_counter()
        stream.push(sound, mouths)
        took.append(time.perf_counter() - at)
        if turn == rounds // 4:
            early = memory_mib()
    work = time.process_time() - began
    grown = memory_mib() - early
    length = rounds * piece / 25
    worst = sorted(took)[int(len(took) * 0.99)] * 1000
    waits = (stream.latency_seconds + piece / 25) * 1000
    return (f"{piece * 40:6d} ms {length:8.0f} s {work / length:12.3f} {statistics.median(took) * 1000:12.1f} ms "
            f"{worst:8.1f} ms {waits:12.0f} ms {grown:+10.1f} MiB")


def whole(net: MouthMask, faces: int) -> str:
    """Compare 10 s at once with the same 10 s in pieces of one picture."""
    sound = torch.randn(10 * RATE) * 0.1
    cues = Cues(torch.randint(0, 256, (1, faces, 250, 96, 96), dtype=torch.uint8),
                torch.ones(1, faces, 250, dtype=torch.bool))
    began = time.process_time()
    with torch.no_grad():
        voices = net(sound[None], cues)[0]
    work = time.process_time() - began
    stream = net.stream(faces)
    pieces = [stream.push(sound[k * FRAME:(k + 1) * FRAME], cues.mouths[0, :, k:k + 1]) for k in range(250)]
    off = (torch.cat([*pieces, stream.finish()], 1) - voices).abs().max() / voices.abs().max()
    return (f"10 s at once: real-time factor {work / 10:.3f}; in pieces of one picture it differs by {off:.1e} of the "
            "scale")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--piece-ms", type=int, nargs="+", default=[40, 80, 160])
    parser.add_argument("--faces", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    net = MouthMask.create("mouth-mask-deep-causal").eval()
    print(f"{options.faces} faces, {options.threads} threads; work is CPU time")
    print(whole(net, options.faces))
    print("    piece   length   work a second  median piece  99 % of them  all delay    memory since the first quarter")
    for ms in options.piece_ms:
        print(streamed(net, options.faces, options.seconds, max(1, ms // 40)), flush=True)


main()
