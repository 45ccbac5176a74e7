"""Pipelines on live sources: a camera, a network stream, a file in real time."""

from mmvideo.live.stream import LiveResult, LiveStream

__all__ = ["LiveResult", "LiveStream"]
