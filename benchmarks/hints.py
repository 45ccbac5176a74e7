"""Do measured hints help a chat model? A composed model around a real language model, asked with and without them.

    python benchmarks/hints_clips.py --out runs/hints/clips
    python benchmarks/hints.py compose LANGUAGE --out runs/hints/trained --clips runs/hints/clips --steps 60
    python benchmarks/hints.py ask runs/hints/trained/model --clips runs/hints/clips [--parts "drawn;moved;people;sets"]

`compose` joins EfficientNet-Lite0, new queries (Q-Former) and a causal language model of transformers (a folder, a GGUF
file or a name). It trains queries and low-rank changes of the language model on photographs of Flickr8k, toybox films
and real clips of training halves, of whose questions half stand behind the clip's hints (`--steps 0`: it only joins, so
that the model reads hints and sees nothing). `ask` puts multiple-choice questions, scored by likelihood, without hints,
with the clip's own, and with those of another clip, which tells what the mere presence of such words does. Hints are
told in blocks of lines or in sentences. Scores are taken as they are, or without what the words of a choice have before
any video or hint was seen (domain-conditional PMI, Holtzman et al. 2021). Differences are paired.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from hints_clips import CHECKOUT, Asked, Clip, read_clips
from PIL import Image

from mmvideo import Pipeline
from mmvideo.errors import MmvideoError
from mmvideo.evaluation.intervals import wilson
from mmvideo.everyday.training.caption_questions import caption_pairs, read_caption_file
from mmvideo.everyday.training.flickr_pictures import photographs
from mmvideo.subtitles import timecode
from mmvideo.training.composed import put_together, train_composed
from mmvideo.training.loop import Schedule
from mmvideo.vlm.conversation import tokens_of_choice
from mmvideo.vlm.embedding_conversation import EmbeddingConversation
from mmvideo.vlm.kv_cache import copied, last_logits_only

SENTENCE = re.compile(r"(?:From|At) ([\d.]+)(?: to ([\d.]+))? s "
                      r"(the camera|is said:|somebody|is heard:|is seen:) (.*?)\.?")
TITLES = {"the camera": "Camera", "is said:": "What is said", "somebody": "What is said", "is heard:": "Sounds",
          "is seen:": "Objects"}


def lines(hints: str) -> str:
    """Return hints told in sentences as lines under titles, with timecodes."""
    told: dict[str, list[str]] = {}
    for start, end, what, words in (match.groups() for match in map(SENTENCE.fullmatch, hints.splitlines()) if match):
        for verb in ("pan", "tilt", "zoom", "roll"):
            words = words.replace(f"{verb}s ", f"{verb} ") if what == "the camera" else words
        title = "Faces" if re.fullmatch(r"face \d+", words) else TITLES[what]
        words = {"stands still": "static", "shakes": "shake"}.get(words, words) if what == "the camera" else words
        words = f"somebody {words}" if what == "somebody" else words.strip('"')
        told.setdefault(title, []).append(f"{timecode(float(start))[:-2]}-{timecode(float(end or start))[:-2]} {words}")
    parts = "\n".join(f"{title}:\n" + "\n".join(spans) for title, spans in told.items())
    return f"Measured in this video, with times:\n{parts}\n\n" if parts else ""


WORDINGS = {"sentences": str, "lines": lines}
"""How hints are told: as the package tells them, and another way."""


def compose(given: argparse.Namespace) -> None:
    """Train, or with no steps only join."""
    look = {"num_frames": 4, "height": 224, "width": 224, "window_seconds": 4.0, "max_windows": 4}
    if not given.steps:
        put_together("lite0", "lite0", "qformer", {"num_queries": 4}, given.language, look).save_pretrained(
            given.out / "model")
        return
    home = Path(tempfile.mkdtemp())
    (home / "data.jsonl").write_text("\n".join(map(json.dumps, conversations(given, home))), encoding="utf-8")
    train_composed(given.out, learn=["projector", "lora"], encoder="lite0", encoder_weights="lite0",
                   projector="qformer", projector_options={"num_queries": 4}, language=given.language, look=look,
                   data=str(home / "data.jsonl"), data_options={"validation_share": 0.05}, evaluate_every=given.steps,
                   lora_rank=8, schedule=Schedule(
                       steps=given.steps, batch_size=given.batch, learning_rate=1e-3, warmup=max(1, given.steps // 10),
                       optimizer="adamw", log_every=5, save_every=given.steps, weight_decay=0.0))


def conversations(given: argparse.Namespace, home: Path) -> list[dict[str, Any]]:
    """Return questions with answers; of those about films and clips, half stand behind hints, the others do not."""
    rng, lines = random.Random(0), []

    def add(path: str, question: str, answer: str) -> None:
        lines.append({"video": path, "conversations": [{"from": "human", "value": question},
                                                       {"from": "gpt", "value": answer}]})

    clips = [clip for clip in read_clips(given.clips) if clip.part == "train"]
    for clip in clips:
        for context in ("", WORDINGS[given.wording](clip.hints)):
            for one in rng.sample(clip.asked, 2):
                add(clip.path, context + one.question, one.answer)
    captions = read_caption_file(given.shared / "data/flickr8k/train.tsv")
    for number, (name, pixels) in enumerate(photographs(given.shared / "data/flickr8k", "train")):
        if number == len(clips) // 2:
            break
        Image.fromarray(pixels).save(home / f"{name}.png")
        yes_no = [pair[1:] for pair in caption_pairs(captions[name], rng) if pair[2] in ("yes", "no")]
        add(f"{name}.png", "What is in the video?", min(captions[name], key=len))
        for question, answer in rng.sample(yes_no, min(3, len(yes_no))):
            add(f"{name}.png", question, answer)
    return lines


@torch.inference_mode()
def scores(talk: EmbeddingConversation, context: str, asked: list[Asked]) -> list[list[float]]:
    """Return the log-likelihood of each choice of each question, with its end, behind a context that is read once."""
    ids = [talk.question(context + one.question, ())[0].tolist() for one in asked]
    shared = 0
    while all(len(row) > shared + 1 and row[shared] == ids[0][shared] for row in ids):
        shared += 1
    read = copied(talk._cache)
    if shared:
        talk._step(read, **last_logits_only(talk.model))(torch.tensor([ids[0][:shared]]))
    found = []
    for one, row in zip(asked, ids, strict=True):
        cache = copied(read)
        first = talk._step(cache, **last_logits_only(talk.model))(torch.tensor([row[shared:]]))[0, -1]
        told = [[*tokens_of_choice(choice, talk.tokenizer), talk.ends[0]] for choice in one.choices]
        width = max(map(len, told))
        cache.batch_repeat_interleave(len(told))
        after = talk._step(cache)(torch.tensor([[*row, *[talk.ends[0]] * (width - len(row))] for row in told]))
        logits = torch.cat((first.expand(len(told), 1, -1), after[:, :-1]), 1).float().log_softmax(-1)
        found.append([sum(logits[i, k, token].item() for k, token in enumerate(row)) for i, row in enumerate(told)])
    return found


def conditions(given: argparse.Namespace, clips: list[Clip]) -> list[dict[str, str]]:
    """Return what stands before the questions of each clip, by the name of the condition."""
    told = []
    for number, clip in enumerate(clips):
        other = clips[(number + len(clips) // 2) % len(clips)]
        these = {"none": ""}
        for wording in given.wordings.split(","):
            these[f"own, {wording}"] = WORDINGS[wording](clip.hints)
        if given.control:
            these["another clip's"] = WORDINGS[wording](other.hints)
        told.append(these)
    return told


def ask(given: argparse.Namespace) -> None:
    """Ask about the clips of every part, print the tables and write all scores."""
    pipe, rows = Pipeline("video-qa", model=given.model, device="cpu"), []
    clips = read_clips(given.clips)
    blind: dict[tuple[str, tuple[str, ...]], list[float]] = {}
    for part in given.parts.split(";"):
        some = [clip for clip in clips if clip.part == part][:given.most]
        began = time.monotonic()
        for clip, told in zip(some, conditions(given, some), strict=True):
            try:
                with pipe.open(clip.path) as session:
                    talk = session._fields["conversation"]
                    found = {how: scores(talk, context, list(clip.asked)) for how, context in told.items()}
            except MmvideoError as error:
                print(f"{clip.path}: {error}")
                continue
            for k, one in enumerate(clip.asked):
                if (key := (one.question, one.choices)) not in blind:
                    unseen = EmbeddingConversation(talk.model, talk.prompt, torch.zeros(
                        1, 0, talk.model.get_input_embeddings().embedding_dim))
                    blind[key] = scores(unseen, "", [one])[0]
                rows.append({"part": part, "clip": Path(clip.path).name, "camera": clip.camera, "kind": one.kind,
                             "right": one.choices.index(one.answer), "blind": blind[key],
                             "scores": {how: values[k] for how, values in found.items()}})
        print(f"\n{part}: {len(some)} clips, {time.monotonic() - began:.0f} s", flush=True)
        tables([row for row in rows if row["part"] == part])
        if given.save:
            given.save.write_text(json.dumps(rows), encoding="utf-8")
    print("\nall parts")
    tables(rows)


def tables(rows: list[dict[str, Any]]) -> None:
    """Print shares by kind of question, with scores as they are and without those of the blind model."""
    for rule in ("as they are", "without the blind model's"):
        kinds = sorted({row["kind"] for row in rows})
        print(f"scores {rule}:")
        for kind in (*kinds, *(["all"] if len(kinds) > 1 else [])):
            line([row for row in rows if kind in (row["kind"], "all")], kind, rule != "as they are")


def line(rows: list[dict[str, Any]], kind: str, without: bool) -> None:
    """Print the shares of one kind of question, and how they change against no hints and against another clip's."""
    right: dict[str, list[float]] = {}
    for row in rows:
        for how, values in row["scores"].items():
            values = [a - b * without for a, b in zip(values, row["blind"], strict=True)]
            right.setdefault(how, []).append(float(values.index(max(values)) == row["right"]))
    parts = []
    for how, each in right.items():
        low, high = wilson((round(sum(each)), len(each)))
        parts.append(f"{how} {sum(each) / len(each):.3f} ({low:.3f} to {high:.3f})")
        if how.startswith("own"):
            for other in ("none", "another clip's"):
                if other in right:
                    parts.append(f"against {other} {change(each, right[other])}")
    print(f"| {kind}, {len(rows)} | " + " | ".join(parts) + " |", flush=True)


