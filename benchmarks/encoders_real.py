"""python benchmarks/encoders_real.py OUT: networks on real footage, from ImageNet's weights and from random ones.

Trains each network on clips of one data set as `mmvideo train` does, with the same options, and measures it on clips of
other people in other places. Of each label and group the first `--most` clips by the SHA-256 of their names are taken,
so that a machine without a GPU is enough. A run that was stopped goes on; one that is done is not done again.

    exercises      learnt on two shoots, judged on two others (chance 7 %)
    between        learnt on one training shoot, judged on the other: to choose options without a look at the test
    interactions   learnt on set 1, judged on set 2 (chance 17 %)
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import logging
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from mmvideo.training.finetune.options import FinetuneOptions
from mmvideo.training.finetune.trainer import train_finetune

NETWORKS = {"lite0": "each frame alone", "tsm-lite0": "shift to neighbours (TSM)",
            "channelwise-lite0": "convolutions over time (as R(2+1)D)", "i3d-lite0": "inflated",
            "cnn-lstm-lite0": "LSTM over frames", "frame-transformer-lite0": "transformer over frames"}
PARTS: dict[str, dict[str, Any]] = {
    "exercises": {"folder": "exercises", "column": "split", "learnt": "train", "judged": "test"},
    "between": {"folder": "exercises", "column": "shoot", "learnt": "white_studio", "judged": "gym_misc"},
    "interactions": {"folder": "interactions", "column": "set", "learnt": "set1", "judged": "set2"}}
FOUND = "figures.json"


def chosen_table(folder: Path, part: dict[str, Any], most: int, table: Path) -> Counter[str]:
    """Write a table of the clips that are used; return how many of each side."""
    with (folder / "clips.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["label"] != "none"]
    group = "shoot" if "shoot" in rows[0] else "set"
    rows.sort(key=lambda row: hashlib.sha256(row["clip"].encode()).hexdigest())
    taken: Counter[tuple[str, str]] = Counter()
    kept = []
    for row in rows:
        side = row[part["column"]]
        if side not in (part["learnt"], part["judged"]):
            continue
        taken[row["label"], row[group]] += 1
        if side == part["judged"] or taken[row["label"], row[group]] <= most:
            kept.append((str((folder / row["clip"]).resolve()), row["label"],
                         "train" if side == part["learnt"] else "test"))
    learnt = {label for _, label, side in kept if side == "train"}
    kept = [row for row in kept if row[1] in learnt]
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text("clip\tlabel\tsplit\n" + "".join("\t".join(row) + "\n" for row in kept), encoding="utf-8")
    return Counter(side for *_, side in kept)


def measured(name: str, weights: str, table: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Train a network, or read what a run that is done has found."""
    out = given.out / f"{given.part}-{name}-{weights}{given.tag}"
    if not (out / FOUND).is_file():
        began = time.process_time()
        train_finetune(FinetuneOptions(
            data=str(table), encoder=name, pretrained=weights, frames=given.frames, size=given.size,
            epochs=given.epochs, focus=given.focus, channels=given.channels, stills=given.stills,
            augment=given.augment, freeze=given.freeze if weights == "imagenet" else "", mixup=given.mixup,
            learning_rate=given.rate, class_weights="balanced", validation_share=0.0, group_column="none",
            split_column="split", cache=str(given.out / ".clips"), workers=1, seed=given.seed), out)
        with (out / "seconds.txt").open("a", encoding="utf-8") as file:
            file.write(f"{time.process_time() - began:.0f}\n")
    return json.loads((out / FOUND).read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--part", choices=PARTS, default="exercises")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--weights", nargs="+", default=["imagenet", "none"], choices=("imagenet", "none"))
    parser.add_argument("--most", type=int, default=24, help="clips of each label and group to learn from")
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--focus", default="person")
    parser.add_argument("--channels", default="colour")
    parser.add_argument("--stills", type=float, default=0.0)
    parser.add_argument("--augment", default="strong")
    parser.add_argument("--mixup", type=float, default=0.0)
    parser.add_argument("--freeze", default="4", help="of ImageNet's weights; random weights all learn")
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tag", default="", help="end of the names of the runs")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    part = PARTS[given.part]
    table = given.out / f"{given.part}-{given.most}.tsv"
    counts = chosen_table(given.data / part["folder"], part, given.most, table)
    print(f"{given.part}: {counts['train']} clips to learn from, {counts['test']} to judge on")
    for name in given.networks:
        for weights in given.weights:
            found = measured(name, weights, table, given)
            low, high = found["intervals"]["top1"]
            balanced = found["balanced_accuracy"]
            print(f"| {name} | {NETWORKS[name]} | {weights} | {found['top1']:.3f} [{low:.3f}, {high:.3f}] | "
                  f"{balanced:.3f} |", flush=True)


if __name__ == "__main__":
    main()
