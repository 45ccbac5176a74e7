"""A SmolVLM-256M with random weights over 720p files: the loop of transformers, that loop batched, and a job of ours.

    python benchmarks/jobs_chat.py --home FOLDER [--dtype float32] [--clips 8] [--rounds 3]
    python benchmarks/jobs_chat.py --home FOLDER --costs [--dtype bfloat16]

All three run the same checkpoint (with its processor and tokenizer files) in one process and one precision, on the
same frames of the same files, and write the same number of tokens. The first is what the documentation of transformers
shows: `apply_chat_template` with the path of the video, which loads it, then `generate`. They take turns, round after
round; the table holds medians. What was measured is kept in FOLDER, so a run that was stopped (`--budget` seconds) goes
on where it was when the command is given again. `--costs` counts instead, on one thread, the processor seconds of each
step: figures that hold on a machine that others use as well.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hf_classification import FPS, write_clip

from mmvideo import Pipeline
from mmvideo.jobs import Item, JobOptions, partition, run_job
from mmvideo.jobs.job_status import status

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


class Parts:
    """Where the time of a chat model goes: what it sees, the rest of the reading, and the writing; and its tokens.

    Most tokens that random weights write are no words of the small tokenizer, so texts would not tell replies apart.
    """

    def __init__(self, model: Any, clock: Callable[[], float]):
        self.clock, self.seconds = clock, dict.fromkeys(("see", "read", "write"), 0.0)
        self._inside, self._looking = False, 0.0
        self._said: set[tuple[int, ...]] = set()
        model.generate = self._noting(model.generate)
        model.forward = self._timed(model.forward, "")
        model.model.get_image_features = self._timed(model.model.get_image_features, "see")

    def _noting(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def noting(**named: Any) -> Any:
            given = call(**named)
            self._said |= set(map(tuple, given[:, named["input_ids"].shape[1]:].tolist()))
            return given

        return noting

    def start(self) -> None:
        """Forget what was before."""
        self.seconds, self._said = dict.fromkeys(self.seconds, 0.0), set()

    @property
    def said(self) -> list[list[int]]:
        """The different replies since the start."""
        return [list(tokens) for tokens in sorted(self._said)]

    def _timed(self, call: Callable[..., Any], part: str) -> Callable[..., Any]:
        @functools.wraps(call)
        def timed(*arguments: Any, **named: Any) -> Any:
            begin = self.clock()
            self._inside = self._inside or not part
            given = call(*arguments, **named)
            seconds = self.clock() - begin
            if part:  # it may be called by `generate` itself or by the forward pass
                self.seconds[part] += seconds
                self._looking += seconds * self._inside
            else:
                tokens = next(named[name] for name in ("input_ids", "inputs_embeds") if named.get(name) is not None)
                self.seconds["read" if tokens.shape[1] > 1 else "write"] += seconds - self._looking
                self._inside, self._looking = False, 0.0
            return given

        return timed


class Loop:
    """transformers as its documentation shows it."""

    def __init__(self, folder: Path, dtype: str, tokens: int, times: Sequence[float],
                 clock: Callable[[], float] = time.perf_counter):
        from transformers import AutoModelForImageTextToText, AutoProcessor

        self.processor = AutoProcessor.from_pretrained(folder)
        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype).eval()
        self.clock, self.tokens, self.prepared = clock, tokens, 0.0
        self.parts = Parts(self.model, clock)
        indices = np.round(np.asarray(times) * FPS).astype(int)
        self.processor.video_processor.sample_frames = lambda metadata, **_: indices  # the frames that ours looks at

    def __call__(self, paths: Sequence[Path]) -> list[str]:
        """Describe videos in one batch, and return the words as a user would have them."""
        begin = self.clock()
        asked = [[{"role": "user", "content": [{"type": "video", "path": str(path)}, {"type": "text", "text": ASKED}]}]
                 for path in paths]
        inputs = self.processor.apply_chat_template(
            asked, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
            processor_kwargs={"padding": True}).to(self.model.dtype)
        self.prepared += self.clock() - begin
        out = self.model.generate(**inputs, do_sample=False, min_new_tokens=self.tokens, max_new_tokens=self.tokens)
        texts = self.processor.batch_decode(out[:, inputs["input_ids"].shape[1]:], skip_special_tokens=True)
        return [text.strip() for text in texts]

    def over(self, paths: Sequence[Path], size: int) -> dict[str, float]:
        """Describe videos, so many at a time; return the seconds of each step for a video."""
        self.parts.start()
        self.prepared, begin = 0.0, self.clock()
        for at in range(0, len(paths), size):
            self(paths[at:at + size])
        return steps(self.parts, self.prepared, self.clock() - begin, len(paths))


def steps(parts: Parts, prepared: float, whole: float, count: int) -> dict[str, float]:
    """Return the seconds of each step for a video."""
    found = {"load and prepare": prepared, **parts.seconds}
    found["rest"] = whole - sum(found.values())
    return {name: seconds / count for name, seconds in {**found, "together": whole}.items()}


class Rounds:
    """What has been measured, in a file: work that is there is not done again, and none is begun after the budget."""

    def __init__(self, path: Path, budget: float):
        self.path, self.ends = path, time.monotonic() + budget
        self.done = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def run(self, number: int, name: str, work: Callable[[], dict[str, Any]]) -> bool:
        """Measure something, unless it has been; say whether it is there."""
        if any((one["round"], one["name"]) == (number, name) for one in self.done):
            return True
        longest = max((one["wall"] for one in self.done if one["name"] == name), default=0.0)
        if time.monotonic() + longest > self.ends:
            return False
        begin = time.monotonic()
        found = {"round": number, "name": name, **work(), "wall": time.monotonic() - begin}
        self.done.append(found)
        with self.path.open("a") as file:
            file.write(json.dumps(found) + "\n")
        print({key: round(value, 2) if isinstance(value, float) else value for key, value in found.items()
               if key != "tokens"}, flush=True)
        return True

    def median(self, name: str, key: str) -> float:
        """Return the median of a figure over the rounds."""
        return statistics.median(one[key] for one in self.done if one["name"] == name)

    def tokens(self, name: str) -> list[list[int]]:
        """Return the different replies of the first round."""
        return next(one["tokens"] for one in self.done if one["name"] == name)


def costs(pipe: Pipeline, folder: Path, clips: Sequence[Path], given: Any, rounds: Rounds) -> bool:
    """Measure the processor seconds that each step takes for a video, on one thread; say whether all are there."""
    torch.set_num_threads(1)
    loop = Loop(folder, given.dtype, given.tokens, pipe(clips[0]).seconds_looked_at, time.process_time)
    stages, options = partition.split_stages(pipe.stages), JobOptions()
    for _, stage in stages[0]:
        stage.load(torch.device("cpu"))
    needed = partition.needs(stages[1], pipe.recipe.gives)
    parts = Parts(pipe.stages[1][1].reader.chat.model, time.process_time)

    def job() -> dict[str, Any]:
        parts.start()
        begin = time.process_time()
        sent = [partition.decode(Item(str(clip), str(clip)), clip, stages[0], needed, options) for clip in clips]
        prepared = time.process_time() - begin
        fields = [partition.unpack_tensors(one.fields) for one in sent]
        partition.compute(fields, stages[1], pipe.recipe.gives, size=len(clips))
        return {**steps(parts, prepared, time.process_time() - begin, len(clips)), "tokens": parts.said}

    def looped(size: int) -> dict[str, Any]:
        return {**loop.over(clips, size), "tokens": loop.parts.said}

    loop(clips[:1])
    return all([rounds.run(number, name, work) for number in range(given.rounds) for name, work in (
        ("transformers, one at a time", lambda: looped(1)),
        (f"transformers, batches of {len(clips)}", lambda: looped(len(clips))),
        (f"job, batches of {len(clips)}", job))])


def speeds(pipe: Pipeline, folder: Path, clips: Sequence[Path], given: Any, rounds: Rounds) -> bool:
    """Measure videos a second, with all threads; say whether all are there."""
    loop = Loop(folder, given.dtype, given.tokens, pipe(clips[0]).seconds_looked_at)
    parts = Parts(pipe.stages[1][1].reader.chat.model, time.perf_counter)
    loop(clips[:1])
    print(f"{torch.get_num_threads()} threads", flush=True)

    def looped(size: int) -> dict[str, Any]:
        rate = 1 / loop.over(clips, size)["together"]
        return {"rate": rate, "rate without start": rate, "tokens": loop.parts.said}

    def job() -> dict[str, Any]:
        options = JobOptions(batch_size=given.batch_size, workers=given.workers, thumbnails=0)
        out = given.home / f"job-{time.time_ns()}"
        parts.start()
        begin = time.perf_counter()
        summary = run_job(pipe, clips, out, options)
        seconds = time.perf_counter() - begin
        assert not summary.failures, summary.failures
        run = status(out)["runs"][-1]
        return {"tokens": parts.said, "rate": len(clips) / seconds,
                "rate without start": len(clips) / (seconds - run["waiting"]), "waited": run["waiting"],
                "networks busy": run["compute"] / run["seconds"]}

    return all([rounds.run(number, name, work) for number in range(given.rounds) for name, work in (
        ("transformers, one at a time", lambda: looped(1)),
        (f"transformers, batches of {given.batch_size}", lambda: looped(given.batch_size)),
        (f"job, batches of {given.batch_size}", job))])


def table(rounds: Rounds, keys: Sequence[str], unit: str, *, more_is_better: bool) -> None:
    """Print the medians, and how many times better the job is."""
    names = list(dict.fromkeys(one["name"] for one in rounds.done))
    print(f"\n| {unit} | " + " | ".join(keys) + " | job is better |\n" + "|---" * (len(keys) + 2) + "|")
    job = next(name for name in names if name.startswith("job"))
    for name in names:
        ratio = rounds.median(job, keys[-1]) / rounds.median(name, keys[-1])
        print(f"| {name} | " + " | ".join(f"{rounds.median(name, key):.2f}" for key in keys)
              + f" | {ratio if more_is_better else 1 / ratio:.2f} x |")
        print(f"|   {'the tokens of the job' if rounds.tokens(name) == rounds.tokens(job) else 'other tokens'} |")


def main() -> None:
    """Run the three in turn and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--home", type=Path, required=True, help="Checkpoint, files and what was measured.")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--frames", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=1e9, help="Begin nothing that would end after so many seconds.")
    parser.add_argument("--source", help="A video that the files are made of; else noise that moves.")
    parser.add_argument("--costs", action="store_true", help="Processor seconds of each step, on one thread.")
    given = parser.parse_args()
    given.home.mkdir(parents=True, exist_ok=True)
    kind = (f"{'costs' if given.costs else 'speeds'}-{given.dtype}-{given.clips}x{given.seconds}s-{given.frames}f-"
            f"{given.tokens}t-{given.batch_size}b")
    rounds = Rounds(given.home / f"{kind}.jsonl", given.budget)
    folder, first = given.home / "model", given.home / f"{given.seconds}s-0.mp4"
    if not folder.exists():
        checkpoint(folder)
    if not first.exists():
        write_clip(first, given.seconds, given.source)
    clips = [first]
    for number in range(1, given.clips):
        clips.append(given.home / f"{given.seconds}s-{number}.mp4")
        _another(first, clips[-1], number)
    pipe = Pipeline("video-captioning", str(folder), "cpu", dtype=given.dtype, num_frames=given.frames,
                    max_new_tokens=given.tokens, caption={"request": ASKED})
    print(f"{len(clips)} files of {given.seconds} s, {given.frames} frames of each, {given.tokens} tokens, "
          f"{given.dtype}")
    if not (costs if given.costs else speeds)(pipe, folder, clips, given, rounds):
        print("The time is up; give the command again to go on.")
    if len({one["name"] for one in rounds.done}) == 3:
        if given.costs:
            table(rounds, ("load and prepare", "see", "read", "write", "rest", "together"), "processor s a video",
                  more_is_better=False)
        else:
            table(rounds, ("rate without start", "rate"), "videos/s", more_is_better=True)


def _another(first: Path, path: Path, number: int) -> None:
    """Write a file of other bytes and the same pictures, so that no job takes it for one it knows."""
    path.write_bytes(first.read_bytes() + (8 + 8).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big"))


if __name__ == "__main__":
    main()
