"""The only registry: kind -> name -> "module:attribute".

Nothing is imported until it is asked for. Another package adds a part through an entry point in the group
``mmvideo.<kind>`` (``[project.entry-points."mmvideo.encoders"]``). A package that is broken breaks its own parts alone.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from typing import Any

from mmvideo.errors import MmvideoError, PluginError, UnknownName

PARTS: dict[str, dict[str, str]] = {
    "samplers": {
        "uniform": "mmvideo.sampling.uniform:uniform",
        "fps": "mmvideo.sampling.fps:at_fps",
        "dense": "mmvideo.sampling.dense:dense",
        "segments": "mmvideo.sampling.segments:segments",
        "windows": "mmvideo.sampling.windows:windows",
        "salient": "mmvideo.sampling.salient:salient",
        "audio-preview": "mmvideo.sounds.audio_preview:audio_preview",
        "question": "mmvideo.sampling.question:question",
        "moving": "mmvideo.sampling.moving:moving",
        "person": "mmvideo.objects.people:person",
    },
    "encoders": {
        "toybox-av": "mmvideo.toybox.encoder:ToyboxAV",
        "camera-motion": "mmvideo.camera_motion.encoder:CameraMotion",
        "single-frame": "mmvideo.encoders.single_frame:SingleFrame",
        "lite0": "mmvideo.encoders.lite0:Lite0",
        "late-fusion": "mmvideo.encoders.late_fusion:LateFusion",
        "early-fusion": "mmvideo.encoders.early_fusion:EarlyFusion",
        "slow-fusion": "mmvideo.encoders.slow_fusion:SlowFusion",
        "frame-transformer": "mmvideo.encoders.frame_transformer:FrameTransformer",
        "channelwise": "mmvideo.encoders.channelwise:Channelwise2Plus1D",
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
        "logmel-lite": "mmvideo.encoders.logmel_lite:LogMelLite",
        "ast": "mmvideo.encoders.ast:AST",
    },
    "flows": {
        "farneback": "mmvideo.flow.opencv:Farneback",
        "dis": "mmvideo.flow.opencv:DIS",
        "tvl1": "mmvideo.flow.opencv:TVL1",
        "raft": "mmvideo.flow.raft:RAFT",
    },
    "object-detectors": {
        "nanodet": "mmvideo.objects.nanodet_detector:NanoDetDetector",
    },
    "face-detectors": {
        "blazeface": "mmvideo.faces.blazeface_detector:BlazeFace",
        "haar": "mmvideo.faces.detect:Haar",
        "lbp": "mmvideo.faces.detect:LBP",
        "mediapipe": "mmvideo.faces.detect:MediaPipe",
    },
    "projectors": {
        "resampler": "mmvideo.vlm.projectors.resampler:Resampler",
        "linear": "mmvideo.vlm.projectors.linear:Linear",
        "mlp2x": "mmvideo.vlm.projectors.mlp:MLP",
        "qformer": "mmvideo.vlm.projectors.qformer:QFormer",
        "pixel-shuffle": "mmvideo.vlm.projectors.pixel_shuffle:PixelShuffle",
        "spatio-temporal": "mmvideo.vlm.projectors.spatio_temporal:SpatioTemporal",
    },
    "heads": {
        "linear": "mmvideo.heads.linear:LinearHead",
        "domain": "mmvideo.heads.domain:DomainHead",
        "words": "mmvideo.everyday.words:WordHead",
        "everyday-domain": "mmvideo.everyday.domain:EverydayDomain",
        "everyday-scenes": "mmvideo.everyday.scenes:EverydayScenes",
    },
    "separators": {
        "rtfs-net": "mmvideo.separation.rtfs_net:RTFSNet",
        "visualvoice": "mmvideo.separation.visualvoice:VisualVoice",
        "mouth-mask": "mmvideo.separation.mouth_mask:MouthMask",
    },
    "observers": {
        "everyday": "mmvideo.everyday.observer:Observer",
    },
    "evaluators": {
        "toybox": "mmvideo.toybox.evaluation.accuracy:EVALUATOR",
        "encoders": "mmvideo.toybox.evaluation.encoders:EVALUATOR",
        "separation": "mmvideo.separation.evaluation:EVALUATOR",
        "separation-people": "mmvideo.separation.people_evaluation:EVALUATOR",
        "sounds": "mmvideo.sounds.evaluation:EVALUATOR",
        "egocentric": "mmvideo.egocentric.evaluation.evaluator:EVALUATOR",
        "everyday": "mmvideo.everyday.evaluation.evaluator:EVALUATOR",
        "localization-toybox": "mmvideo.toybox.evaluation.localization:EVALUATOR",
        "localization-real": "mmvideo.localization.evaluation.evaluator:EVALUATOR",
    },
    "benchmarks": {
        "video-mme": "mmvideo.benchmarks.choices:VideoMME",
        "mvbench": "mmvideo.benchmarks.choices:MVBench",
        "next-qa": "mmvideo.benchmarks.choices:NExTQA",
        "tempcompass": "mmvideo.benchmarks.choices:TempCompass",
        "longvideobench": "mmvideo.benchmarks.choices:LongVideoBench",
        "mlvu": "mmvideo.benchmarks.choices:MLVU",
        "camerabench": "mmvideo.benchmarks.choices:CameraBench",
        "vinoground": "mmvideo.benchmarks.choices:Vinoground",
        "activitynet-qa": "mmvideo.benchmarks.open_ended:ActivityNetQA",
        "msvd": "mmvideo.benchmarks.open_ended:MSVD",
        "msr-vtt": "mmvideo.benchmarks.open_ended:MSRVTT",
        "charades-sta": "mmvideo.benchmarks.open_ended:CharadesSTA",
        "qvhighlights": "mmvideo.benchmarks.open_ended:QVHighlights",
        "kinetics": "mmvideo.benchmarks.open_ended:Kinetics",
        "ssv2": "mmvideo.benchmarks.open_ended:SSv2",
        "trust": "mmvideo.benchmarks.trust:Trust",
    },
    "trainers": {
        "toybox-language": "mmvideo.toybox.training.language:TRAINER",
        "toybox-perception": "mmvideo.toybox.training.perception:TRAINER",
        "toybox-joint": "mmvideo.toybox.training.joint:TRAINER",
        "toybox-actions": "mmvideo.toybox.training.actions:TRAINER",
        "toybox-localizer": "mmvideo.toybox.training.localizer:TRAINER",
        "videomae-pretrain": "mmvideo.toybox.training.videomae:TRAINER",
        "camera-motion": "mmvideo.camera_motion.training.trainer:TRAINER",
        "classifier": "mmvideo.training.classifier:TRAINER",
        "finetune": "mmvideo.training.finetune.trainer:TRAINER",
        "probe": "mmvideo.training.probe:TRAINER",
        "composed": "mmvideo.training.composed:TRAINER",
        "separator": "mmvideo.separation.training.separator:TRAINER",
        "separator-lips": "mmvideo.separation.training.lips:TRAINER",
        "everyday-features": "mmvideo.everyday.training.features:TRAINER",
        "everyday-model": "mmvideo.everyday.training.model:TRAINER",
        "everyday-words": "mmvideo.everyday.training.words:TRAINER",
        "everyday-reward": "mmvideo.everyday.training.reward:TRAINER",
        "everyday-language": "mmvideo.everyday.training.language:TRAINER",
        "sounds": "mmvideo.sounds.training.trainer:TRAINER",
        "egocentric": "mmvideo.egocentric.training.trainer:TRAINER",
    },
    "labelled-clips": {
        "toybox": "mmvideo.toybox.training.labelled_clips:ToyboxTasks",
    },
    "conversations": {
        "toybox": "mmvideo.toybox.training.conversations:ToyboxConversations",
    },
    "fact-schemas": {
        "toybox": "mmvideo.toybox.facts:schema",
    },
    "drawings": {
        "contact-sheet": "mmvideo.plots:contact_sheet",
        "spectrogram": "mmvideo.plots:draw_spectrogram",
        "attention": "mmvideo.explain.drawing:draw_attention",
        "saliency": "mmvideo.explain.drawing:draw_saliency",
    },
    "runners": {
        "job": "mmvideo.jobs.runner:Job",
        "live": "mmvideo.live.stream:live_stream",
    },
    "stages": {
        "read": "mmvideo.stages.read:Read",
        "sample": "mmvideo.stages.sample:Sample",
        "shots": "mmvideo.stages.sample:Shots",
        "flow": "mmvideo.stages.flow:OpticalFlow",
        "encode": "mmvideo.stages.encode:Encode",
        "encode_video": "mmvideo.stages.encode_video:EncodeVideo",
        "answer": "mmvideo.stages.answer:AnswerQuestions",
        "caption": "mmvideo.stages.answer:DescribeVideo",
        "classify": "mmvideo.stages.classify:Classify",
        "hear": "mmvideo.stages.separate:Hear",
        "faces": "mmvideo.stages.separate:FindFaces",
        "separate": "mmvideo.stages.separate:Separate",
        "locate": "mmvideo.stages.locate:Locate",
        "detect_actions": "mmvideo.stages.detect_actions:DetectActions",
        "embed": "mmvideo.stages.embed:Embed",
        "track_objects": "mmvideo.stages.track_objects:TrackObjects",
        "name_actions": "mmvideo.stages.name_actions:NameActions",
        "transcribe": "mmvideo.stages.transcribe:Transcribe",
        "name_speakers": "mmvideo.stages.transcribe:NameSpeakers",
    },
}
"""One line a part. Names are what recipes and the command line spell."""


WITH_PRESETS = ("encoders", "audio-encoders", "separators")
"""Kinds whose parts are families: their class holds PRESETS."""
GROUP = "mmvideo."
"""What the groups of entry points begin with."""
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, OSError)
"""What importlib.metadata raises on a damaged entry_points.txt or METADATA."""


@cache
def _table(kind: str) -> dict[str, str]:
    if kind not in PARTS:
        raise UnknownName("kind of part", kind, PARTS)
    plugins = {point.name: point.value for point in _points(GROUP + kind)}
    return {**plugins, **PARTS[kind]}


def _points(group: str) -> list[EntryPoint]:
    """Return the entry points of a group; a package whose list is damaged counts as one without any."""
    try:
        return list(entry_points(group=group))
    except _MALFORMED:
        return [point for one in distributions() for point in _points_of(one) or () if point.group == group]


def _points_of(one: Distribution) -> list[EntryPoint] | None:
    """Return the entry points of a package, or None where they cannot be read."""
    try:
        return list(one.entry_points)
    except _MALFORMED:
        return None


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
        PluginError: the part cannot be imported, whatever its module raises; or it is not what its kind must be.
    """
    own = PARTS.get(kind, {})
    table = own if isinstance(name, str) and name in own else _table(kind)  # which looks through all packages
    if not isinstance(name, str) or name not in table:
        raise UnknownName(kind.removesuffix("s"), name, table)
    try:
        part = EntryPoint(name, table[name], GROUP + kind).load()
    except MmvideoError:
        raise
    except (Exception, SystemExit) as error:
        raise broken(kind, name, _reason(table[name], error), error) from error
    if not callable(part):
        raise broken(kind, name, f"{table[name]!r} is no class and no function but a {type(part).__name__}")
    if kind in WITH_PRESETS and not isinstance(getattr(part, "PRESETS", None), Mapping):
        raise broken(kind, name, f"{table[name]!r} has no PRESETS, which name its members")
    return part


