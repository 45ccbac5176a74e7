"""How fast and how lean decoding is, against what people use now; one run prints one table.

    python benchmarks/decode.py --work out/bench [--minutes 10] [--torchcodec-python PYTHON]
                                [--only transformers|torchcodec|dense|memory ...]

Makes its own 1280x720 H.264 file (GOP 250), once. Torchcodec is compared where it imports, in this Python or in the one
named. Times are wall clock of whole calls, opening included.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

HEIGHT, WIDTH, FPS, GOP = 720, 1280, 25, 250
PARTS = ["torchcodec", "transformers", "dense", "memory"]
BATCHES = (8, 32)


def moving_picture(count: int = 125) -> list[av.VideoFrame]:
    """Make frames of a window gliding over a textured plane, in yuv420p."""
    noise = np.random.default_rng(0)
    plane = np.zeros((HEIGHT + 256, WIDTH + 256))
    for cell in (4, 16, 64):
        coarse = noise.uniform(0, 1, (plane.shape[0] // cell + 1, plane.shape[1] // cell + 1))
        plane += np.kron(coarse, np.ones((cell, cell)))[:plane.shape[0], :plane.shape[1]] * cell
    plane = (16 + 219 * (plane - plane.min()) / np.ptp(plane)).astype(np.uint8)
    frames = []
    for number in range(count):
        angle = 2 * np.pi * number / count
        top, left = int(64 + 63 * np.sin(angle)) * 2, int(64 + 63 * np.cos(angle)) * 2
        luma = plane[top:top + HEIGHT, left:left + WIDTH]
        chroma = plane[top:top + HEIGHT:2, left:left + WIDTH:2].reshape(-1, WIDTH)
        frames.append(av.VideoFrame.from_ndarray(np.concatenate([luma, chroma, 255 - chroma]), format="yuv420p"))
    return frames


def make_film(path: Path, minutes: float) -> None:
    """Encode the film with a keyframe every 250 frames, as x264 does by default."""
    part = path.with_suffix(".part.mp4")
    frames = moving_picture()
    with av.open(str(part), "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = WIDTH, HEIGHT, "yuv420p", GOP
        for number in range(round(minutes * 60 * FPS)):
            frame = frames[number % len(frames)]
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    part.rename(path)


def repeat_film(source: Path, path: Path, minutes: float) -> None:
    """Join copies of a film, packet by packet, to the asked length."""
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w", format="mp4") as out:
        stream, offset, seconds = None, 0, 0.0
        while seconds < minutes * 60:
            with av.open(str(source)) as film:
                track = film.streams.video[0]
                stream = stream or out.add_stream_from_template(track)
                for packet in film.demux(track):
                    if packet.dts is None:
                        continue
                    packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                    packet.stream = stream
                    out.mux(packet)
                offset += track.duration
                seconds += float(track.duration * track.time_base)
    part.rename(path)


def film_of(work: Path, minutes: float) -> Path:
    """Return the film of some minutes, made if it is not there: one minute is encoded, longer ones repeat it."""
    path, minute = work / f"film-{minutes:g}min.mp4", work / "film-1min.mp4"
    if not minute.exists():
        make_film(minute, 1)
    if not path.exists():
        repeat_film(minute, path, minutes)
    return path


@dataclass(frozen=True)
class Cost:
    """Seconds of one call: wall clock, and processor time of all its threads (steadier on a busy machine)."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} s wall, {self.cpu:.2f} s cpu"


def timed(work: Callable[[], object], repeats: int) -> tuple[Cost, object]:
    """Return the best of several times and the last result."""
    costs, result = [], None
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        costs.append(Cost(time.perf_counter() - wall, time.process_time() - cpu))
    return best(costs), result


def best(costs: list[Cost]) -> Cost:
    """Return the least wall and the least processor time."""
    return Cost(min(cost.wall for cost in costs), min(cost.cpu for cost in costs))


def sparse_ours(film: str, num: int = 16, size: int | None = None):
    """Read uniform frames with mmvideo."""
    from mmvideo.media import open_source
    from mmvideo.sampling import uniform
    with open_source(film) as source:
        return uniform(source, num_frames=num, size=size)


def sparse_at(film: str, seconds: list[float]):
    """Read the frames shown at given times with mmvideo."""
    from mmvideo.media import open_source
    with open_source(film) as source:
        return source.frames_at(seconds)


def dense_ours(film: str, end_seconds: float, batch: int) -> int:
    """Stream frames at full size, in RGB."""
    from mmvideo.media import open_source
    with open_source(film) as source:
        return sum(len(video) for video in source.stream(batch=batch, end_seconds=end_seconds))


def dense_bare(film: str, end_seconds: float, batch: int | None = None) -> int:
    """Decode in the plainest PyAV loop, every frame to an RGB array; stacked to batches, or else dropped at once."""
    count, kept = 0, []
    with av.open(film) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            if frame.time >= end_seconds:
                break
            pixels = frame.to_rgb().to_ndarray()
            count += 1
            if batch is not None:
                kept.append(pixels)
                if len(kept) == batch:
                    np.stack(kept)
                    kept.clear()
    if kept:
        np.stack(kept)
    return count


TORCHCODEC = """
import sys, time, json
from torchcodec.decoders import VideoDecoder
film, num = sys.argv[1], int(sys.argv[2])
costs = []
for _ in range(2):
    begin = time.perf_counter(), time.process_time()
    decoder = VideoDecoder(film, seek_mode="exact")
    length = decoder.metadata.end_stream_seconds
    decoder.get_frames_played_at([(i + 0.5) * length / num for i in range(num)])
    costs.append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
print(json.dumps([min(cost) for cost in zip(*costs)]))
"""


