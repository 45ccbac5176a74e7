"""A SmolVLM-256M with random weights over 720p files: the loop of transformers, that loop batched, and a job of ours.

    python benchmarks/jobs_chat.py [--clips 8] [--seconds 20] [--frames 4] [--batch-size 4]

All three run the same checkpoint (saved in bfloat16 as the released one is, with its processor and tokenizer files) in
one process, on the same frames of the same files, and write the same number of tokens. The first is what the
documentation of transformers shows: `apply_chat_template` with the path of the video, which loads it, then `generate`.
Where the time goes is printed for each. `--costs` counts instead, on one thread, the processor seconds of each step:
figures that hold on a machine that others use as well.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hf_classification import FPS, write_clip

from mmvideo import Pipeline
from mmvideo.jobs import Item, JobOptions, halves, run_job
from mmvideo.jobs.status import status

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.hub.checkpoints import smolvlm

ASKED = "Describe what happens in this video."


def checkpoint(folder: Path) -> Path:
    """Write SmolVLM-256M's shape with random weights."""
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration

    torch.manual_seed(0)
    small, processor = smolvlm()
    edge = {"longest_edge": 512}
    for part in (processor.video_processor, processor.image_processor):
        part.size = part.max_image_size = edge
    processor.image_seq_len = 64
    config = SmolVLMConfig(
        vision_config={"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
                       "num_attention_heads": 12, "image_size": 512, "patch_size": 16},
        text_config={"model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
                     "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49280,
                     "max_position_embeddings": 8192, "pad_token_id": processor.tokenizer.pad_token_id},
        scale_factor=4, tie_word_embeddings=True, image_token_id=small.config.image_token_id,
        pad_token_id=processor.tokenizer.pad_token_id)
    model = SmolVLMForConditionalGeneration(config).to(torch.bfloat16)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.save_pretrained(folder)
    processor.tokenizer.padding_side = "left"
    processor.save_pretrained(folder)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.0f} M parameters")
    return folder


class Loop:
    """transformers as its documentation shows it."""

    def __init__(self, folder: Path, tokens: int, times: Sequence[float],
                 clock: Callable[[], float] = time.perf_counter):
        from transformers import AutoModelForImageTextToText, AutoProcessor

        self.processor = AutoProcessor.from_pretrained(folder)
        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype="auto").eval()
        self.clock, self.tokens, self.seconds = clock, tokens, {"load and prepare": 0.0, "generate": 0.0}
        indices = np.round(np.asarray(times) * FPS).astype(int)
        self.processor.video_processor.sample_frames = lambda metadata, **_: indices  # the frames that ours looks at

    def __call__(self, paths: Sequence[Path]) -> list[str]:
        """Describe videos in one batch."""
        begin = self.clock()
        asked = [[{"role": "user", "content": [{"type": "video", "path": str(path)}, {"type": "text", "text": ASKED}]}]
                 for path in paths]
        inputs = self.processor.apply_chat_template(
            asked, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
            processor_kwargs={"padding": True}).to(self.model.dtype)
        middle = self.clock()
        out = self.model.generate(**inputs, do_sample=False, min_new_tokens=self.tokens, max_new_tokens=self.tokens)
        self.seconds["load and prepare"] += middle - begin
        self.seconds["generate"] += self.clock() - middle
        texts = self.processor.batch_decode(out[:, inputs["input_ids"].shape[1]:], skip_special_tokens=True)
        return [text.strip() for text in texts]


def timed(name: str, count: int, work: Callable[[], Any]) -> tuple[Any, float]:
    """Run something, print its videos a second, and return what it gave and that."""
    begin = time.perf_counter()
    given = work()
    rate = count / (time.perf_counter() - begin)
    print(f"{name}: {rate:.3f} videos/s", flush=True)
    return given, rate


