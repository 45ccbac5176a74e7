"""What leaving out visual tokens does to the answers of a trained chat model of the hub: accuracy by `drop_below`.

    python benchmarks/pruned_answers.py --out runs/pruned [--steps 450] [--films 200]

No released weights are needed: a small Qwen2.5-VL (its classes of transformers, a processor and a tokenizer of its own)
is trained from random weights on drawn films, whole, and then asked through the pipeline about films that it has not
seen, encoded as H.264, with several thresholds. A square moves over a still, noisy background; a lamp in a corner may
flash. The square changes whole patches, the lamp a twelfth of one, so that a threshold can be too high for it.
Differences to the whole video are paired, with 95 % intervals.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmvideo import Pipeline
from mmvideo.benchmarks.run import mean_interval
from mmvideo.evaluation.intervals import wilson
from mmvideo.media import write_video
from mmvideo.vlm.chat import ChatModel, VideoInput
from tests.hub.checkpoints import QWEN_MARKS, ids, template

SIDE, FRAMES, FPS, CELL = 84, 6, 4, 28
SQUARE, LAMP = 22, 8
COLOURS = {"red": (220, 40, 40), "green": (40, 190, 60), "blue": (50, 70, 230), "yellow": (230, 220, 50),
           "white": (240, 240, 240), "black": (15, 15, 15)}
WAYS = {"left": (0, -6), "right": (0, 6), "up": (-6, 0), "down": (6, 0), "nowhere": (0, 0)}
ASKED = {"what colour is the square?": tuple(COLOURS), "where does the square go?": tuple(WAYS),
         "does the lamp flash?": ("yes", "no")}
NOISE = torch.randn(16, FRAMES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2
THRESHOLDS = (None, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Film:
    """A drawn film and what is true of it."""

    frames: Tensor
    """uint8 (T, 3, SIDE, SIDE)."""
    answers: tuple[str, ...]
    """In the order of `ASKED`."""


def draw(seed: int) -> Film:
    """Draw the film of a number."""
    rng = torch.Generator().manual_seed(seed)

    def one_of(names: Any) -> str:
        return list(names)[int(torch.randint(len(names), (1,), generator=rng))]

    colour, way, flash = one_of(COLOURS), one_of(WAYS), one_of(("yes", "no"))
    ground = torch.rand(1, 3, 6, 6, generator=rng) * 90 + 80
    frames = F.interpolate(ground, (SIDE, SIDE), mode="bilinear")[0].repeat(FRAMES, 1, 1, 1)
    step = WAYS[way]
    place = []
    for axis in (0, 1):
        room, moved = SIDE - SQUARE, step[axis] * (FRAMES - 1)
        low, high = max(0, -moved), room - max(0, moved)
        place.append(int(torch.randint(low, high + 1, (1,), generator=rng)))
    lamp = (int(torch.randint(2, generator=rng, size=(1,))) * (SIDE - CELL) + 10,
            int(torch.randint(2, generator=rng, size=(1,))) * (SIDE - CELL) + 10)
    lit = int(torch.randint(2, FRAMES - 1, (1,), generator=rng)) if flash == "yes" else -9
    for t in range(FRAMES):
        y, x = place[0] + t * step[0], place[1] + t * step[1]
        frames[t, :, y:y + SQUARE, x:x + SQUARE] = torch.tensor(COLOURS[colour])[:, None, None].float()
        bright = 255.0 if t in (lit, lit + 1) else 90.0
        frames[t, :, lamp[0]:lamp[0] + LAMP, lamp[1]:lamp[1] + LAMP] = bright
    frames += NOISE[seed % len(NOISE)].roll(seed, -1)
    return Film(frames.clamp(0, 255).round().to(torch.uint8), (colour, way, flash))


def made() -> tuple[Any, Any]:
    """Return a small Qwen2.5-VL with random weights, and its processor."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2Tokenizer,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = [" ".join((question, *answers)) for question, answers in ASKED.items()] * 4
    backend.train_from_iterator(words, trainers.BpeTrainer(
        vocab_size=400, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    parts = json.loads(backend.to_str())["model"]
    tokenizer = Qwen2Tokenizer(vocab=parts["vocab"], merges=[tuple(pair) for pair in parts["merges"]])
    tokenizer.add_special_tokens({"additional_special_tokens": QWEN_MARKS}, replace_extra_special_tokens=False)
    tokenizer.eos_token = "<|im_end|>"
    limits = {"min_pixels": CELL * CELL, "max_pixels": SIDE * SIDE}
    processor = Qwen2_5_VLProcessor(Qwen2VLImageProcessor(**limits), tokenizer, Qwen2VLVideoProcessor(**limits),
                                    chat_template=template("<|vision_start|><|video_pad|><|vision_end|>"))
    config = Qwen2_5_VLConfig(
        vision_config={"depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4, "patch_size": 14,
                       "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 96,
                       "fullatt_block_indexes": [0, 1], "window_size": 84, "tokens_per_second": 2},
        text_config={"hidden_size": 96, "intermediate_size": 192, "num_hidden_layers": 3, "num_attention_heads": 6,
                     "num_key_value_heads": 6, "max_position_embeddings": 1024, "vocab_size": len(tokenizer),
                     "rope_parameters": {"rope_type": "default", "mrope_section": [4, 2, 2], "rope_theta": 1e4}},
        **ids(tokenizer, image_token_id="<|image_pad|>", video_token_id="<|video_pad|>",
              vision_start_token_id="<|vision_start|>", vision_end_token_id="<|vision_end|>"))
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return model, processor


def train(folder: Path, steps: int, size: int = 12) -> None:
    """Train on endless films and save the checkpoint into a folder."""
    model, processor = made()
    patches = model.model.visual.patch_embed
    # a convolution over whole patches is a product of matrices, which is faster on a CPU
    patches.forward = lambda pixels: F.linear(pixels, patches.proj.weight.flatten(1))
    chat = ChatModel(model, processor, "a small Qwen2.5-VL")
    times = torch.arange(FRAMES, dtype=torch.float64) / FPS
    first = VideoInput(draw(0).frames, times, FRAMES / FPS)
    prompts = [chat.prompt(question, first).tensors for question in ASKED]
    rest = {name: value for name, value in prompts[0].items()
            if name not in ("input_ids", "attention_mask", "pixel_values_videos", "mm_token_type_ids")}
    tokenizer, end = processor.tokenizer, processor.tokenizer.eos_token_id
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, betas=(0.9, 0.98), weight_decay=0.01)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.08)
    began = time.monotonic()
    for step in range(steps):
        films = [draw(10_000 + step * size + i) for i in range(size)]
        pixels = processor.video_processor(videos=[film.frames for film in films], do_sample_frames=False,
                                           return_tensors="pt")["pixel_values_videos"]
        rows, loss_on = [], []
        for i, film in enumerate(films):
            kind = (step + i) % len(ASKED)
            asked = prompts[kind]["input_ids"][0].tolist()
            said = [*tokenizer(film.answers[kind], add_special_tokens=False)["input_ids"], end]
            rows.append(asked + said)
            loss_on.append([-100] * len(asked) + said)
        width = max(map(len, rows))
        tokens = torch.tensor([row + [end] * (width - len(row)) for row in rows])
        labels = torch.tensor([row + [-100] * (width - len(row)) for row in loss_on])
        batch = {name: torch.cat([value] * size) if isinstance(value, Tensor) else list(value) * size
                 for name, value in rest.items()}
        if "mm_token_type_ids" in prompts[0]:
            batch["mm_token_type_ids"] = 2 * (tokens == model.config.video_token_id).long()
        out = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), pixel_values_videos=pixels, labels=labels,
                    **batch)
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        plan.step()
        if step % 50 == 0 or step == steps - 1:
            print(f"step {step}: loss {out.loss.item():.3f}, {time.monotonic() - began:.0f} s", flush=True)
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)


