"""What leaving out still tokens changes on real footage: tokens left, visual tokens, and what a language model says.

    python benchmarks/pruned_real.py MODEL --clips runs/hints/clips [--parts "people;sets"]

MODEL is the folder of a composed model whose projector takes any tokens, CLIPS what `benchmarks/hints_clips.py` wrote.
Each clip is shown whole and with `drop_below`; compared are what the projector gives (relative change), and the
distribution of the first token of the reply to its first two questions: Kullback-Leibler divergence in nats and
how often the likeliest token is the same. Beside them stand two controls: the clip against the next clip of the list,
and against its own mirror image, which tell how far apart these figures lie where what is seen differs.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch
from hints_clips import read_clips
from torch import Tensor

from mmvideo import Pipeline
from mmvideo.benchmarks.run import mean_interval
from mmvideo.nn.token_reduction import still
from mmvideo.types import Clips
from mmvideo.vlm.composed import Composed
from mmvideo.vlm.embedding_conversation import EmbeddingConversation

THRESHOLDS = (0.02, 0.1)


@torch.inference_mode()
def said(model: Composed, soft: Tensor, questions: list[str]) -> Tensor:
    """Return the log-probabilities of the first token of each reply, float32 (Q, V)."""
    talk = EmbeddingConversation(model.language, model.prompt, soft)
    return torch.stack([talk.logits(question).log_softmax(-1) for question in questions])


def mirrored(clips: Clips) -> Clips:
    """Return windows whose left is on the right."""
    return replace(clips, frames=clips.frames.flip(-1))


def left(model: Composed, clips: Clips, threshold: float) -> float:
    """Return the share of the encoder's tokens that are left."""
    with torch.inference_mode():
        grid = model.features(clips.frames[:1]).grid
    return 1 - sum(still(frames, grid, threshold).float().mean().item() for frames in clips.frames) / len(clips.frames)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--parts", default="people;sets")
    parser.add_argument("--most", type=int, default=1000, help="most clips, spread evenly")
    given = parser.parse_args()
    torch.set_num_threads(1)
    model, pipe = Composed.from_pretrained(given.model), Pipeline("video-qa", model=given.model, device="cpu")
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    before: Tensor | None = None
    began, count = time.monotonic(), 0
    chosen = [clip for clip in read_clips(given.clips) if clip.part in given.parts.split(";")]
    for clip in chosen[::max(1, len(chosen) // given.most)][:given.most]:
        with pipe.open(clip.path) as session:
            clips: Clips = session._fields["clips"]
        count += 1
        questions = [one.question for one in clip.asked][:2]
        with torch.inference_mode():
            whole = model.visual_tokens(clips)
            seen = {f"drop_below {share}": (left(model, clips, share), model.visual_tokens(clips, drop_below=share))
                    for share in THRESHOLDS}
            seen["mirrored"] = (1.0, model.visual_tokens(mirrored(clips)))
        if before is not None:
            seen["another clip"] = (1.0, before)
        before, reference = whole, said(model, whole, questions)
        for name, (share, soft) in seen.items():
            other = said(model, soft, questions)
            apart = (reference.exp() * (reference - other)).sum(-1)
            same = (reference.argmax(-1) == other.argmax(-1)).float()
            change = ((soft - whole).norm() / whole.norm()).item() if soft.shape == whole.shape else float("nan")
            found.setdefault(name, []).extend(
                (share, change, *pair) for pair in zip(apart.tolist(), same.tolist(), strict=True))
    print(f"{count} clips, {time.monotonic() - began:.0f} s\n\n| shown | tokens left | change of the visual tokens | "
          "divergence, nats | likeliest first token the same |\n|---|---|---|---|---|")
    for name, rows in found.items():
        shares, changes, apart, same = (list(column) for column in zip(*rows, strict=True))
        known = [one for one in changes if one == one]
        mean, (least, most) = mean_interval(apart)
        agree, (low, high) = mean_interval(same)
        print(f"| {name} | {sum(shares) / len(shares):.0%} | {sum(known) / max(1, len(known)):.3f} | {mean:.4f} "
              f"({least:.4f} to {most:.4f}) | {agree:.3f} ({low:.3f} to {high:.3f}), {len(rows)} questions |")


if __name__ == "__main__":
    main()
