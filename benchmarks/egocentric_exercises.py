"""python benchmarks/egocentric_exercises.py OUT: the trainer `egocentric` on real clips, for show.

No first-person clips are at hand, so these are of exercises: the verb is the movement, the noun the equipment that is
held or used (`exercise_equipment.tsv`: what one person saw in one frame of each clip; unclear ones were left out). The
lists are written in the format of EPIC-KITCHENS. Train and test are other people in other places.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
from pathlib import Path

import torch

from mmvideo.egocentric.evaluation.evaluator import evaluate_egocentric
from mmvideo.egocentric.training.trainer import train_egocentric
from mmvideo.media import open_source
from mmvideo.training.loop import Schedule

EQUIPMENT = Path(__file__).with_name("exercise_equipment.tsv")
COLUMNS = ("video_id", "start_timestamp", "stop_timestamp", "verb", "verb_class", "noun", "noun_class")


def write_lists(data: Path, out: Path) -> dict[str, Path]:
    """Write a list a split in EPIC's format; return their paths."""
    with EQUIPMENT.open(encoding="utf-8", newline="") as file:
        held = {row["clip"]: row["equipment"] for row in csv.DictReader(file, delimiter="\t")}
    with (data / "clips.tsv").open(encoding="utf-8", newline="") as file:
        clips = [row for row in csv.DictReader(file, delimiter="\t") if row["clip"] in held]
    verbs, nouns = (sorted(set(names)) for names in ((row["label"] for row in clips), held.values()))
    found = {}
    out.mkdir(parents=True, exist_ok=True)
    for split in ("train", "test"):
        found[split] = out / f"{split}.csv"
        with found[split].open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for row in (one for one in clips if one["split"] == split):
                with open_source(data / row["clip"]) as source:
                    seconds = source.end_seconds - source.start_seconds
                verb, noun = row["label"], held[row["clip"]]
                writer.writerow((Path(row["clip"]).stem, "00:00:00.000", f"00:00:{seconds:06.3f}", verb,
                                 verbs.index(verb), noun, nouns.index(noun)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/exercises"))
    parser.add_argument("--encoder", default="tsm-tiny")
    parser.add_argument("--steps", type=int, default=120)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    lists = write_lists(given.data, given.out)
    schedule = Schedule(steps=given.steps, batch_size=8, learning_rate=1e-3, warmup=20, log_every=20, save_every=40)
    train_egocentric(given.out, schedule=schedule, encoder=given.encoder, videos=str(given.data),
                     train=str(lists["train"]), workers=1, label_smoothing=0.1)
    asked = {"videos": str(given.data), "annotations": str(lists["test"]), "weights": str(given.out / "model")}
    for report in evaluate_egocentric(asked, out=given.out, where="exercises"):
        print(json.dumps(report))


if __name__ == "__main__":
    main()
