"""The only registry: kind -> name -> "module:attribute".

Nothing is imported until it is asked for. Another package adds a part through an entry point in the group
``mmvideo.<kind>`` (``[project.entry-points."mmvideo.encoders"]``).
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from mmvideo.errors import RecipeError, UnknownName

PARTS: dict[str, dict[str, str]] = {
    "samplers": {
        "uniform": "mmvideo.sampling.uniform:uniform",
        "fps": "mmvideo.sampling.fps:at_fps",
        "dense": "mmvideo.sampling.dense:dense",
        "segments": "mmvideo.sampling.segments:segments",
        "windows": "mmvideo.sampling.windows:windows",
    },
    "encoders": {
        "toybox-av": "mmvideo.encoders.toybox_av:ToyboxAV",
        "camera-motion": "mmvideo.encoders.camera_motion:CameraMotion",
        "single-frame": "mmvideo.encoders.single_frame:SingleFrame",
        "late-fusion": "mmvideo.encoders.late_fusion:LateFusion",
        "early-fusion": "mmvideo.encoders.early_fusion:EarlyFusion",
        "slow-fusion": "mmvideo.encoders.slow_fusion:SlowFusion",
        "cnn-lstm": "mmvideo.encoders.cnn_lstm:CNNLSTM",
        "rcn": "mmvideo.encoders.rcn:RCN",
        "c3d": "mmvideo.encoders.c3d:C3D",
        "vivit": "mmvideo.encoders.vivit:ViViT",
        "i3d": "mmvideo.encoders.i3d:I3D",
        "i3d-two-stream": "mmvideo.encoders.i3d_two_stream:TwoStreamI3D",
        "r2plus1d": "mmvideo.encoders.r2plus1d:R2Plus1D",
        "x3d": "mmvideo.encoders.x3d:X3D",
        "movinet": "mmvideo.encoders.movinet:MoViNet",
        "slowfast": "mmvideo.encoders.slowfast:SlowFast",
        "tsm": "mmvideo.encoders.tsm:TSM",
        "two-stream": "mmvideo.encoders.two_stream:TwoStream",
        "videomae": "mmvideo.encoders.videomae:VideoMAE",
        "audio-visual": "mmvideo.encoders.audio_visual:AudioVisual",
        "timesformer": "mmvideo.encoders.timesformer:TimeSformer",
        "mvit": "mmvideo.encoders.mvit:MViT",
        "video-swin": "mmvideo.encoders.video_swin:VideoSwin",
        "vjepa2": "mmvideo.encoders.vjepa2:VJEPA2",
    },
    "audio-encoders": {
        "logmel-cnn": "mmvideo.encoders.logmel_cnn:LogMelCNN",
        "ast": "mmvideo.encoders.ast:AST",
    },
    "flows": {
        "farneback": "mmvideo.flow.opencv:Farneback",
        "dis": "mmvideo.flow.opencv:DIS",
        "tvl1": "mmvideo.flow.opencv:TVL1",
        "raft": "mmvideo.flow.raft:RAFT",
    },
    "face-detectors": {
        "haar": "mmvideo.faces.detect:Haar",
        "lbp": "mmvideo.faces.detect:LBP",
        "mediapipe": "mmvideo.faces.detect:MediaPipe",
    },
    "projectors": {
        "resampler": "mmvideo.projectors.resampler:Resampler",
        "linear": "mmvideo.projectors.linear:Linear",
        "mlp2x": "mmvideo.projectors.mlp:MLP",
        "qformer": "mmvideo.projectors.qformer:QFormer",
        "pixel-shuffle": "mmvideo.projectors.pixel_shuffle:PixelShuffle",
        "spatio-temporal": "mmvideo.projectors.spatio_temporal:SpatioTemporal",
    },
    "heads": {
        "linear": "mmvideo.heads.linear:LinearHead",
        "domain": "mmvideo.heads.domain:DomainHead",
    },
    "separators": {
        "rtfs-net": "mmvideo.separation.rtfs_net:RTFSNet",
        "visualvoice": "mmvideo.separation.visualvoice:VisualVoice",
        "mouth-mask": "mmvideo.separation.mouth_mask:MouthMask",
    },
    "evaluators": {
        "toybox": "mmvideo.evaluation.toybox:evaluate",
        "encoders": "mmvideo.evaluation.encoders:evaluate",
        "separation": "mmvideo.evaluation.separation:evaluate",
    },
    "runners": {
        "job": "mmvideo.jobs.runner:Job",
    },
    "stages": {
        "read": "mmvideo.stages.read:Read",
        "sample": "mmvideo.stages.sample:Sample",
        "shots": "mmvideo.stages.sample:Shots",
        "sample-shots": "mmvideo.stages.sample:SampleShots",
        "flow": "mmvideo.stages.flow:OpticalFlow",
        "encode": "mmvideo.stages.encode:Encode",
        "project": "mmvideo.stages.encode:Project",
        "domain": "mmvideo.stages.encode:KnownDomain",
        "prefill": "mmvideo.stages.speak:Prefill",
        "answer": "mmvideo.stages.speak:AnswerQuestions",
        "caption": "mmvideo.stages.speak:DescribeWindows",
        "classify": "mmvideo.stages.classify:Classify",
        "views": "mmvideo.stages.recognise:TakeViews",
        "hear": "mmvideo.stages.separate:Hear",
        "faces": "mmvideo.stages.separate:FindFaces",
        "separate": "mmvideo.stages.separate:Separate",
        "recognise": "mmvideo.stages.recognise:Recognise",
        "label": "mmvideo.stages.label:LabelVideo",
        "watch": "mmvideo.stages.watch:Watch",
        "reply": "mmvideo.stages.watch:Reply",
        "converse": "mmvideo.stages.compose:Converse",
        "narrate": "mmvideo.stages.watch:Narrate",
    },
}
"""One line a part. Names are what recipes and the command line spell."""


@cache
def _table(kind: str) -> dict[str, str]:
    if kind not in PARTS:
        raise UnknownName("kind of part", kind, PARTS)
    plugins = {point.name: point.value for point in entry_points(group=f"mmvideo.{kind}")}
    return {**plugins, **PARTS[kind]}


def names(kind: str) -> list[str]:
    """Return the registered names of a kind, sorted.

    Raises:
        UnknownName: no such kind.
    """
    return sorted(_table(kind))


def find(kind: str, name: str) -> Any:
    """Import and return the part that is registered under a name.

    Raises:
        UnknownName: no such kind or name.
        RecipeError: the entry names something that cannot be imported.
    """
    table = _table(kind)
    if name not in table:
        raise UnknownName(kind.removesuffix("s"), name, table)
    module, _, attribute = table[name].partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except AttributeError as error:
        raise RecipeError(f"{kind} {name!r} is registered as {table[name]!r}, which does not exist.") from error
