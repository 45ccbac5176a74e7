"""How long an answer takes: once loaded, and from the shell beside the imports that it cannot do without.

    python benchmarks/answer.py [--model FOLDER] [--threads 2]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from mmvideo import Pipeline
from mmvideo.cli.make import NEXT, demo_clip
from mmvideo.media import read_audio, read_video, write_video
from mmvideo.types import Audio

IMPORTS = """
import torch
from transformers import PreTrainedTokenizerFast, VideoMAEConfig
from transformers.models.llama.modeling_llama import LlamaForCausalLM
from transformers.models.videomae.modeling_videomae import VideoMAEModel
"""
"""What the question-answering pipeline needs of torch and transformers, and nothing else."""


def ten_seconds(folder: Path) -> Path:
    """Write the bundled clip five times in a row: 10 s with sound."""
    video, sound = read_video(demo_clip()), read_audio(demo_clip())
    fps = len(video) / video.duration_seconds
    audio = Audio(sound.samples.repeat(1, 5), sound.sample_rate)
    write_video(folder / "ten.mp4", video.frames.repeat(5, 1, 1, 1), fps=fps, audio=audio)
    return folder / "ten.mp4"


def loaded(clip: Path, model: str | None, runs: int) -> list[float]:
    """Return the seconds of each run of a loaded pipeline, from the path to the answer."""
    pipe = Pipeline("video-qa", model=model, device="cpu")
    pipe(clip, NEXT)
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        pipe(clip, NEXT)
        seconds.append(time.perf_counter() - start)
    return seconds


def shell(command: list[str], runs: int) -> list[float]:
    """Return the seconds of each run of a command."""
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return seconds


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        clip = ten_seconds(Path(folder))
        print(f"load average {os.getloadavg()[0]:.1f}, {options.threads} threads, medians of {options.runs} runs")
        print(f"loaded, 10 s clip, one question: {statistics.median(loaded(clip, options.model, options.runs)):.2f} s")
        imports = statistics.median(shell(["-c", IMPORTS], options.runs))
        model = ["--model", options.model] if options.model else []
        ask = ["-m", "mmvideo", "ask", str(clip), NEXT, "--device", "cpu", *model]
        asked = statistics.median(shell(ask, options.runs))
        print(f"shell: mmvideo ask {asked:.2f} s, the imports alone {imports:.2f} s: {asked - imports:.2f} s more")


if __name__ == "__main__":
    main()
