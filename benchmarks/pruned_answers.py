"""What leaving out visual tokens does to the answers of a trained chat model of the hub: accuracy by `drop_below`.

    python benchmarks/pruned_answers.py --out runs/pruned [--steps 500] [--films 200] [--pruned 0.5]

No released weights are needed: a small SmolVLM (its classes of transformers, a processor and a tokenizer of its own) is
trained from random weights on drawn films, whole, and then asked through the pipeline about films that it has not seen,
encoded as H.264, with several thresholds. A square in the middle moves to a side or stays, over a still, noisy
background, so that the first frames do not tell where it goes; a lamp in a corner may flash. The square changes more
than half of a token's pixels, the lamp a fifth of them, so that a threshold can be too high for it. `--pruned` shows a
share of the films of training without their still tokens, at thresholds in turn, as EVS does (Bagrov et al. 2025).
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
from mmvideo.evaluation.intervals import wilson
from mmvideo.media import write_video
from mmvideo.nn.token_reduction import still
from mmvideo.vlm.chat import ChatModel, VideoInput
from tests.hub.checkpoints import ids

SIDE, FRAMES, FPS, CELL = 96, 6, 4, 32
SQUARE, LAMP = 24, 14
COLOURS = {"red": (220, 40, 40), "green": (40, 190, 60), "blue": (50, 70, 230), "yellow": (230, 220, 50),
           "white": (240, 240, 240), "black": (15, 15, 15)}
WAYS = {"left": (0, -7), "right": (0, 7), "up": (-7, 0), "down": (7, 0), "nowhere": (0, 0)}
ASKED = {"what colour is the square?": tuple(COLOURS), "where does the square go?": tuple(WAYS),
         "does the lamp flash?": ("yes", "no")}
KINDS = ("colour", "way", "flash")
PROMPT = ("You are provided the following series of six frames from a 0:00:01 [H:MM:SS] video.", "Frame from 00:00:",
          "User: Assistant:")
"""What stands in SmolVLM's prompts."""
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
    ground = torch.rand(1, 3, 6, 6, generator=rng) * 40 + 105
    frames = F.interpolate(ground, (SIDE, SIDE), mode="bilinear")[0].repeat(FRAMES, 1, 1, 1)
    step = WAYS[way]
    middle = (SIDE - SQUARE) // 2
    place = [middle + int(torch.randint(-1, 2, (1,), generator=rng)) for _ in range(2)]
    lamp = [int(torch.randint(2, generator=rng, size=(1,))) * (SIDE - CELL) + 1 for _ in range(2)]
    lit = int(torch.randint(1, FRAMES - 2, (1,), generator=rng)) if flash == "yes" else -9
    for t in range(FRAMES):
        y, x = place[0] + t * step[0], place[1] + t * step[1]
        frames[t, :, y:y + SQUARE, x:x + SQUARE] = torch.tensor(COLOURS[colour])[:, None, None].float()
        bright = 255.0 if t in (lit, lit + 1) else 60.0
        frames[t, :, lamp[0]:lamp[0] + LAMP, lamp[1]:lamp[1] + LAMP] = bright
    frames += NOISE[seed % len(NOISE)].roll(seed, -1)
    return Film(frames.clamp(0, 255).round().to(torch.uint8), (colour, way, flash))


