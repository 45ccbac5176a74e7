"""Files and tensors with a clock: open anything, look into it, read it exactly, write it."""

from mmvideo.media.api import open_source, probe, read_audio, read_video
from mmvideo.media.info import AudioStreamInfo, MediaInfo, VideoStreamInfo
from mmvideo.media.limits import MediaLimits
from mmvideo.media.source import Source
from mmvideo.media.write import write_audio, write_video

__all__ = ["AudioStreamInfo", "MediaInfo", "MediaLimits", "Source", "VideoStreamInfo", "open_source", "probe",
           "read_audio", "read_video", "write_audio", "write_video"]
