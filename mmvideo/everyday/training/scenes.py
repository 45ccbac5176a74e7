"""Fit the classifier of places and of indoors with captions of photographs, and say how often captions agree.

    python -m mmvideo.everyday.training.scenes ../shared/data/flickr8k --out mmvideo/embedded/scene-and-objects/scenes

A kind of place counts as there where two or more of five captions name it, as absent where none does; photographs
with one mention are left out. Captions do not name everything, so this truth is weak: what is measured is agreement
with people who did not know the question.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo import weights
from mmvideo.everyday.scenes import INDOORS, OUTDOORS, PLACES, EverydayScenes
from mmvideo.everyday.training.caption_questions import read_caption_file
from mmvideo.everyday.training.flickr_pictures import pooled_features

DECAYS = (1e-2, 1e-3, 3e-4, 1e-4)


def truth(captions: list[str]) -> list[float]:
    """Return 1, 0 or NaN (left out) for indoors and each of PLACES."""
    def mentions(pattern: str) -> int:
        return sum(bool(re.search(rf"\b(?:{pattern})\b", caption.lower())) for caption in captions)

    inside, outside = mentions(INDOORS), mentions(OUTDOORS)
    found = [1.0 if inside >= 2 and not outside else 0.0 if outside >= 2 and not inside else float("nan")]
    for pattern in PLACES.values():
        number = mentions(pattern)
        found.append(1.0 if number >= 2 else 0.0 if number == 0 else float("nan"))
    return found


def truths(names: list[str], captions: dict[str, list[str]]) -> Tensor:
    """Return the truth of photographs, float (M, 1 + len(PLACES))."""
    return torch.tensor([truth(captions[name]) for name in names])


def fit_places(pooled: Tensor, wanted: Tensor, decay: float) -> EverydayScenes:
    """Fit all classifiers at once by logistic regression; indoors counts as much as outdoors, which is more frequent.

    Films are taken indoors more often than these photographs, so that for them even odds are the better guess.
    """
    head = EverydayScenes(dim=pooled.shape[1])
    root = pooled.float().sqrt()
    head.mean.copy_(root.mean(0))
    head.spread.copy_(root.std(0).clamp_min(1e-2))
    known = (~wanted.isnan()).float()
    inside = wanted[:, 0] == 1
    known[inside, 0] *= float((wanted[:, 0] == 0).sum() / inside.sum().clamp_min(1))
    solver = torch.optim.LBFGS(head.parameters(), max_iter=120, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        each = F.binary_cross_entropy_with_logits(head.logits(pooled), wanted.nan_to_num(), reduction="none")
        value = (each * known).sum() / known.sum() + decay * head.score.weight.square().sum()
        value.backward()
        return value

    solver.step(loss)
    return head.eval()


def caption_agreement(head: EverydayScenes, pooled: Tensor, wanted: Tensor) -> dict[str, Any]:
    """Measure a head against captions: accuracy of indoors, average precision of places, and of the named place."""
    with torch.inference_mode():
        indoors, places = head(pooled)
    known = ~wanted[:, 0].isnan()
    right = ((indoors > 0.5) == (wanted[:, 0] > 0.5))[known]
    inside = wanted[known, 0] > 0.5
    best = places.max(1)
    named = best.values >= 0.5
    told = wanted[:, 1:].gather(1, best.indices[:, None])[:, 0]
    return {
        "photographs": len(pooled), "judged indoors or outdoors": int(known.sum()),
        "indoors right": round(float(right.float().mean()), 4),
        "balanced": round(float((right[inside].float().mean() + right[~inside].float().mean()) / 2), 4),
        "named a place": round(float(named.float().mean()), 4),
        "two captions name it": round(float((told[named] == 1).float().mean()), 4),
        "one or more name it": round(float((told[named] != 0).float().mean()), 4),
        "calibration error": round(places_calibration_error(places, wanted[:, 1:]), 4),
        "average precision": {name: [round(place_precision(places[:, i], wanted[:, 1 + i]), 3),
                                     int((wanted[:, 1 + i] == 1).sum())] for i, name in enumerate(PLACES)},
    }


def place_precision(scores: Tensor, wanted: Tensor) -> float:
    """Return the mean precision over the places of what is wanted, without what is not known; NaN where none is."""
    known = ~wanted.isnan()
    order = scores[known].argsort(descending=True)
    hits = wanted[known][order]
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / hits.sum()) if hits.sum() else float("nan")


def places_calibration_error(scores: Tensor, wanted: Tensor, bins: int = 10) -> float:
    """Return the expected calibration error over all scores whose truth is known."""
    known = ~wanted.isnan()
    s, w = scores[known], wanted[known]
    place = (s * bins).long().clamp_max(bins - 1)
    return sum(float((s[place == b].mean() - w[place == b].mean()).abs() * (place == b).float().mean())
               for b in range(bins) if (place == b).any())


def _main() -> None:
    """Fit, choose the decay on the val photographs, measure on test, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="flickr8k")
    parser.add_argument("--features", type=Path, help="Folder with train.pt, val.pt, test.pt, to save time.")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.manual_seed(0)
    data = {}
    for split in ("train", "val", "test"):
        names, pooled = pooled_features(options.folder, split, options.features)
        data[split] = pooled, truths(names, read_caption_file(options.folder / f"{split}.tsv"))

    def loss(head: EverydayScenes) -> float:
        pooled, wanted = data["val"]
        known = ~wanted.isnan()
        with torch.inference_mode():
            return float(F.binary_cross_entropy_with_logits(head.logits(pooled)[known], wanted[known]))

    heads = {decay: fit_places(*data["train"], decay) for decay in DECAYS}
    losses = {decay: loss(head) for decay, head in heads.items()}
    best = min(losses, key=losses.__getitem__)
    report = {"losses on val": losses, "decay": best,
              **{split: caption_agreement(heads[best], *data[split]) for split in ("val", "test")}}
    if options.out:
        heads[best].save_pretrained(options.out, half=True)
        weights.seal(options.out.parent)
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    _main()
