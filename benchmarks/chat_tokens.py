"""What `drop_below` (EVS) spares a chat model of the hub: tokens over many clips, and seconds and replies on some.

    python benchmarks/chat_tokens.py clips/*.mp4 --timed interview.mp4 bikes.mp4 [--frames 8]

Tokens: the share that is read of the 64 of each frame, frames spread evenly. Seconds: a checkpoint of random weights in
the sizes of SmolVLM2-256M (`hub_session.py`), CPU seconds of one thread for reading the video and the first question
with a reply of 8 tokens, and of the language model's part of it. Its replies mean nothing; whether they change does say
that the weights notice what is left out. `--reading 16` times a language model of these sizes alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from hub_session import checkpoint

from mmvideo import Pipeline
from mmvideo.errors import MmvideoError
from mmvideo.media import open_source
from mmvideo.nn.token_reduction import still
from mmvideo.sampling.uniform import uniform

THRESHOLDS = (0.02, 0.05, 0.1)
SIDE = 8
"""Tokens of a frame, across and down."""


def shares(clips: list[Path], frames: int) -> None:
    """Print which share of the tokens is read, over all clips."""
    read: dict[float, list[float]] = {threshold: [] for threshold in THRESHOLDS}
    for path in clips:
        try:
            with open_source(path) as media:
                seen = uniform(media, num_frames=frames, size=(256, 256), fit="squash").frames[0]
        except MmvideoError as error:
            print(f"{path.name}: {error}")
            continue
        for threshold, rows in read.items():
            rows.append(1 - float(still(seen, (len(seen), SIDE, SIDE), threshold).float().mean()))
    print("| drop_below | tokens read, mean | fewest | most | clips |\n|---|---|---|---|---|")
    for threshold, rows in read.items():
        print(f"| {threshold} | {sum(rows) / len(rows):.0%} | {min(rows):.0%} | {max(rows):.0%} | {len(rows)} |",
              flush=True)


def seconds(clip: Path, folder: Path, frames: int) -> None:
    """Print tokens, seconds and whether the reply is that to the whole video."""
    print(f"\n{clip.name}\n\n| drop_below | tokens read | first question | of it the language model | reply |\n"
          "|---|---|---|---|---|")
    whole = ""
    for threshold in (None, *THRESHOLDS[1:]):
        more: dict[str, Any] = {} if threshold is None else {"drop_below": threshold}
        pipe = Pipeline("video-qa", model=folder, device="cpu", dtype="float32", num_frames=frames, max_new_tokens=8,
                        **more)
        inside = _timed_decoder(pipe)
        began = time.process_time()
        with pipe.open(clip) as session:
            answer = session.ask("what happens first?")
            taken = time.process_time() - began
        whole = whole or answer.text
        print(f"| {threshold} | {answer.usage.prompt_tokens} | {taken:.1f} s | {sum(inside):.2f} s | "
              f"{'as with all' if answer.text == whole else 'another'} |", flush=True)


def reading(frames: int) -> None:
    """Print the seconds in which a language model of SmolVLM2-256M's sizes, of random weights, reads a video."""
    from transformers import LlamaConfig, LlamaModel

    torch.manual_seed(0)
    model = LlamaModel(LlamaConfig(hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
                                   num_key_value_heads=3, vocab_size=64, max_position_embeddings=8192)).eval()
    print("\n| tokens of the video read | share | seconds |\n|---|---|---|")
    for share in (1.0, 0.5, 0.33, 0.25):
        count, taken = round(frames * SIDE * SIDE * share), []
        for _ in range(3):
            began = time.process_time()
            with torch.inference_mode():
                model(inputs_embeds=torch.randn(1, count + 40, 576), use_cache=True)
            taken.append(time.process_time() - began)
        print(f"| {count} | {share:.0%} | {min(taken):.2f} |", flush=True)


def _timed_decoder(pipe: Pipeline) -> list[float]:
    """Return a list to which every pass of the language model adds its seconds."""
    inside: list[float] = []
    found = next(network for _, stage in pipe.stages for network in stage.modules().values()
                 if hasattr(network, "get_decoder"))
    began = [0.0]

    def before(*_: Any) -> None:
        began[0] = time.process_time()

    def after(*_: Any) -> None:
        inside.append(time.process_time() - began[0])

    decoder = found.get_decoder()
    decoder.register_forward_pre_hook(before)
    decoder.register_forward_hook(after)
    return inside


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--timed", type=Path, nargs="*", default=[])
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--reading", type=int, default=0, help="frames that a language model reads, alone and timed")
    given = parser.parse_args()
    torch.set_num_threads(1)
    shares(given.clips, given.frames)
    if given.reading:
        reading(given.reading)
    with tempfile.TemporaryDirectory() as home:
        folder = checkpoint(Path(home) / "smolvlm") if given.timed else Path(home)
        for clip in given.timed:
            seconds(clip, folder, given.frames)


if __name__ == "__main__":
    main()
