"""Rendered talkers: mouths that move as a voice would move them, alone (to train on) or in a whole head (to film)."""

from mmvideo.separation.talkers.articulation import Gestures, articulate
from mmvideo.separation.talkers.head import film, render_heads
from mmvideo.separation.talkers.mouth import MouthLook, draw_mouths, random_looks

__all__ = ["Gestures", "MouthLook", "articulate", "draw_mouths", "film", "random_looks", "render_heads"]
