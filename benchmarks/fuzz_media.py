"""Break files byte by byte and see that nothing crashes, hangs or is lost in silence.

    python benchmarks/fuzz_media.py [--count 500] [--seed 0] [--media FOLDER ...]

Each mutated file is read in a process of its own (a fork) under a time limit. Every one must end as one of:

    same      the same frames at the same times as a plain full decode of the mutated file, and as many as were declared
              (a sparse reading of its own: the frames of the dense one, or a warning of its own)
    warned    frames, with a warning that says what is missing or doubtful
    error     one of the typed errors of mmvideo
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
GOOD = ("same", "warned", "error")
KINDS = ("flip 1", "flip 16", "flip 1 in 1000", "zero block", "cut", "remove block", "swap blocks", "header")


sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "media")]


def make_seeds(folder: Path) -> list[Path]:
    """Write small sound files to break: several containers and codecs, with sound."""
    plans = [("a.mp4", "libx264", "aac"), ("b.mkv", "libx264", "aac"), ("c.webm", "libvpx", "libopus"),
             ("d.avi", "mpeg4", "mp3"), ("e.ts", "mpeg2video", "mp2"), ("f.mov", "mjpeg", "pcm_s16le")]
    noise = np.random.default_rng(0)
    seeds = []
    for name, video, audio in plans:
        path = folder / name
        with av.open(str(path), "w") as out:
            picture = out.add_stream(video, rate=25)
            picture.width, picture.height, picture.gop_size = 96, 64, 10
            picture.pix_fmt = "yuvj420p" if video == "mjpeg" else "yuv420p"
            sound = out.add_stream(audio, rate=48000, layout="mono")
            base = noise.integers(0, 255, (64, 128, 3), np.uint8)
            for number in range(40):
                frame = av.VideoFrame.from_ndarray(np.roll(base, number, axis=1)[:, :96].copy())
                frame.pts, frame.time_base = number, Fraction(1, 25)
                out.mux(picture.encode(frame))
            out.mux(picture.encode(None))
            wave = (np.sin(np.arange(76800) / 20)[None] * 8000).astype(np.int16)
            beep = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            beep.sample_rate, beep.pts = 48000, 0
            fifo = av.AudioResampler(format=sound.codec_context.format, layout="mono", rate=48000,
                                     frame_size=sound.codec_context.frame_size or 1024)
            for piece in (*fifo.resample(beep), *fifo.resample(None)):
                out.mux(sound.encode(piece))
            out.mux(sound.encode(None))
        seeds.append(path)
    return seeds


def mutate(data: bytes, kind: str, dice: random.Random) -> bytes:
    """Break a file in one of several ways that happen to files."""
    out = bytearray(data)
    size = len(out)
    block = max(1, min(size // 8, dice.randrange(1, 4096)))
    at = dice.randrange(max(1, size - block))
    if kind == "cut":
        return bytes(out[:dice.randrange(1, size)])
    if kind == "zero block":
        out[at:at + block] = bytes(block)
    elif kind == "remove block":
        del out[at:at + block]
    elif kind == "swap blocks":
        to = dice.randrange(max(1, size - block))
        out[at:at + block], out[to:to + block] = out[to:to + block], out[at:at + block]
    else:
        count = {"flip 1": 1, "flip 16": 16, "header": 4}.get(kind, size // 1000 + 1)
        for _ in range(count):
            out[dice.randrange(min(size, 2048) if kind == "header" else size)] ^= 1 << dice.randrange(8)
    return bytes(out)


def judge(path: str) -> dict:
    """Read one file every way, and compare with the plain decode. Runs in the child process."""
    from reference import FAILURES, full_decode, increasing

    from mmvideo.errors import MmvideoError, NoAudioTrack
    from mmvideo.media import open_source
    try:
        with open_source(path) as source:
            stamps, pictures = [], []
            for video in source.stream(batch=16):
                stamps += video.pts_seconds.tolist()
                pictures += [frame.numpy() for frame in video.frames.permute(0, 2, 3, 1)]
            try:
                source.audio(sample_rate=16000, mono=True)
            except NoAudioTrack:
                pass
            except MmvideoError as error:
                source._audio_log.add(str(error))
            warnings = list(source.warnings)
            turned = bool(source.info.main_video.rotation or source.info.main_video.mirrored)
        with open_source(path) as source:  # anew, so that nothing but the sparse reading itself can warn
            picked = source.frames_at(stamps[::5])
            told = bool(source.warnings)
    except MmvideoError as error:
        return {"outcome": "error", "detail": f"{type(error).__name__}: {str(error)[-90:]}"}
    for row, seconds in enumerate(stamps[::5]):
        same = picked.pts_seconds[row] == seconds and np.array_equal(picked.frames[row].permute(1, 2, 0).numpy(),
                                                                     pictures[row * 5])
        if not same and not told:
            return {"outcome": "SPARSE DIFFERS", "detail": f"at {seconds:.3f} s, dense reading warned: {warnings[:1]}"}
    if warnings:
        return {"outcome": "warned", "detail": warnings[0][:100]}
    try:
        frames, times = increasing(*full_decode(path))
    except FAILURES as error:
        return {"outcome": "SILENT", "detail": f"plain decode fails: {error}"}
    if times != stamps:
        return {"outcome": "SILENT", "detail": f"{len(stamps)} frames, plain decode has {len(times)}"}
    alike = turned or all(np.array_equal(a, b) for a, b in zip(frames, pictures, strict=True) if a.shape == b.shape)
    return {"outcome": "same" if alike else "SILENT", "detail": "" if alike else "pixels differ"}


def serve(limit_seconds: float) -> None:
    """Judge the paths that come on standard input, each in a fork of its own, so that torch is imported once."""
    import mmvideo.media  # noqa: F401  imported before the forks
    for line in sys.stdin:
        receive, send = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(send, 2)  # whatever is printed to stderr is noise that must not be
            try:
                answer = json.dumps(judge(line.strip()))
            except BaseException as error:  # noqa: BLE001  an untyped error is what this looks for
                answer = json.dumps({"outcome": "CRASH", "detail": f"{type(error).__name__}: {error}"[:200]})
            os.write(send, f"\n{answer}".encode())
            os._exit(0)
        os.close(send)
        print(json.dumps(_wait(child, receive, limit_seconds)), flush=True)


def _wait(child: int, receive: int, limit_seconds: float) -> dict:
    """Collect a child's answer; a crash or a hang is an answer too."""
    text, deadline = b"", time.monotonic() + limit_seconds
    while True:
        ready, _, _ = select.select([receive], [], [], max(0.0, deadline - time.monotonic()))
        piece = os.read(receive, 65536) if ready else None
        if not piece:
            break
        text += piece
    os.close(receive)
    if piece is None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if piece is None:
        return {"outcome": "HANG", "detail": f"over {limit_seconds:g} s"}
    if os.WIFSIGNALED(status):
        return {"outcome": "CRASH", "detail": f"signal {os.WTERMSIG(status)}"}
    *noise, answer = text.decode(errors="replace").splitlines()
    result = json.loads(answer)
    return {**result, "noise": noise[-1]} if any(noise) else result


