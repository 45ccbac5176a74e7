"""Photographs with captions (Flickr8k), as features of the image encoder and what the detectors find in them.

The cache of a split holds `SPLIT.grids.npy`, float16 (N, V, 49, 1280): V views of each photograph, the photograph as
it is first, then mirrored, and as a mean of two frames of a slow pan or zoom;
and `SPLIT.known.json`: name -> {"objects": [[label, score, box]], "things": [[name, probability]]}.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmvideo.errors import MediaNotFound
from mmvideo.everyday.evidence_line import evidence_line

SPLITS = ("train", "val", "test")
VIEWS = ("as it is", "mirrored", "slow pan or zoom")
MIRRORED = (1,)
"""Views in which left is right."""
_SIDES = re.compile(r"\b(left|right)\b")
_SWAPPED = {"left": "right", "right": "left"}


def read_captions(file: Path) -> dict[str, list[str]]:
    """Return the captions of each photograph: lower case, no full stop at the end.

    Raises:
        MediaNotFound: no such file.
    """
    if not file.is_file():
        raise MediaNotFound(f"{file} is absent; name the folder that holds train.tsv, val.tsv and test.tsv.")
    found: dict[str, list[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        name, _, text = line.partition("\t")
        found.setdefault(name, []).append(tidy_caption(text))
    return found


def tidy_caption(text: str) -> str:
    """Return a caption in lower case without the spaces before its marks and the mark at its end."""
    text = re.sub(r"\s+([,.;:!?'])", r"\1", " ".join(text.lower().split()))
    return text.strip(" .,;:!").replace('"', "").replace(" - ", "-")


def mirrored(text: str) -> str:
    """Return what is true of the mirrored picture."""
    return _SIDES.sub(lambda m: _SWAPPED[m[0]], text)


def grids_file(cache: Path, split: str) -> Path:
    """Return the file of the features of a split."""
    return cache / f"{split}.grids.npy"


def known_file(cache: Path, split: str) -> Path:
    """Return the file of what detectors found, which is written last."""
    return cache / f"{split}.known.json"


@dataclass(frozen=True)
class Photographs:
    """One split."""

    names: list[str]
    captions: list[list[str]]
    grids: np.ndarray
    """float16 (N, V, 49, 1280), read from the disk as it is needed."""
    known: list[dict[str, Any]]

    @classmethod
    def read(cls, folder: Path, cache: Path, split: str) -> Photographs:
        """Read captions, and the features that `everyday-features` has written.

        Raises:
            MediaNotFound: captions or features are absent.
        """
        captions = read_captions(folder / f"{split}.tsv")
        file = known_file(cache, split)
        if not file.is_file():
            raise MediaNotFound(f"{file} is absent; run mmvideo train train/everyday-features first.")
        known = json.loads(file.read_text(encoding="utf-8"))
        names = list(known)
        return cls(names, [captions[name] for name in names], np.load(grids_file(cache, split), mmap_mode="r"),
                   [known[name] for name in names])

    def __len__(self) -> int:
        return len(self.names)

    def line(self, number: int) -> str:
        """Say what the detectors found in a photograph."""
        known = self.known[number]
        return evidence_line([(label, score) for label, score, _ in known["objects"]],
                             [(name, share) for name, share in known["things"]])

    def order(self, epoch: int, seed: int) -> list[int]:
        """Return all numbers, shuffled."""
        numbers = list(range(len(self)))
        random.Random(seed * 1009 + epoch).shuffle(numbers)
        return numbers


def swapped_object(rng: random.Random, line: str, captions: Sequence[str], labels: Sequence[str]
                   ) -> tuple[str, list[str]]:
    """Put another object in the place of one that the line names, so that words are copied from the line.

    Returns:
        The line, and those captions that name the object; unchanged where none is named by both.
    """
    named = [label for label in labels if label != "person" and re.search(rf"\b{label}\b", line)
             and any(re.search(rf"\b{label}\b", caption) for caption in captions)]
    if not named:
        return line, list(captions)
    old, new = rng.choice(named), rng.choice([label for label in labels if label != "person"])
    kept = [re.sub(rf"\b{old}\b", new, one) for one in captions if re.search(rf"\b{old}\b", one)]
    return re.sub(rf"\b{old}\b", new, line), [_with_article(one) for one in kept]


def _with_article(text: str) -> str:
    return re.sub(r"\ban? (?=([a-z]))", lambda m: "an " if m[1] in "aeiou" else "a ", text)


__all__ = ["MIRRORED", "SPLITS", "VIEWS", "Photographs", "grids_file", "known_file", "mirrored", "read_captions",
           "swapped_object", "tidy_caption"]
