"""From a whole source to clips: which frames are looked at, said in words."""

from mmvideo.sampling.dense import dense
from mmvideo.sampling.fps import at_fps
from mmvideo.sampling.segments import segments
from mmvideo.sampling.uniform import uniform
from mmvideo.sampling.windows import windows

__all__ = ["at_fps", "dense", "segments", "uniform", "windows"]
