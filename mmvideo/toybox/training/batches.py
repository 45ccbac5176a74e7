"""Endless toybox batches, drawn from a step number: batch 17 of a run is the same after a restart."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from mmvideo.nn.facts import Facts
from mmvideo.toybox.captions import scene_caption
from mmvideo.toybox.facts import world_facts
from mmvideo.toybox.physics import simulate
from mmvideo.toybox.questions import Question, ask_questions
from mmvideo.toybox.render import render_world
from mmvideo.toybox.spec import sample_scene, split_seed
from mmvideo.toybox.world import World
from mmvideo.vlm.prompt import CAPTION_REQUEST, closed_prompt

SILENT_SHARE = 0.08
"""Clips given without a sound track, so that absence and silence stay different things."""
CAPTION_TYPE = "caption"
BLOCK = 384
"""Scenes simulated together."""


@dataclass(frozen=True)
class Batch:
    """Scenes, what is true of them, and what is asked about them."""

    world: World
    facts: Facts
    has_sound: Tensor
    """bool (B,)."""
    questions: list[list[Question]]
    frames: Tensor | None = None
    """uint8 (B, T, 3, H, W)."""
    audio: Tensor | None = None
    """float32 (B, S)."""


def draw_batch(indices: range, *, split: str, levels: dict[str, float], num_questions: int = 0,
               caption_share: float = 0.0, types: frozenset[str] | None = None, rendered: bool = True,
               deaf: bool = False, single_frame: bool = False) -> Batch:
    """Make a batch of scenes.

    Args:
        indices: scene numbers within the split.
        split: one of the toybox's splits.
        levels: share of each level.
        num_questions: questions per scene at most; 0 for none.
        caption_share: probability that a scene's caption is asked for as well.
        types: the question types to draw from; all by default.
        rendered: whether to render frames and sound.
        deaf: give no clip its sound track (a baseline).
        single_frame: repeat the middle frame (a baseline).
    """
    world = _world(indices, split, levels)
    rngs = [random.Random(f"ask/{spec.seed}") for spec in world.specs]
    silent_share = 1.0 if deaf else SILENT_SHARE if split == "train" else 0.0
    has_sound = torch.tensor([rng.random() >= silent_share for rng in rngs])
    questions = [_questions(world, b, rng, num_questions, caption_share, types, bool(has_sound[b]) or deaf)
                 for b, rng in enumerate(rngs)] if num_questions else []
    frames = audio = None
    if rendered:
        from mmvideo.toybox.sound import synthesise

        frames = render_world(world)
        if single_frame:
            frames = frames[:, frames.shape[1] // 2:][:, :1].expand_as(frames).contiguous()
        audio = synthesise(world) * has_sound[:, None]
    return Batch(world, world_facts(world, sound_track=has_sound), has_sound, questions, frames, audio)


def _world(indices: range, split: str, levels: dict[str, float]) -> World:
    """Simulate whole blocks and cut: the cost of physics hardly depends on the number of scenes."""
    key = tuple(sorted(levels.items()))
    first, last = indices[0] // BLOCK, indices[-1] // BLOCK
    parts = []
    for block in range(first, last + 1):
        begin = block * BLOCK
        parts.append(_block(block, split, key).part(max(indices[0] - begin, 0), min(indices[-1] + 1 - begin, BLOCK)))
    return parts[0] if len(parts) == 1 else simulate([spec for part in parts for spec in part.specs])


@lru_cache(maxsize=2)
def _block(block: int, split: str, levels: tuple[tuple[str, float], ...]) -> World:
    names, shares = zip(*levels, strict=True)
    seeds = [split_seed(split, block * BLOCK + i) for i in range(BLOCK)]
    return simulate([sample_scene(s, random.Random(f"level/{s}").choices(names, shares)[0]) for s in seeds])


def _questions(world: World, b: int, rng: random.Random, num: int, caption_share: float,
               types: frozenset[str] | None, has_sound: bool) -> list[Question]:
    scene = world.scene(b)
    asked = ask_questions(scene, rng, num=num, types=set(types) if types else None, has_sound=has_sound)
    return [caption_question(scene), *asked] if rng.random() < caption_share else asked


def caption_question(scene) -> Question:
    """Return the request for a scene's canonical caption, as a question like any other."""
    return Question(text=CAPTION_REQUEST, answer=scene_caption(scene, None), type=CAPTION_TYPE, family="caption",
                    needs=frozenset({"video", "time"}), choices=None)


@dataclass(frozen=True)
class Dialogue:
    """Questions and answers of similar length as token ids, right padded."""

    scene: Tensor
    """int64 (R,): which scene of the batch each row is about."""
    ids: Tensor
    """int64 (R, L)."""
    mask: Tensor
    """int64 (R, L): 1 where there is a token."""
    targets: Tensor
    """int64 (R, L): the next token where it belongs to the answer or its end, -100 elsewhere."""
    questions: list[Question]
    """Those of the first rows; rows beyond them are padding, with no targets."""


def tokenize_questions(questions: list[list[Question]], tokenizer, *, buckets: int = 6) -> list[Dialogue]:
    """Lay out `<question> text <answer> reply <eos>` for every question, bucketed by length to save padding."""
    flat = [(b, q) for b, row in enumerate(questions) for q in row]
    prompts = tokenizer([closed_prompt(q.text) for _, q in flat], add_special_tokens=False)["input_ids"]
    answers = tokenizer([q.answer for _, q in flat], add_special_tokens=False)["input_ids"]
    rows = [(b, q, p, p + a + [tokenizer.eos_token_id])
            for (b, q), p, a in zip(flat, prompts, answers, strict=True)]
    short = sorted((r for r in rows if r[1].type != CAPTION_TYPE), key=lambda r: len(r[3]))
    captions = [r for r in rows if r[1].type == CAPTION_TYPE]
    size = _rounded_up(-(-len(short) // buckets), 8)
    groups = [short[i * size: (i + 1) * size] for i in range(buckets)] + [captions]
    return [_dialogue(group, tokenizer.pad_token_id) for group in groups if group]


def _dialogue(rows: list, pad: int) -> Dialogue:
    """Shapes are rounded up: every new shape costs the CPU's matrix library a new kernel, in time and in memory."""
    longest = _rounded_up(max(len(tokens) for *_, tokens in rows), 4)
    height = _rounded_up(len(rows), 8)
    ids = torch.full((height, longest), pad)
    targets = torch.full((height, longest), -100)
    scene, lengths = torch.zeros(height, dtype=torch.long), torch.ones(height, 1, dtype=torch.long)
    for i, (b, _, prompt, tokens) in enumerate(rows):
        scene[i], lengths[i] = b, len(tokens)
        ids[i, : len(tokens)] = torch.tensor(tokens)
        targets[i, len(prompt) - 1: len(tokens) - 1] = ids[i, len(prompt): len(tokens)]
    return Dialogue(scene, ids, (torch.arange(longest) < lengths).long(), targets, [q for _, q, *_ in rows])


def _rounded_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
