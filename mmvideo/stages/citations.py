"""Times that a model says ("at 00:35"), checked against the frames that it was shown."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from mmvideo.results import Citation

SLACK_SECONDS = 1.0
"""By which a time may miss a shown frame, where frames lie closer together."""
_CLOCK = re.compile(r"(?<![\d:.])(?:(\d{1,2}):)?(\d{1,2}):([0-5]\d)(\.\d+)?(?![\d:])")
_SECONDS = re.compile(r"\b(?:at|from|until|till|by|around|about|after|before|between|to|and)\s+(?:about\s+|around\s+)?"
                      r"(?:the\s+)?(\d+(?:\.\d+)?)(?:st|nd|rd|th)?(?:\s*s\b|[\s-]*sec(?:ond)?s?\b)", re.IGNORECASE)


def citations(text: str, shown: Sequence[float]) -> tuple[Citation, ...]:
    """Return every time that a text names, and whether a frame was shown there.

    Args:
        shown: times of the frames that the model saw, ascending, in seconds.
    """
    found = []
    for match in _CLOCK.finditer(text):
        hours, minutes, seconds, part = match.groups()
        found.append((match.start(), match[0], int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(
            part or 0)))
    found += [(match.start(), match[0], float(match[1])) for match in _SECONDS.finditer(text)]
    return tuple(_checked(words, seconds, shown) for _, words, seconds in sorted(found))


def _checked(words: str, seconds: float, shown: Sequence[float]) -> Citation:
    if not shown:
        return Citation(seconds, words, False, "no frame was shown")
    gaps = [later - earlier for earlier, later in itertools.pairwise(shown)]
    slack = max(SLACK_SECONDS, max(gaps, default=0.0))
    nearest = min(shown, key=lambda at: abs(at - seconds))
    if abs(nearest - seconds) <= slack:
        return Citation(seconds, words, True)
    side = "after the last" if seconds > shown[-1] else "before the first" if seconds < shown[0] else "far from any"
    return Citation(seconds, words, False, f"{side} frame that was shown; the nearest is at {nearest:.2f} s")


def doubts(found: Sequence[Citation]) -> tuple[str, ...]:
    """Return a warning for each time that does not hold."""
    return tuple(f"the model says {one.words!r}, which is {one.reason}" for one in found if not one.holds)


__all__ = ["SLACK_SECONDS", "citations", "doubts"]