def torchcodec_seconds(film: str, num: int, python: str) -> Cost | str:
    """Time torchcodec's exact mode in its own process; say why not if it does not import."""
    done = subprocess.run([python, "-c", TORCHCODEC, film, str(num)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return Cost(*json.loads(done.stdout.strip().splitlines()[-1]))
    return "does not import here: " + (done.stderr.strip().splitlines() or ["no message"])[-1][:80]


def peak_megabytes(film: str) -> float:
    """Stream a whole film at 224x224 in a process of its own; return its peak resident memory."""
    code = f"""
import resource
from mmvideo.media import open_source
with open_source({film!r}) as source:
    count = sum(len(video) for video in source.stream(size=224, batch=32))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, peak = map(int, done.stdout.split())
    print(f"    {count} frames, peak {peak / 1024:.1f} MB")
    return peak / 1024


def row(name: str, ours: Cost, theirs: Cost | str, aim: str) -> None:
    """Print one line of the table."""
    ratio = "-" if isinstance(theirs, str) else f"{theirs.wall / ours.wall:.2f} wall, {theirs.cpu / ours.cpu:.2f} cpu"
    print(f"| {name} | {ours} | {theirs} | {ratio} | {aim} |", flush=True)


def main() -> None:
    """Make what is missing, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("out/bench"))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--dense-seconds", type=float, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--torchcodec-python", default=sys.executable)
    parser.add_argument("--only", choices=PARTS, action="append", help="a part of the table; may be given again")
    options = parser.parse_args()
    parts = options.only or PARTS
    options.work.mkdir(parents=True, exist_ok=True)
    film = film_of(options.work, options.minutes)
    print(f"film: {film.name}, {film.stat().st_size / 1e6:.1f} MB, {WIDTH}x{HEIGHT}, {FPS} fps, GOP {GOP}\n")
    print("| what | mmvideo | other | other / mmvideo | aim |\n|---|---|---|---|---|", flush=True)
    if "torchcodec" in parts:
        sparse_torchcodec(str(film), options.torchcodec_python, options.repeats)
    if "transformers" in parts:
        sparse_transformers(str(film), options.repeats)
    if "dense" in parts:
        dense(str(film), options.dense_seconds, options.repeats)
    if "memory" in parts:
        memory(options.work)
    print(f"\npeak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def sparse_torchcodec(film: str, python: str, repeats: int) -> None:
    """Compare 16 uniform frames with torchcodec, and with the same frames made small."""
    ours, _ = timed(lambda: sparse_ours(film), repeats)
    row("16 uniform frames vs torchcodec exact", ours, torchcodec_seconds(film, 16, python), ">= 1")
    small, _ = timed(lambda: sparse_ours(film, size=224), repeats)
    row("16 uniform frames at 224x224 vs full size", small, ours, "-")


def sparse_transformers(film: str, repeats: int) -> None:
    """Compare 16 uniform frames with transformers, which decodes every frame up to the last one asked for."""
    import torch
    from transformers.video_utils import load_video
    theirs, (frames, metadata) = timed(lambda: load_video(film, backend="pyav", num_frames=16), 1)
    ours, _ = timed(lambda: sparse_ours(film), repeats)
    row("16 uniform frames vs transformers pyav", ours, theirs, ">= 5")
    seconds = [index / FPS for index in metadata.frames_indices]
    same, video = timed(lambda: sparse_at(film, seconds), repeats)
    equal = torch.equal(video.frames, torch.as_tensor(np.asarray(frames)).permute(0, 3, 1, 2))
    row(f"the very frames of transformers (pixels equal: {equal})", same, theirs, ">= 5")


def dense(film: str, seconds: float, repeats: int) -> None:
    """Compare reading every frame in RGB, alternating so that all see the same machine.

    mmvideo gives batches of frames in one tensor, for which PyAV's own frames must be copied once; so does whoever
    stacks the frames of a bare loop. A loop that drops each frame at once saves that copy and is shown beside it.
    """
    work = {"dropped": lambda: dense_bare(film, seconds)}
    for batch in BATCHES:
        work["stacked", batch] = lambda batch=batch: dense_bare(film, seconds, batch)
        work["ours", batch] = lambda batch=batch: dense_ours(film, seconds, batch)
    costs: dict = {name: [] for name in work}
    counts = set()
    for _ in range(repeats):
        for name, call in work.items():
            cost, count = timed(call, 1)
            costs[name].append(cost)
            counts.add(count)
    assert len(counts) == 1, f"frame counts differ: {counts}"
    for batch in BATCHES:
        ours, what = best(costs["ours", batch]), f"{min(counts)} frames in RGB, batch={batch}, vs bare PyAV loop"
        row(f"{what} with np.stack", ours, best(costs["stacked", batch]), ">= 0.9")
        row(f"{what} that drops every frame", ours, best(costs["dropped"]), "-")


def memory(work: Path) -> None:
    """Compare peak memory of streaming one minute and sixty."""
    long, short = (peak_megabytes(str(film_of(work, minutes))) for minutes in (60, 1))
    print(f"| peak memory, 60 min vs 1 min | {long:.0f} MB | {short:.0f} MB | {long / short:.3f} | 0.9 to 1.1 |")


if __name__ == "__main__":
    main()