def broken(kind: str, name: str, reason: str, error: BaseException | None = None) -> PluginError:
    """Return the error of a part that cannot be imported, or lacks what its kind must have."""
    package = origin(kind, name)
    missing = error.name if isinstance(error, ModuleNotFoundError) and error.name else ""
    own = _module(kind, name).partition(".")[0]
    if missing and missing.partition(".")[0] not in (own, "mmvideo"):
        mend = f"pip install {missing.partition('.')[0]}"
    else:
        mend = f"pip install --upgrade --force-reinstall {package or 'mmvideo'}"
    what = f"{kind.removesuffix('s')} {name!r}" + (f" of the package {package}" if package else "")
    return PluginError(what, reason, mend, package=package)


def _reason(value: str, error: BaseException) -> str:
    """Say in one line why `value` could not be imported."""
    module, _, attribute = value.partition(":")
    text = " ".join(str(error).split())[:300]
    if isinstance(error, AttributeError) and attribute and module in sys.modules:
        return f"it is registered as {value!r}, which does not exist"
    return f"{value!r} raises {type(error).__name__}" + (f": {text}" if text else "")


def _module(kind: str, name: str) -> str:
    """Return the name of the module that a part is in."""
    return _table(kind)[name].partition(":")[0].strip()


def origin(kind: str, name: str) -> str:
    """Return the name of the package that registers a part, or an empty text for a part of mmvideo."""
    if name in PARTS[kind]:
        return ""
    return next((package for package, point in _registered(kind) if point.name == name), "")


