"""Calibrate Lite0's labels with captions of photographs, and measure how far their confidence can be trusted.

    python -m mmvideo.everyday.training.labels ../shared/data/flickr8k [--picture FILE.png]

A label counts as right if one of five captions has one of its words, or a word for its kind (dog for a breed) or a
synonym from the table below. People do not mention everything, so a label that is right may count as wrong: the
calibrated confidence is the probability that people would mention the thing, which is less than that it is there.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmvideo import weights
from mmvideo.encoders import zoo
from mmvideo.everyday.training.caption_questions import read_caption_file
from mmvideo.everyday.training.flickr_pictures import pooled_features
from mmvideo.objects.calibration import calibrated, fitted

KINDS = ((range(151, 269), "dog dogs puppy puppies"), (range(281, 286), "cat cats kitten"),
         (range(7, 25), "bird birds"), (range(80, 101), "bird birds duck"), (range(127, 147), "bird birds"),
         (range(269, 276), "dog dogs wolf fox"), (range(389, 398), "fish"), (range(0, 7), "fish shark"))
"""Indices of ImageNet's classes that share words for their kind."""
SYNONYMS = {
    "sandbar": "beach sand shore ocean", "seashore": "beach shore ocean sea", "lakeside": "lake water river",
    "alp": "mountain mountains snow", "valley": "mountain mountains hill", "cliff": "rock mountain cliffs",
    "swimming trunks": "swim swimming pool water swimsuit shorts trunks", "bikini": "swimsuit suit swim",
    "maillot": "swimsuit suit", "tank suit": "swimsuit suit", "snorkel": "swim swimming underwater goggles",
    "mountain bike": "bike bicycle biker cyclist", "bicycle-built-for-two": "bike bicycle",
    "unicycle": "bike unicyclist", "motor scooter": "motorcycle motorbike bike", "moped": "motorcycle motorbike bike",
    "crash helmet": "helmet motorcycle racer", "ski": "skier skiing skis snow", "dogsled": "sled dogs snow",
    "snowmobile": "snow", "ballplayer": "baseball player", "scoreboard": "game stadium", "soccer ball": "football",
    "rugby ball": "football", "football helmet": "football player", "jersey": "shirt player uniform",
    "miniskirt": "skirt dress", "gown": "dress", "hoopskirt": "dress", "trench coat": "coat jacket", "sarong": "dress",
    "sunglass": "sunglasses glasses", "sunglasses": "glasses", "stage": "band concert performing performance",
    "electric guitar": "guitar band", "acoustic guitar": "guitar", "microphone": "singing sing singer", "racer": "race",
    "sports car": "car race", "racket": "tennis", "swing": "swinging swings", "park bench": "bench",
    "paddle": "kayak canoe boat", "canoe": "kayak boat", "catamaran": "boat sailboat", "speedboat": "boat",
    "yawl": "boat sailboat", "fountain": "water", "geyser": "water", "parachute": "kite paraglider", "cab": "taxi car",
    "cowboy hat": "hat cowboy", "cowboy boot": "boots cowboy", "bearskin": "uniform soldiers", "go-kart": "race car",
    "horse cart": "horse horses carriage", "sorrel": "horse horses", "ox": "cow bull", "tricycle": "bike",
    "volleyball": "ball", "basketball": "ball player", "tennis ball": "ball", "ping-pong ball": "ball",
    "restaurant": "table dinner eating", "barbershop": "hair", "umbrella": "umbrellas",
    "wool": "hat sweater", "bathing cap": "swim swimming pool", "crib": "baby", "diaper": "baby",
    "muzzle": "muzzled dog", "tub": "bath bathtub water", "bathtub": "bath tub", "wing": "airplane plane",
    "streetcar": "train bus", "groom": "wedding man", "scuba diver": "diver underwater", "worm fence": "fence",
    "chainlink fence": "fence", "picket fence": "fence", "web site": "sign", "street sign": "sign",
}
"""Class -> more words that people use where it is seen. Not tuned: written once, before any figure was looked at."""
_SMALL = {"of", "and", "the"}