def fuzz(count: int, *, seed: int = 0, media: list[Path] | None = None, limit_seconds: float = 120.0,
         workers: int = 2, cases: list[int] | None = None) -> list[dict]:
    """Break `count` files and judge each; the n-th mutation depends only on the seed and n."""
    with tempfile.TemporaryDirectory() as folder:
        root, numbers = Path(folder), list(range(count)) if cases is None else cases
        seeds = make_seeds(root) + [path for path in media or [] if 0 < path.stat().st_size < 3_000_000]

        judges = [subprocess.Popen([sys.executable, __file__, "--serve", str(limit_seconds)], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(workers)]

        def share(worker: int) -> list[dict]:
            return [one(number, judges[worker]) for number in numbers[worker::workers]]

        def one(number: int, judge_process: subprocess.Popen) -> dict:
            dice = random.Random(seed * 1_000_003 + number)
            source, kind = seeds[number % len(seeds)], KINDS[number // len(seeds) % len(KINDS)]
            path = root / f"broken-{number}{source.suffix}"
            path.write_bytes(mutate(source.read_bytes(), kind, dice))
            judge_process.stdin.write(f"{path}\n")
            judge_process.stdin.flush()
            result = json.loads(judge_process.stdout.readline())
            path.unlink()
            return {"number": number, "source": source.name, "kind": kind, **result}

        try:
            with ThreadPoolExecutor(workers) as pool:
                results = [result for part in pool.map(share, range(workers)) for result in part]
        finally:
            for process in judges:
                process.stdin.close()
                process.wait()
    return sorted(results, key=lambda result: result["number"])


def main() -> None:
    """Fuzz and print a table of outcomes; exit 1 if any is not good."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--media", type=Path, nargs="*", default=[], help="folders of further files to break")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--case", type=int, nargs="*", help="only these numbers")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    media = sorted(path for folder in options.media for path in folder.rglob("*") if path.suffix in
                   {".mp4", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".gif"})
    results = fuzz(options.count, seed=options.seed, media=media, workers=options.workers,
                   cases=options.case)
    table = collections.Counter((result["kind"], result["outcome"]) for result in results)
    outcomes = [*GOOD, *sorted({result["outcome"] for result in results} - set(GOOD))]
    print("| mutation | " + " | ".join(outcomes) + " |\n|---" + "|---" * len(outcomes) + "|")
    for kind in KINDS:
        print(f"| {kind} | " + " | ".join(str(table[kind, outcome]) for outcome in outcomes) + " |")
    total = collections.Counter(result["outcome"] for result in results)
    print("| all | " + " | ".join(str(total[outcome]) for outcome in outcomes) + " |")
    bad = [result for result in results if result["outcome"] not in GOOD or "noise" in result]
    for result in bad[:40]:
        print(result)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
