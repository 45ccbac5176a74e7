"""python benchmarks/samplers_real.py RUN [--nothing 8]: how many windows of joined real films are enough?

RUN is a classifier of what two people do, trained on set1 (`mmvideo train ../shared/data/interactions/clips.tsv
--exclude none --split-column set --train-split set1 --test-split set2 ...`). A film is a clip of one action among
clips in which nothing counts (of odd sequences for set1, of even ones for set2), joined at one size, rate and mean
brightness. Its label is that of the mean of the probabilities in the windows that are looked at: all (dense), evenly
spread ones, those of the sampler `salient` by its rule, or by a scorer that `fit_saliency` learnt on films of set1 from
the classifier's probability of the right action in each window (the rank loss of SCSampler). Films of set2 are only
measured on.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmvideo.encoders import zoo
from mmvideo.evaluation.intervals import wilson
from mmvideo.localization.evaluation.streams import BRIGHTNESS, NOTHING, RealClip, read_clips
from mmvideo.media import open_source
from mmvideo.media.write import write_video
from mmvideo.sampling.choose import candidates, highest, take_chosen
from mmvideo.sampling.fps import at_fps
from mmvideo.sampling.gather import span_of
from mmvideo.sampling.saliency_head import fit_saliency
from mmvideo.sampling.salient import cues_of, rule_scores

FPS, SIZE, WINDOW = 12.0, (160, 224), 2.0
SHARES = (0.1, 0.25, 0.5)


@dataclass(frozen=True)
class Seen:
    """What is known of a film: its label, what the network says of each window, and the cues of each."""

    label: int
    shares: Tensor
    """Float (K, labels)."""
    cues: Tensor
    choosing: float
    """CPU seconds for the cues."""
    looking: float
    """CPU seconds for all windows: decoding and the network."""


def joined_frames(clips: Sequence[RealClip]) -> Tensor:
    """Return the frames of clips one after the other, uint8 (T, 3, H, W)."""
    parts = []
    for clip in clips:
        with open_source(clip.path, threads=1) as media:
            frames = at_fps(media, fps=FPS, size=SIZE, fit="squash").frames[0].float()
        parts.append((frames * (BRIGHTNESS / frames.mean().clamp(min=1.0))).clamp(0, 255).round().to(torch.uint8))
    return torch.cat(parts)


def look_at_film(path: Path, label: int, network: Any) -> Seen:
    """Look at every window of a film."""
    size = (network.input.height, network.input.width)
    with open_source(path, threads=1) as source:
        spans = candidates(span_of(source, None, None), WINDOW)
        began = time.process_time()
        cues = cues_of(source, spans)
        chosen = time.process_time()
        clips = take_chosen(source, spans, range(len(spans)), num_frames=network.input.num_frames, crops=1, size=size,
                            fit="crop", sample_rate=None, why="all")
        with torch.inference_mode():
            shares = torch.cat([network.logits(one) for one in clips.frames.split(8)]).softmax(1)
    return Seen(label, shares, cues, chosen - began, time.process_time() - chosen)


def films_of(clips: Sequence[RealClip], group: str, nothing: int, most: int, network: Any, labels: Sequence[str]
             ) -> list[Seen]:
    """Make a film around clips of an action of a set, drawn, and look at it."""
    rng, found = random.Random(f"{group}/{nothing}"), []
    still = [one for one in clips if one.label == NOTHING and int(one.part) % 2 == int(group == "set1")]
    with tempfile.TemporaryDirectory() as home:
        shown = [one for one in clips if one.group == group and one.label != NOTHING]
        for number, clip in enumerate(rng.sample(shown, min(most, len(shown)))):
            parts = rng.sample(still, nothing)
            parts.insert(rng.randint(0, nothing), clip)
            path = Path(home) / f"{number}.mp4"
            write_video(path, joined_frames(parts), fps=FPS, crf=23)
            found.append(look_at_film(path, labels.index(clip.label), network))
            path.unlink()
    return found


def evenly(film: Seen, count: int) -> list[int]:
    """Return the numbers of evenly spread windows."""
    return np.unique(((np.arange(count) + 0.5) * len(film.cues) / count).astype(int)).tolist()


def by_scores(scored: Callable[[Tensor], Tensor], film: Seen, count: int) -> list[int]:
    """Return the numbers of the windows with the highest scores."""
    return highest(scored(film.cues).tolist(), count)


def surest(film: Seen, count: int) -> list[int]:
    """Return the windows in which the right label is likeliest: what no sampler can know."""
    return highest(film.shares[:, film.label].tolist(), count)


def row_of(name: str, films: Sequence[Seen], share: float, choose: Callable[[Seen, int], list[int]], *, cues: bool
           ) -> str:
    """Return a row of the table."""
    right, windows, seconds = 0, 0, 0.0
    for film in films:
        taken = choose(film, max(1, round(share * len(film.cues))))
        windows += len(taken)
        seconds += film.looking * len(taken) / len(film.cues) + (film.choosing if cues else 0.0)
        right += int(film.shares[taken].mean(0).argmax()) == film.label
    low, high = wilson((right, len(films)))
    return (f"| {name} | {share:.0%} | {windows / len(films):.1f} | {right / len(films):.3f} [{low:.3f}, {high:.3f}] | "
            f"{seconds / len(films):.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run that trained the classifier")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/interactions"))
    parser.add_argument("--nothing", type=int, default=8, help="clips of a film in which nothing counts")
    parser.add_argument("--films", type=int, default=60, help="of each set at most")
    parser.add_argument("--save", type=Path, help="where the learnt scorer is written (.safetensors)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    network: Any = zoo.load(given.run / "model").eval()
    clips, labels = read_clips(given.data), list(network.labels)
    learnt, judged = (films_of(clips, group, given.nothing, given.films, network, labels) for group in ("set1", "set2"))
    head = fit_saliency([(one.cues, one.shares[:, one.label]) for one in learnt], steps=10 * len(learnt))
    if given.save:
        head.save(given.save)
    windows = np.mean([len(one.cues) for one in judged])
    print(f"{len(judged)} films of set2, {windows:.1f} windows of {WINDOW:g} s each; the scorer learnt on "
          f"{len(learnt)} films of set1")
    print(row_of("dense", judged, 1.0, evenly, cues=False))
    rows = {"uniform": (evenly, False), "salient, rule": (partial(by_scores, rule_scores), True),
            "salient, learnt": (partial(by_scores, head.scores), True), "surest (not possible)": (surest, False)}
    for name, (choose, cues) in rows.items():
        for share in SHARES:
            print(row_of(name, judged, share, choose, cues=cues), flush=True)


if __name__ == "__main__":
    main()
