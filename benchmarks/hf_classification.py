"""One VideoMAE-base with random weights: `transformers.pipeline("video-classification")` and ours, on the same frames.

    python benchmarks/hf_classification.py [--seconds 10 30 60] [--runs 2] [--beside 1]

Both look at 16 frames over the whole video and run the same network in float32; the last columns are ours as it comes,
in the precision that suits the processor. The second table says where the time goes, by part. transformers' pipeline is
called as its documentation shows, with a checkpoint that has a video processor; it decodes with torchcodec, which has
to be installed
(pip install "mmvideo[fast-decode]") beside FFmpeg's libraries. The files are 720p H.264 made from a real clip where one
is named, else from noise that moves. The logits are compared first, on the frames that transformers has chosen.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from mmvideo import Pipeline
from mmvideo.media import open_source
from mmvideo.sampling.segments import segments

FPS, HEIGHT, WIDTH, FRAMES = 25, 720, 1280, 16


def write_clip(path: Path, seconds: int, source: str | None) -> Path:
    """Write a 720p H.264 file of so many seconds, unless it is there."""
    if path.exists():
        return path
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 255, (HEIGHT // 8, WIDTH // 4, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23", "g": "250"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        pictures = _pictures(source) if source else None
        for t in range(seconds * FPS):
            shift = 4 * t % WIDTH
            picture = next(pictures) if pictures else wide[:, shift:shift + WIDTH]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def _pictures(source: str) -> Any:
    while True:
        with av.open(source) as file:
            for frame in file.decode(video=0):
                yield frame.reformat(WIDTH, HEIGHT, "rgb24").to_ndarray()


def checkpoint(folder: Path) -> Path:
    """Write VideoMAE-base for Kinetics-400 with random weights and its preprocessing."""
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification, VideoMAEVideoProcessor

    torch.manual_seed(0)
    VideoMAEForVideoClassification(VideoMAEConfig(num_labels=400, num_frames=FRAMES)).save_pretrained(folder)
    VideoMAEVideoProcessor().save_pretrained(folder)
    return folder


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep `count` cores busy with processes that only count."""
    children = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


clock = time.perf_counter


def timed(call: Any, runs: int) -> float:
    """Return the median seconds of a call."""
    seconds = []
    for _ in range(runs):
        start = clock()
        call()
        seconds.append(clock() - start)
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, nargs="+", default=[10, 30, 60])
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--source", help="a real clip to make the 720p files from")
    parser.add_argument("--busy", action="store_true", help="count seconds of the processor, with one thread for the "
                        "networks, on a machine that does other things as well")
    parser.add_argument("--beside", type=int, default=0, help="so many processes that keep a core busy run meanwhile")
    parser.add_argument("--folder", help="where the files are kept for another run")
    options = parser.parse_args()
    if options.busy:
        global clock
        clock = time.process_time
        torch.set_num_threads(1)
    from transformers import pipeline

    with (nullcontext(options.folder) if options.folder else tempfile.TemporaryDirectory() as folder,
          busy(options.beside)):
        Path(folder).mkdir(parents=True, exist_ok=True)
        clips = {seconds: str(write_clip(Path(folder) / f"{seconds}.mp4", seconds, options.source))
                 for seconds in options.seconds}
        home = checkpoint(Path(folder) / "videomae")
        theirs = pipeline("video-classification", model=str(home), device="cpu")
        ours = Pipeline("video-classification", model=home, device="cpu", dtype="float32", num_clips=1, top=400)
        stage = ours.stages[-1][1]
        usual = Pipeline("video-classification", model=home, device="cpu", num_clips=1, top=400)
        print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, VideoMAE-base, {FRAMES} frames, 720p\n")
        kept = str(next(usual.stages[-1][1].classifier.network.model.parameters()).dtype).removeprefix("torch.")
        print(f"| video | largest difference of logits | transformers | ours | faster | ours, {kept} | faster | its "
              "logits differ by |\n|---|---|---|---|---|---|---|---|")
        parts = []
        for seconds in options.seconds:
            clip = clips[seconds]
            given = theirs.preprocess(clip)["pixel_values"]
            with torch.inference_mode():
                reference = theirs.model(given).logits
            frames = _frames_of(theirs, clip)
            difference = float((stage.classifier.network.logits(frames[None]) - reference).abs().max())
            rounding = float((usual.stages[-1][1].classifier.network.logits(frames[None]) - reference).abs().max())
            slow = timed(lambda clip=clip: theirs(clip), options.runs)
            fast = timed(lambda clip=clip: ours(clip), options.runs)
            faster = timed(lambda clip=clip: usual(clip), options.runs)
            print(f"| {seconds} s | {difference:.1e} | {slow:.2f} s | {fast:.2f} s | {slow / fast:.2f} x | "
                  f"{faster:.2f} s | {slow / faster:.2f} x | {rounding:.1e} |", flush=True)
            parts.append(_parts(seconds, clip, theirs, stage, options.runs))
        print(f"\nlogits lie within {float(reference.abs().max()):.1f} of zero\n\n| video | transformers: decoding | "
              "preprocessing | network | ours: decoding | preprocessing | network |\n|---|---|---|---|---|---|---|")
        print("\n".join(parts))


def _parts(seconds: int, clip: str, theirs: Any, stage: Any, runs: int) -> str:
    """Return a row of the second table."""
    frames = _frames_of(theirs, clip)
    given = theirs.preprocess(clip)["pixel_values"]
    decode, prepare = theirs.video_processor._decode_and_sample_videos, theirs.video_processor
    choose = partial(prepare.sample_frames, num_frames=FRAMES)
    taken = [timed(lambda: decode([clip], video_metadata=None, do_sample_frames=True, sample_indices_fn=choose), runs),
             timed(lambda: prepare([frames], do_sample_frames=False, return_tensors="pt"), runs)]
    with torch.inference_mode():
        taken.append(timed(lambda: theirs.model(given), runs))

    def look() -> Any:
        with open_source(clip) as media:
            return segments(media, num_clips=1, num_frames=FRAMES)

    ours = look().frames[0]
    taken += [timed(look, runs), timed(lambda: stage.classifier.network.prepare(ours), runs)]
    pixels = stage.classifier.network.prepare(ours)
    with torch.inference_mode():
        taken.append(timed(lambda: stage.classifier.network.model(pixel_values=pixels), runs))
    return f"| {seconds} s | " + " | ".join(f"{t:.2f} s" for t in taken) + " |"


def _frames_of(pipe: Any, clip: str) -> torch.Tensor:
    """Return the very frames that transformers sampled, before its preprocessing."""
    kept: list[torch.Tensor] = []
    decode = pipe.video_processor._decode_and_sample_videos

    def noting(*arguments: Any, **named: Any) -> Any:
        videos, told = decode(*arguments, **named)
        kept.append(torch.as_tensor(np.asarray(videos[0])))
        return videos, told

    pipe.video_processor._decode_and_sample_videos = noting
    pipe.preprocess(clip)
    del pipe.video_processor._decode_and_sample_videos
    frames = kept[0]
    return frames if frames.shape[1] == 3 else frames.permute(0, 3, 1, 2)


if __name__ == "__main__":
    main()