def label_words(index: int, label: str) -> frozenset[str]:
    """Return the words of captions that make a label right."""
    own = {word for word in re.split(r"[^a-z]+", label) if len(word) > 2 and word not in _SMALL}
    own |= {f"{word}s" for word in own} | set(SYNONYMS.get(label, "").split())
    return frozenset(own).union(*(words.split() for indices, words in KINDS if index in indices))


def right(best: Tensor, labels: list[str], names: list[str], captions: dict[str, list[str]]) -> Tensor:
    """Say of each photograph whether its label is mentioned, bool (M,).

    Args:
        best: int64 (M,), the class of each.
    """
    wanted = [label_words(i, label) for i, label in enumerate(labels)]
    said = [set(re.findall(r"[a-z]+", " ".join(captions[name]).lower())) for name in names]
    return torch.tensor([not wanted[i].isdisjoint(words) for i, words in zip(best.tolist(), said, strict=True)])


def sureness(logits: Tensor) -> Tensor:
    """Return the probability of the likeliest class of each row, float (M,)."""
    return logits.softmax(1).amax(1)


def label_reliability(sure: Tensor, is_right: Tensor, bins: int = 10) -> list[tuple[float, float, int]]:
    """Return mean confidence, share right and number of each tenth of confidence that holds any."""
    place = (sure * bins).long().clamp_max(bins - 1)
    return [(round(float(sure[place == b].mean()), 3), round(float(is_right[place == b].float().mean()), 3),
             int((place == b).sum())) for b in range(bins) if (place == b).any()]


def expected_error(rows: list[tuple[float, float, int]]) -> float:
    """Return the expected calibration error of `label_reliability`."""
    total = sum(number for *_, number in rows)
    return round(sum(abs(sure - share) * number for sure, share, number in rows) / total, 4)


def draw(rows: dict[str, list[tuple[float, float, int]]], path: Path) -> None:
    """Draw reliability curves over the diagonal."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(4.2, 4.2), layout="constrained")
    axis.plot([0, 1], [0, 1], color="0.7")
    for name, points in rows.items():
        axis.plot([p[0] for p in points], [p[1] for p in points], marker="o", label=name)
    axis.set(xlabel="confidence of the likeliest label", ylabel="share mentioned in captions", xlim=(0, 1), ylim=(0, 1))
    axis.legend(frameon=False)
    figure.savefig(path, dpi=110)


def _main() -> None:
    """Fit on train, measure on val and test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="flickr8k")
    parser.add_argument("--features", type=Path, help="Folder with train.pt, val.pt, test.pt, to save time.")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    network: Any = zoo.load(weights.folder("lite0"))
    data = {}
    for split in ("train", "val", "test"):
        names, pooled = pooled_features(options.folder, split, options.features)
        with torch.inference_mode():
            logits = network.head(pooled.float())
        captions = read_caption_file(options.folder / f"{split}.tsv")
        data[split] = logits, right(logits.argmax(1), list(network.labels), names, captions)
    line = fitted(*(x.numpy() for x in (sureness(data["train"][0]), data["train"][1])))
    report: dict[str, Any] = {"line": line}
    curves = {}
    for split in ("val", "test"):
        logits, is_right = data[split]
        sure = sureness(logits)
        for name, values in (("uncalibrated", sure),
                             ("calibrated", torch.tensor([calibrated(value, line) for value in sure.tolist()]))):
            rows = label_reliability(values, is_right)
            report[f"{split}, {name}"] = {"right": round(float(is_right.float().mean()), 3),
                                          "calibration error": expected_error(rows), "rows": rows}
            if split == "test":
                curves[name] = rows
    if options.picture:
        draw(curves, options.picture)
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    _main()
