"""Do measured hints help a chat model? A composed model around a real language model, asked with and without them.

    python benchmarks/hints.py compose LANGUAGE --shared ../shared --out runs/hints [--steps 100]
    python benchmarks/hints.py ask runs/hints/model --shared ../shared [--films 60] [--every 2]

`compose` joins EfficientNet-Lite0, new queries (Q-Former) and a causal language model of transformers, and trains the
queries alone on photographs of Flickr8k, briefly (`--steps 0`: not at all, so that only words count). `ask` puts
multiple-choice questions, scored by likelihood: how the camera moves, on drawn films whose camera motion is known, and
the yes/no and counting questions of tests/everyday/questions.json on real clips. Each is asked three times: without
hints, with the clip's own (all five kinds), and with those of another clip, which tells what the mere presence of such
words does. Differences are paired.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from mmvideo import Pipeline
from mmvideo.errors import MmvideoError
from mmvideo.evaluation.intervals import wilson
from mmvideo.everyday.training.caption_questions import caption_pairs, read_caption_file
from mmvideo.everyday.training.flickr_pictures import photographs
from mmvideo.media import open_source, write_video
from mmvideo.stages.measured import KINDS, Measurer
from mmvideo.toybox.physics import simulate
from mmvideo.toybox.render import render_world
from mmvideo.toybox.tasks import scene
from mmvideo.toybox.vocabulary import CAMERA_MOTIONS
from mmvideo.training.composed import put_together, train_composed
from mmvideo.training.loop import Schedule

CHECKOUT = Path(__file__).resolve().parents[1]
CONDITIONS = ("none", "own", "another clip's")
MOVES = {"static": "it stands still", "pan left": "it turns to the left", "pan right": "it turns to the right",
         "tilt up": "it tilts up", "tilt down": "it tilts down", "zoom in": "it zooms in", "zoom out": "it zooms out",
         "roll left": "it rolls to the left", "roll right": "it rolls to the right", "shake": "it shakes"}


@dataclass(frozen=True)
class Asked:
    """A multiple-choice question about a clip."""

    kind: str
    question: str
    choices: tuple[str, ...]
    answer: str


def compose(given: argparse.Namespace) -> None:
    """Train the queries between Lite0 and the language model on photographs; with no steps, only join them."""
    look = {"num_frames": 2, "height": 224, "width": 224, "window_seconds": 4.0, "max_windows": 4}
    if not given.steps:
        put_together("lite0", "lite0", "qformer", {"num_queries": 4}, given.language, look).save_pretrained(
            given.out / "model")
        return
    home, rng = Path(tempfile.mkdtemp()), random.Random(0)
    captions = read_caption_file(given.shared / "data/flickr8k/train.tsv")
    lines = []
    for number, (name, pixels) in enumerate(photographs(given.shared / "data/flickr8k", "train")):
        if number == given.steps * given.batch + 8:
            break
        Image.fromarray(pixels).save(home / f"{name}.png")
        pairs = caption_pairs(captions[name], rng)
        yes_no = [pair[1:] for pair in pairs if pair[2] in ("yes", "no")]
        turns = [("What is in the video?", rng.choice(captions[name])), *rng.sample(yes_no, min(2, len(yes_no)))]
        lines += [json.dumps({"video": f"{name}.png", "conversations": [
            {"from": "human", "value": question}, {"from": "gpt", "value": answer}]}) for question, answer in turns]
    (home / "data.jsonl").write_text("\n".join(lines), encoding="utf-8")
    train_composed(given.out, learn=["projector"], encoder="lite0", encoder_weights="lite0", projector="qformer",
                   projector_options={"num_queries": 4}, language=given.language, look=look,
                   data=str(home / "data.jsonl"), data_options={"validation_share": 0.05}, evaluate_every=given.steps,
                   schedule=Schedule(steps=given.steps, batch_size=given.batch, learning_rate=2e-3, warmup=10,
                                     log_every=10, save_every=given.steps))


def drawn_films(home: Path, count: int) -> Iterator[tuple[Path, list[Asked]]]:
    """Write films of a known camera motion, drawn from ten alike likely ones; of the test split."""
    for number in range(count):
        spec, truth, _ = scene("camera", number, "test")
        motion, world = CAMERA_MOTIONS[truth["camera"]], simulate([spec])
        path = home / f"{number}.mp4"
        write_video(path, render_world(world, size=320, fps=25, num_frames=50)[0], fps=25)
        yield path, [Asked("which of ten", "How does the camera move?", tuple(MOVES.values()), MOVES[motion]),
                     Asked("yes/no", "Does the camera move?", ("yes", "no"), "no" if motion == "static" else "yes")]


def real_clips(shared: Path, every: int) -> Iterator[tuple[Path, list[Asked]]]:
    """Yield real clips with every so-many-th of their yes/no and counting questions."""
    entries = json.loads((CHECKOUT / "tests/everyday/questions.json").read_text(encoding="utf-8"))["questions"]
    by_clip: dict[str, list[Asked]] = {}
    for entry in entries:
        answer, kind = entry["answers"][0], entry["kind"]
        if answer in ("yes", "no") and kind in ("yes/no", "camera", "sound"):
            by_clip.setdefault(entry["file"], []).append(Asked(kind, entry["question"], ("yes", "no"), answer))
        elif kind == "count" and answer in "123456":
            by_clip.setdefault(entry["file"], []).append(Asked(kind, entry["question"], tuple("123456"), answer))
    number = 0
    for name, asked in by_clip.items():
        kept = []
        for one in asked:
            if one.kind != "yes/no" or number % every == 0:
                kept.append(one)
            number += one.kind == "yes/no"
        if kept and (shared / name).is_file():
            yield shared / name, kept


def hints_of(paths: list[Path]) -> list[str]:
    """Return the words of all five kinds of hints for each clip."""
    measurer, found = Measurer(KINDS, None, None), []
    for path in paths:
        with open_source(path) as media:
            found.append(measurer.words(media))
    return found


def measure(pipe: Pipeline, clips: list[tuple[Path, list[Asked]]], name: str) -> list[dict[str, Any]]:
    """Ask everything under each condition; print the table."""
    began, words = time.monotonic(), hints_of([path for path, _ in clips])
    print(f"\n{name}: {len(clips)} clips, hints of {sum(map(len, words)) // max(1, len(words))} characters on average, "
          f"measured in {time.monotonic() - began:.0f} s", flush=True)
    rows: list[dict[str, Any]] = []
    for number, (path, asked) in enumerate(clips):
        told = dict(zip(CONDITIONS, ("", words[number], words[(number + len(clips) // 2) % len(clips)]), strict=True))
        try:
            with pipe.open(path) as session:
                for one in asked:
                    said = {how: session.ask(context + one.question, choices=list(one.choices)).text
                            for how, context in told.items()}
                    rows.append({"clip": path.name, "kind": one.kind, "question": one.question, "answer": one.answer,
                                 **said})
        except MmvideoError as error:
            print(f"{path.name}: {error}")
    print("| questions | no hints | own hints | another clip's hints | own - none | own - another's |\n"
          "|---|---|---|---|---|---|")
    for kind in (*sorted({row["kind"] for row in rows}), "all"):
        line([row for row in rows if kind in (row["kind"], "all")], kind)
    print(f"{time.monotonic() - began:.0f} s", flush=True)
    return rows


def line(rows: list[dict[str, Any]], kind: str) -> None:
    """Print the shares of one kind of question."""
    right = {how: [float(row[how] == row["answer"]) for row in rows] for how in CONDITIONS}
    shares = []
    for how in CONDITIONS:
        low, high = wilson((round(sum(right[how])), len(rows)))
        shares.append(f"{sum(right[how]) / len(rows):.3f} ({low:.3f} to {high:.3f})")
    changes = []
    for other in ("none", "another clip's"):
        each = [a - b for a, b in zip(right["own"], right[other], strict=True)]
        mean = sum(each) / len(each)
        spread = (sum((x - mean) ** 2 for x in each) / max(1, len(each) - 1) / len(each)) ** 0.5
        changes.append(f"{mean:+.3f} ({mean - 1.96 * spread:+.3f} to {mean + 1.96 * spread:+.3f})")
    print(f"| {kind}, {len(rows)} | {' | '.join(shares)} | {' | '.join(changes)} |", flush=True)


def ask(given: argparse.Namespace) -> None:
    """Ask about drawn films and real clips."""
    pipe, rows = Pipeline("video-qa", model=given.model, device="cpu"), []
    with tempfile.TemporaryDirectory() as home:
        if given.films:
            rows += measure(pipe, list(drawn_films(Path(home), given.films)), "drawn films with a known camera motion")
    if given.every:
        clips = list(real_clips(given.shared, given.every))
        rows += measure(pipe, clips[::max(1, len(clips) // given.clips)][:given.clips], "real clips")
    if given.save:
        given.save.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(required=True)
    make = parts.add_parser("compose", help="join and train briefly")
    make.add_argument("language", help="folder or name of a causal language model")
    make.add_argument("--out", type=Path, required=True)
    make.add_argument("--steps", type=int, default=100)
    make.add_argument("--batch", type=int, default=4)
    make.set_defaults(run=compose)
    put = parts.add_parser("ask", help="ask with and without hints")
    put.add_argument("model", help="folder of a composed model")
    put.add_argument("--films", type=int, default=60, help="drawn films; 0 for none")
    put.add_argument("--every", type=int, default=2, help="every so-many-th yes/no question of real clips; 0 for none")
    put.add_argument("--clips", type=int, default=100, help="most real clips, spread evenly")
    put.add_argument("--save", type=Path, help="write all replies there")
    put.set_defaults(run=ask)
    for one in (make, put):
        one.add_argument("--shared", type=Path, default=CHECKOUT.parent / "shared")
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.run(given)


if __name__ == "__main__":
    main()
