"""What detectors found in a shot, as a short line of text that the language model reads beside the visual tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SEEN, LOOKS = "<seen>", "<looks>"
"""Before the detected objects, and before what the whole picture looks like."""
NUM_SLOTS = 16
"""Tokens of the line, always: it is cut or padded, so that all shots have prefixes of one length."""
MIN_OBJECT, MIN_THING = 0.4, 0.2
"""Scores from which a detected object and a class of the whole picture are told."""
_MOST_LABELS, _MOST_THINGS = 5, 2


def evidence_line(objects: Sequence[tuple[str, float]], things: Sequence[tuple[str, float]]) -> str:
    """Say what was found: "<seen> 2 person, dog <looks> kelpie".

    Args:
        objects: label and score of every object in one frame.
        things: classes of the whole picture with their probabilities.
    """
    counts: dict[str, int] = {}
    for label, score in sorted(objects, key=lambda one: -one[1]):
        if score >= MIN_OBJECT:
            counts[label] = counts.get(label, 0) + 1
    told = [label if count == 1 else f"{min(count, 9)} {label}" for label, count in list(counts.items())[:_MOST_LABELS]]
    looks = [name for name, share in sorted(things, key=lambda one: -one[1])[:_MOST_THINGS] if share >= MIN_THING]
    return f"{SEEN} {', '.join(told)} {LOOKS} {', '.join(looks)}"


def evidence_ids(tokenizer: Any, line: str, num_slots: int = NUM_SLOTS) -> list[int]:
    """Return exactly `num_slots` token IDs of a line; an empty line is all padding."""
    ids = tokenizer(line, add_special_tokens=False)["input_ids"][:num_slots] if line else []
    return ids + [tokenizer.pad_token_id] * (num_slots - len(ids))


__all__ = ["LOOKS", "MIN_OBJECT", "MIN_THING", "NUM_SLOTS", "SEEN", "evidence_ids", "evidence_line"]
