"""Facts about a video as words to search: captions, objects with their colours, things, places, words and sounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmvideo.everyday.facts import Facts

_LEAST_THING, _LEAST_WORD, _LEAST_PLACE, _LEAST_OBJECT, _LEAST_SOUND = 0.25, 0.5, 0.4, 0.5, 0.5


def fact_words(facts: Facts, captions: Sequence[str]) -> str:
    """Return what was found, a line a kind: the captions first; kinds of which nothing was found are left out."""
    objects = [" ".join([*track.colours[:1], track.label]) for track in facts.tracks
               if max(track.confidences, default=0.0) >= _LEAST_OBJECT]
    shots = facts.shots
    lines = {
        "": list(captions),
        "objects": objects,
        "things": [label.name for shot in shots for label in shot.things if label.confidence >= _LEAST_THING],
        "words": [word for shot in shots for word, share in shot.words.items() if share >= _LEAST_WORD],
        "place": [label.name for shot in shots for label in shot.places[:1] if label.confidence >= _LEAST_PLACE]
                 + ["indoors" if shot.indoors >= 0.5 else "outdoors" for shot in shots if shot.indoors is not None],
        "sounds": [one.text for one in facts.sounds if (one.confidence or 0.0) >= _LEAST_SOUND]
                  + ["speech"] * bool(facts.speech),
        "camera": [one.text for one in facts.camera if one.text != "static"],
    }
    return "\n".join(f"{kind}: {', '.join(dict.fromkeys(found))}" if kind else " ".join(found)
                     for kind, found in lines.items() if found)


__all__ = ["fact_words"]
