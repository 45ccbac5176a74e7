"""The closed vocabulary of questions, answers and captions, for a tokenizer of whole words."""

from __future__ import annotations

import re

from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.captions import CAPTION_TEXTS
from mmvideo.toybox.families import describe, order, place, sound
from mmvideo.toybox.families.fact import MANNERS, NUMBERS
from mmvideo.toybox.questions import KINDS, MANNERS_OF_ASKING

PUNCTUATION = (".", ",", "?", ":")
_TOKEN = re.compile(r"[a-z]+|[.,?:]")
_SLOT = re.compile(r"\{\d\}")
_DEEDS = (
    "hit hits bounce bounces off leave leaves on in at enter enters from stop stops start starts to move the wall floor"
    " it a toy toys nothing yes no of left right above below"
)


def tokenize(text: str) -> list[str]:
    """Split a text into words and punctuation marks."""
    return _TOKEN.findall(text.lower())


def vocabulary() -> list[str]:
    """Return every word and punctuation mark that a question, an answer or a caption can hold, sorted."""
    texts = [_SLOT.sub(" ", template) for kind in KINDS.values() for template in kind.templates]
    texts += [_DEEDS, *MANNERS_OF_ASKING, *MANNERS, *NUMBERS, *CAPTION_TEXTS, sound.NO_SOUND, "knock beep"]
    texts += [*order.HALVES, *order.THIRDS, *place.CAMERA_ANSWERS.values(), *v.CAMERA_MOTIONS]
    texts += [*v.SHAPES, *map(describe.plural_shape, v.SHAPES), *v.COLORS, *v.SIZES, *v.MATERIALS, *v.SIDES]
    texts += [*v.OFFSCREEN_SOUNDS, "top middle bottom", "does not move", "end", "start"]
    return sorted({token for text in texts for token in tokenize(text)} | set(PUNCTUATION))
