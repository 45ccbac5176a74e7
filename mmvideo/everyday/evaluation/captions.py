"""Captions of photographs that nobody trained on, shown as films: BLEU, CIDEr-D, and what is named but not there."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmvideo.evaluation.caption_metrics import Cider, bleu, words_of
from mmvideo.everyday.questions.nouns import noun_of
from mmvideo.everyday.training.photographs import read_captions

DRAWS = 1000


def scores(captions: Mapping[str, str], told: Mapping[str, Sequence[str]], seen: Mapping[str, set[str]] | None = None
           ) -> dict[str, Any]:
    """Return BLEU-4 and CIDEr-D with 95 % intervals over photographs, and the shares of hallucinated objects.

    Args:
        captions: by name.
        told: what people wrote.
        seen: COCO classes that a detector found.
    """
    told = {name: told[name] for name in captions}
    cider = Cider(told)
    each = np.array([cider.score(name, text) for name, text in captions.items()])
    rng = np.random.default_rng(0)
    draws = [each[rng.integers(0, len(each), len(each))].mean() for _ in range(DRAWS)]
    names, intervals = list(captions), []
    picker = random.Random(0)
    for _ in range(100):
        some = [picker.choice(names) for _ in names]
        intervals.append(bleu([captions[n] for n in some], [told[n] for n in some])[3])
    whole = bleu(list(captions.values()), [told[n] for n in captions])
    return {"photographs": len(captions), "bleu": [round(x, 4) for x in whole],
            "bleu4_interval": _interval(intervals), "cider": round(float(each.mean()), 4),
            "cider_interval": _interval(draws), **hallucinated(captions, told, seen or {})}


def _interval(draws: Sequence[float]) -> list[float]:
    return [round(float(x), 4) for x in np.percentile(draws, [2.5, 97.5])]


def hallucinated(captions: Mapping[str, str], told: Mapping[str, Sequence[str]], seen: Mapping[str, set[str]]
                 ) -> dict[str, float]:
    """Return the share of named COCO objects that neither a reference nor the detector knows, and of captions with one.

    After CHAIR (Rohrbach et al. 2018, "Object hallucination in image captioning").
    """
    named = wrong = spoiled = 0
    for name, text in captions.items():
        known = set(seen.get(name, ()))
        known |= {label for one in told[name] for labels in objects_named(one) for label in labels}
        objects = objects_named(text)
        bad = [labels for labels in objects if not labels & known]
        named, wrong, spoiled = named + len(objects), wrong + len(bad), spoiled + bool(bad)
    return {"chair_objects": round(wrong / max(1, named), 4),
            "chair_captions": round(spoiled / max(1, len(captions)), 4)}


def objects_named(text: str) -> set[frozenset[str]]:
    """Return what a caption names of COCO's classes: for every word those that it may be."""
    words, found, at = words_of(text), set(), 0
    while at < len(words):
        two = noun_of(" ".join(words[at:at + 2])) if at + 1 < len(words) else None
        noun = two or noun_of(words[at])
        if noun is not None and noun.labels and not noun.kind:
            found.add(noun.labels)
        at += 2 if two else 1
    return found


def baselines(photographs: Path, pooled: Mapping[str, torch.Tensor], learned: Mapping[str, torch.Tensor]
              ) -> dict[str, dict[str, str]]:
    """Return what needs no model: one caption for all, and that of the nearest training photograph.

    Args:
        photographs: folder of train.tsv.
        pooled: features (D,) of the test photographs by name.
        learned: of the training photographs.
    """
    told = read_captions(photographs / "train.tsv")
    cider = Cider(told)
    some = random.Random(0).sample(sorted(told), min(400, len(told)))
    commonest = Counter(text for captions in told.values() for text in captions).most_common(30)
    usual = max((text for text, _ in commonest), key=lambda text: sum(cider.score(n, text) for n in some))
    names = list(learned)
    keys = torch.nn.functional.normalize(torch.stack([learned[n].float() for n in names]), dim=1)
    nearest = {}
    for name, feature in pooled.items():
        best = int((keys @ torch.nn.functional.normalize(feature.float(), dim=0)).argmax())
        nearest[name] = told[names[best]][0]
    return {"one caption for all": dict.fromkeys(pooled, usual), "nearest training photograph": nearest}


__all__ = ["baselines", "hallucinated", "objects_named", "scores"]