def change(first: list[float], second: list[float]) -> str:
    """Say how a share changes on the same questions, with its 95 % interval."""
    each = [a - b for a, b in zip(first, second, strict=True)]
    mean = sum(each) / len(each)
    spread = (sum((x - mean) ** 2 for x in each) / max(1, len(each) - 1) / len(each)) ** 0.5
    return f"{mean:+.3f} ({mean - 1.96 * spread:+.3f} to {mean + 1.96 * spread:+.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    make = commands.add_parser("compose", help="join and train briefly")
    make.add_argument("language", help="folder, GGUF file or name of a causal language model")
    make.add_argument("--out", type=Path, required=True)
    make.add_argument("--steps", type=int, default=60)
    make.add_argument("--batch", type=int, default=4)
    make.add_argument("--wording", choices=list(WORDINGS), default="sentences")
    make.set_defaults(run=compose)
    put = commands.add_parser("ask", help="ask with and without hints")
    put.add_argument("model", help="folder of a composed model")
    put.add_argument("--parts", default="drawn;moved;people;sets", help="separated by semicolons")
    put.add_argument("--wordings", default="sentences", help="of hints: lines, sentences, or both with a comma")
    put.add_argument("--no-control", dest="control", action="store_false", help="without another clip's hints")
    put.add_argument("--most", type=int, default=1000, help="most clips of a part")
    put.add_argument("--save", type=Path, help="write all scores there")
    put.set_defaults(run=ask)
    for one in (make, put):
        one.add_argument("--clips", type=Path, required=True, help="folder that hints_clips.py wrote")
        one.add_argument("--shared", type=Path, default=CHECKOUT.parent / "shared")
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.run(given)


if __name__ == "__main__":
    main()