def measure(folder: Path, films: int) -> dict[str, Any]:
    """Ask about films of numbers below those of training; return right answers and tokens by threshold."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as home:
        paths = []
        for number in range(films):
            paths.append(Path(home) / f"{number}.mp4")
            write_video(paths[-1], draw(number).frames, fps=FPS)
        for threshold in THRESHOLDS:
            more: dict[str, Any] = {} if threshold is None else {"drop_below": threshold}
            pipe = Pipeline("video-qa", model=folder, device="cpu", dtype="float32", num_frames=FRAMES, **more)
            right, read = [], []
            for number, path in enumerate(paths):
                with pipe.open(path) as session:
                    for (question, choices), wanted in zip(ASKED.items(), draw(number).answers, strict=True):
                        answer = session.ask(question, choices=list(choices))
                        right.append(float(answer.text == wanted))
                        read.append(answer.usage.prompt_tokens)
            found[str(threshold)] = {"right": right, "tokens": sum(read) / len(read)}
            told(str(threshold), found)
    return found


def told(threshold: str, found: dict[str, Any]) -> None:
    """Print a row of the table."""
    whole, these = found["None"], found[threshold]
    kinds = len(ASKED)
    visual = (SIDE // CELL) ** 2 * FRAMES // 2
    share = 1 - (whole["tokens"] - these["tokens"]) / visual
    parts = " | ".join(f"{sum(these['right'][k::kinds]) / len(these['right'][k::kinds]):.3f}" for k in range(kinds))
    count = len(these["right"])
    low, high = wilson((round(sum(these["right"])), count))
    change, (least, most) = mean_interval([a - b for a, b in zip(these["right"], whole["right"], strict=True)])
    print(f"| {threshold} | {share:.0%} | {parts} | {sum(these['right']) / count:.3f} ({low:.3f} to {high:.3f}) | "
          f"{change:+.3f} ({least:+.3f} to {most:+.3f}) |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint; trained if it is not there")
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--films", type=int, default=200)
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = given.out / "model"
    if not (folder / "config.json").is_file():
        train(folder, given.steps)
    print(f"\n{given.films} films, {len(ASKED)} questions each\n\n| drop_below | visual tokens read | colour | way | "
          "flash | all | change, paired |\n|---|---|---|---|---|---|---|")
    measure(folder, given.films)


if __name__ == "__main__":
    main()
