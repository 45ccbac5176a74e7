"""Separating voices by the faces that speak: networks, losses, and windows for sound of any length."""

from mmvideo.separation.base import FRAME_SAMPLES, FRAMES_PER_SECOND, SAMPLE_RATE, Separator, SeparatorPreset
from mmvideo.separation.consistency import mixture_consistent
from mmvideo.separation.stream import SeparatorStream
from mmvideo.separation.windows import OverlapAdd, separate, separate_stream

__all__ = ["FRAMES_PER_SECOND", "FRAME_SAMPLES", "SAMPLE_RATE", "OverlapAdd", "Separator", "SeparatorPreset",
           "SeparatorStream", "mixture_consistent", "separate", "separate_stream"]