def made() -> tuple[Any, Any]:
    """Return a small SmolVLM with random weights, and its processor."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import (
        GPT2Tokenizer,
        SmolVLMConfig,
        SmolVLMForConditionalGeneration,
        SmolVLMImageProcessor,
        SmolVLMProcessor,
        SmolVLMVideoProcessor,
    )

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = [*(" ".join((question, *answers)) for question, answers in ASKED.items()), *PROMPT] * 4
    backend.train_from_iterator(words, trainers.BpeTrainer(
        vocab_size=500, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"]))
    parts = json.loads(backend.to_str())["model"]
    tokenizer = GPT2Tokenizer(vocab=parts["vocab"], merges=[tuple(pair) for pair in parts["merges"]],
                              pad_token="<|im_end|>", bos_token="<|im_start|>", eos_token="<end_of_utterance>",
                              unk_token="<|endoftext|>")
    tokenizer.add_special_tokens({"additional_special_tokens": [
        "<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>", "<video>"]})
    size = {"size": {"longest_edge": SIDE}, "max_image_size": {"longest_edge": SIDE}}
    chat = ("<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}: {% for c in m['content'] %}"
            "{% if c['type'] == 'video' %}<video>{% elif c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}"
            "{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
            "{% if add_generation_prompt %}Assistant:{% endif %}")
    processor = SmolVLMProcessor(
        SmolVLMImageProcessor(**size, do_image_splitting=False), tokenizer,
        SmolVLMVideoProcessor(**size, fps=1, num_frames=64), image_seq_len=(SIDE // CELL) ** 2, chat_template=chat)
    config = SmolVLMConfig(
        vision_config={"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
                       "image_size": SIDE, "patch_size": CELL // 2},
        text_config={"model_type": "llama", "hidden_size": 96, "intermediate_size": 192, "num_hidden_layers": 3,
                     "num_attention_heads": 4, "num_key_value_heads": 4, "max_position_embeddings": 2048,
                     "vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id},
        scale_factor=2, **ids(tokenizer, image_token_id="<image>", pad_token_id="<|im_end|>"))
    torch.manual_seed(0)
    model = SmolVLMForConditionalGeneration(config)
    with torch.no_grad():  # else places are hardly told apart in a training this short
        model.model.vision_model.embeddings.position_embedding.weight.normal_(0, 0.5)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return model, processor


def train(folder: Path, steps: int, pruned: float, size: int = 24) -> None:
    """Train on endless films and save the checkpoint into a folder; a share of them without still tokens."""
    model, processor = made()
    chat = ChatModel(model, processor, "a small SmolVLM")
    times = torch.arange(FRAMES, dtype=torch.float64) / FPS
    first = VideoInput(draw(0).frames, times, FRAMES / FPS)
    prompts = [chat.prompt(question, first).tensors for question in ASKED]
    shown = prompts[0]["pixel_values"]
    assert torch.allclose(shown.flatten(0, 1).float(), pixels_of(draw(0).frames), atol=1e-3), "pixels as it makes them"
    print({name: tuple(value.shape) for name, value in prompts[0].items() if isinstance(value, Tensor)})
    tokenizer, end = processor.tokenizer, processor.tokenizer.eos_token_id
    optimizer = torch.optim.AdamW(model.parameters(), 1.5e-3, betas=(0.9, 0.98), weight_decay=0.01)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.5e-3, total_steps=steps, pct_start=0.1)
    began = time.monotonic()
    for step in range(steps):
        films = [draw(10_000 + step * size + i) for i in range(size)]
        rows, loss_on = [], []
        for i, film in enumerate(films):
            kind = kind_of(step, i, steps)
            asked = prompts[kind]["input_ids"][0].tolist()
            said = [*tokenizer(film.answers[kind], add_special_tokens=False)["input_ids"], end]
            rows.append(asked + said)
            loss_on.append([-100] * len(asked) + said)
        width = max(map(len, rows))
        tokens = torch.tensor([row + [end] * (width - len(row)) for row in rows])
        labels = torch.tensor([row + [-100] * (width - len(row)) for row in loss_on])
        mask = torch.ones_like(tokens)
        for i, film in enumerate(films[:round(pruned * size)]):
            least = THRESHOLDS[1 + (step + i) % (len(THRESHOLDS) - 1)]
            gone = still(film.frames, (FRAMES, SIDE // CELL, SIDE // CELL), least or 0.0)
            mask[i, (tokens[i] == model.config.image_token_id).nonzero()[gone, 0]] = 0
        places = torch.arange(width).expand(size, -1)
        out = model(input_ids=tokens, attention_mask=mask, position_ids=places, labels=labels,
                    pixel_values=torch.stack([pixels_of(film.frames) for film in films]))
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        plan.step()
        if step % 50 == 0 or step == steps - 1:
            print(f"step {step}: loss {out.loss.item():.3f} ({by_kind(out.logits.detach(), labels, step, steps)}), "
                  f"{time.monotonic() - began:.0f} s", flush=True)
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)


def pixels_of(frames: Tensor) -> Tensor:
    """Return frames, uint8 (T, 3, H, W), as the processor gives them to the model."""
    return frames.float() / 127.5 - 1


def kind_of(step: int, i: int, steps: int) -> int:
    """Return which question is asked of a film: all in turn, and in the first third twice of three times the way."""
    turn = (step + i) % len(ASKED)
    return 1 if step < steps // 3 and (step + i) // len(ASKED) % 3 else turn


def by_kind(logits: Tensor, labels: Tensor, step: int, steps: int) -> str:
    """Say how many answers of each kind are right to the last token."""
    wrong = ((logits[:, :-1].argmax(-1) != labels[:, 1:]) & (labels[:, 1:] != -100)).any(1)
    kinds = torch.tensor([kind_of(step, i, steps) for i in range(len(wrong))])
    return ", ".join(f"{name} {(~wrong[kinds == k]).float().mean():.2f}" for k, name in enumerate(KINDS))


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
    visual = (SIDE // CELL) ** 2 * FRAMES
    share = 1 - (whole["tokens"] - these["tokens"]) / visual
    parts = []
    for k in range(len(KINDS)):
        right, before = these["right"][k::len(KINDS)], whole["right"][k::len(KINDS)]
        low, high = wilson((round(sum(right)), len(right)))
        gained = sum(a > b for a, b in zip(right, before, strict=True))
        lost = sum(a < b for a, b in zip(right, before, strict=True))
        mean = (gained - lost) / len(right)
        spread = 1.96 * (((gained + lost) / len(right) - mean ** 2) / len(right)) ** 0.5
        parts.append(f"{sum(right) / len(right):.3f} ({low:.3f} to {high:.3f})" + ("" if threshold == "None" else (
            f"; {mean:+.3f} ({mean - spread:+.3f} to {mean + spread:+.3f}), {lost} lost, {gained} gained")))
    print(f"| {threshold} | {share:.0%} | {' | '.join(parts)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint; trained if it is not there")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--pruned", type=float, default=0.0, help="share of the films of training without still tokens")
    parser.add_argument("--films", type=int, default=200)
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = given.out / "model"
    if not (folder / "config.json").is_file():
        train(folder, given.steps, given.pruned)
    print(f"\n{given.films} films, {len(ASKED)} questions each\n\n| drop_below | visual tokens read | "
          "colour | way | flash |\n|---|---|---|---|---|")
    measure(folder, given.films)


if __name__ == "__main__":
    main()