def costs(pipe: Pipeline, folder: Path, clips: Sequence[Path], given: Any, times: Sequence[float]) -> None:
    """Print the processor seconds that each step takes for a video, on one thread; median of three rounds in turn."""
    torch.set_num_threads(1)
    loop = Loop(folder, given.tokens, times, time.process_time)
    stages, options = halves.split(pipe.stages), JobOptions()
    for _, stage in stages[0]:
        stage.load(torch.device("cpu"))
    needed = halves.needs(stages[1], pipe.recipe.gives)
    found: dict[str, list[float]] = {}
    for _ in range(3):
        for name, size in (("one at a time", 1), ("batched", len(clips))):
            loop.seconds = dict.fromkeys(loop.seconds, 0.0)
            for at in range(0, len(clips), size):
                loop(clips[at:at + size])
            for step, seconds in loop.seconds.items():
                found.setdefault(f"transformers {name}: {step}", []).append(seconds / len(clips))
        begin = time.process_time()
        sent = [halves.decode(Item(str(clip), str(clip)), clip, stages[0], needed, options) for clip in clips]
        middle = time.process_time()
        halves.compute([halves.unpack(one.fields) for one in sent], stages[1], pipe.recipe.gives, size=len(clips))
        found.setdefault("job: load and prepare (a worker)", []).append((middle - begin) / len(clips))
        found.setdefault("job: read and write", []).append((time.process_time() - middle) / len(clips))
        print({name: round(seconds[-1], 2) for name, seconds in found.items()}, flush=True)
    for name, seconds in found.items():
        print(f"{name:45} {statistics.median(seconds):6.2f} s a video")


def main() -> None:
    """Run the three and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--source", help="A video that the files are made of; else noise that moves.")
    parser.add_argument("--home", type=Path, help="Keep checkpoint and files here for further runs.")
    parser.add_argument("--costs", action="store_true", help="Processor seconds of each step, on one thread.")
    parser.add_argument("--only", nargs="*", default=["single", "batched", "job"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as spare:
        home = given.home or Path(spare)
        folder, first = home / "model", home / f"{given.seconds}s-0.mp4"
        if not folder.exists():
            checkpoint(folder)
        if not first.exists():
            write_clip(first, given.seconds, given.source)
        clips = [first]
        for number in range(1, given.clips):
            clips.append(home / f"{given.seconds}s-{number}.mp4")
            _another(first, clips[-1], number)
        pipe = Pipeline("video-captioning", str(folder), "cpu", num_frames=given.frames, max_new_tokens=given.tokens,
                        narrate={"request": ASKED})
        warm = pipe(first)
        if given.costs:
            costs(pipe, folder, clips, given, warm.seconds_looked_at)
            return
        loop = Loop(folder, given.tokens, warm.seconds_looked_at)
        loop(clips[:1])
        print(f"{len(clips)} files of {given.seconds} s, {given.frames} frames of each, {given.tokens} tokens, "
              f"{loop.model.dtype}, {torch.get_num_threads()} threads")
        rates, said = {}, {}
        loop.seconds = dict.fromkeys(loop.seconds, 0.0)
        for name, size in (("single", 1), ("batched", given.batch_size)):
            if name in given.only:
                said[name], rates[name] = timed(f"transformers, {size} at a time", len(clips), lambda size=size: [
                    text for at in range(0, len(clips), size) for text in loop(clips[at:at + size])])
                print("  " + ", ".join(f"{key} {value / len(clips):.2f} s" for key, value in loop.seconds.items())
                      + " a video")
                loop.seconds = dict.fromkeys(loop.seconds, 0.0)
        options = JobOptions(batch_size=given.batch_size, workers=given.workers, thumbnails=0)
        summary, rates["job"] = timed("job, start included", len(clips), lambda: run_job(
            pipe, clips, Path(spare, "job"), options))
        assert not summary.failures, summary.failures
        run = status(summary.folder)["runs"][-1]
        print("  " + ", ".join(f"{key} {value / len(clips):.2f} s" for key, value in run["stages"].items())
              + f" a video; networks busy {run['compute'] / run['seconds']:.0%}, waited {run['waiting']:.1f} s")
        rows = [row["text"] for row in summary.rows()]
        for name, texts in said.items():
            same = sum(a == b for a, b in zip(rows, texts, strict=True))
            print(f"job over transformers, {name}: {rates['job'] / rates[name]:.2f} x; {same} of {len(rows)} texts the "
                  "same (bfloat16)")


def _another(first: Path, path: Path, number: int) -> None:
    """Write a file of other bytes and the same pictures, so that no job takes it for one it knows."""
    path.write_bytes(first.read_bytes() + (8 + 8).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big"))


if __name__ == "__main__":
    main()