def _registered(kind: str) -> list[tuple[str, EntryPoint]]:
    """Return the package and entry point of every part that others register, the one that counts first."""
    found = [(point.dist.name if point.dist is not None else "", point) for point in _points(GROUP + kind)]
    return found[::-1]


@dataclass(frozen=True)
class Plugin:
    """A part that another package registers, and how it fares."""

    package: str
    kind: str
    name: str
    error: PluginError | MmvideoError | None = None
    ignored: str = ""
    """Why it is not used although it could be; empty if it is used."""


def plugins() -> list[Plugin]:
    """Import every part that other packages register, and say of each whether it can be used."""
    found = []
    for kind in PARTS:
        seen: dict[str, str] = {}
        for package, point in _registered(kind):
            taken = "mmvideo" if point.name in PARTS[kind] else seen.get(point.name)
            seen.setdefault(point.name, package)
            if taken:
                found.append(Plugin(package, kind, point.name, ignored=f"{taken} has a part of that name"))
                continue
            try:
                find(kind, point.name)
            except MmvideoError as error:
                found.append(Plugin(package, kind, point.name, error))
            else:
                found.append(Plugin(package, kind, point.name))
    return found


def damaged() -> list[tuple[str, str]]:
    """Return packages whose entry points cannot be read, or lie in a group of ours that does not exist, and why."""
    found = []
    for one in distributions():
        points = _points_of(one)
        if points is None:
            found.append((_name_of(one), "its entry_points.txt cannot be read, so none of its parts is known"))
        for group in sorted({point.group for point in points or () if point.group.startswith(GROUP)}):
            if group.removeprefix(GROUP) not in PARTS:
                found.append((_name_of(one), str(UnknownName("group of entry points", group,
                                                             [GROUP + kind for kind in PARTS]))))
    return found


def _name_of(one: Distribution) -> str:
    try:
        return one.metadata["Name"] or "?"
    except _MALFORMED:
        return "?"


__all__ = ["PARTS", "WITH_PRESETS", "Plugin", "broken", "damaged", "find", "names", "origin", "plugins"]
