"""What separating voices costs: real-time factor with and without face work at 720p, and memory at two lengths.

    python benchmarks/separation.py [--threads 2] [--minutes 1 30] [--skip-cost | --skip-memory]

The clips are drawn talkers (`mmvideo.separation.talkers`) saying what the bundled clip says. Memory is measured in a
process of its own for each length, on the bundled clip at 320x180, repeated.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import torch

from mmvideo import Pipeline
from mmvideo.media import read_audio, read_video, write_video
from mmvideo.separation.talkers import film
from mmvideo.types import Audio
from mmvideo.weights import weights_root

CLIP = weights_root() / "demo" / "voices.mp4"


def hd_clip(path: Path) -> Path:
    """Write 10 s of two talkers at 1280x720."""
    said = read_audio(CLIP, sample_rate=16000, mono=True, end_seconds=10.0).samples[0]
    frames = np.stack(list(film([said, said.roll(16000)], [5, 4], height=720, width=1280, side=236)))
    write_video(path, torch.from_numpy(frames).permute(0, 3, 1, 2), fps=25, audio=Audio(said[None], 16000))
    return path


def repeated(path: Path, minutes: float) -> Path:
    """Write the bundled clip at 320x180 again and again; it is encoded once."""
    one = path.with_name("one.mp4")
    write_video(one, read_video(CLIP, size=(180, 320), end_seconds=10.0).frames, fps=25,
                audio=read_audio(CLIP, end_seconds=10.0))
    with av.open(str(path), "w") as out:
        times = round(minutes * 6)
        streams, ends = {}, {}
        for turn in range(times):
            with av.open(str(one)) as given:
                for stream in (given.streams.video[0], given.streams.audio[0]):
                    streams.setdefault(stream.type, None)
                    if streams[stream.type] is None:
                        streams[stream.type] = out.add_stream_from_template(stream)
                        ends[stream.type] = round(10 / stream.time_base)
                for packet in given.demux(given.streams.video[0], given.streams.audio[0]):
                    kind = packet.stream.type
                    if packet.dts is None or packet.dts >= ends[kind] or (kind == "audio" and packet.dts < 0):
                        continue
                    packet.pts, packet.dts = packet.pts + turn * ends[kind], packet.dts + turn * ends[kind]
                    packet.stream = streams[kind]
                    out.mux(packet)
    return path


def cost(clip: Path, threads: int) -> None:
    """Print seconds of work per second of clip, by stage."""
    torch.set_num_threads(threads)
    pipe = Pipeline("source-separation", device="cpu")
    pipe(clip)
    wall, work = time.perf_counter(), time.process_time()
    result = pipe(clip)
    wall, work = time.perf_counter() - wall, time.process_time() - work
    stages = dict(result.timings.stages)
    print(f"{len(result.tracks)} faces, {result.duration_seconds:.1f} s at 1280x720, {threads} threads")
    print(f"  with face work     real-time factor {wall / result.duration_seconds:.3f} (work {work:.2f} s of CPU)")
    for name in ("faces", "separate"):
        print(f"  {name:18} real-time factor {stages[name] / result.duration_seconds:.3f}")


def memory(clip: Path, threads: int) -> None:
    """Separate and save a clip in this process; print its peak memory in MiB (Linux), and the seconds it took."""
    torch.set_num_threads(threads)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = Pipeline("source-separation", device="cpu")(clip)
        result.save(folder)
        voices = len(result.tracks)
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    print(f"{peak / 1024:.0f} {time.perf_counter() - began:.0f} {voices}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 30])
    parser.add_argument("--skip-cost", action="store_true")
    parser.add_argument("--skip-memory", action="store_true")
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        memory(options.memory_of, options.threads)
        return
    with tempfile.TemporaryDirectory() as folder:
        if not options.skip_cost:
            cost(hd_clip(Path(folder) / "hd.mp4"), options.threads)
        for minutes in [] if options.skip_memory else options.minutes:
            clip = repeated(Path(folder) / "long.mp4", minutes)
            told = subprocess.run([sys.executable, __file__, "--memory-of", str(clip), "--threads",
                                   str(options.threads)], check=True, capture_output=True, text=True).stdout.split()
            print(f"{minutes:g} minutes at 320x180, {told[2]} voices, separated and saved: peak memory {told[0]} MiB, "
                  f"{told[1]} s", flush=True)


main()
