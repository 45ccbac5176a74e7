"""Audio-visual fusion for classification: early, mid or late (the three of Nagrani et al. 2021, arXiv:2107.00135).

- early: embedded tubelets and embedded patches of the spectrogram go through one transformer together.
- mid: each is encoded by a network of its own, then joint layers follow: full attention, or a few bottleneck tokens
  through which alone the two meet (MBT).
- late: two whole classifiers, their scores averaged.

Any registered video encoder and audio encoder can be named for mid and late; early needs two whose layers can be left
out (an option `depth`). Clips without sound are judged by the picture alone, whatever the samples hold.
"""

from __future__ import annotations

import inspect
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmvideo.encoders import zoo
from mmvideo.encoders.base import VideoEncoder, linear_head
from mmvideo.encoders.preset import Input, Preset
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.nn.cross_modal import BottleneckFusion, Joint
from mmvideo.registry import find
from mmvideo.types import Features

FUSIONS = ("early", "mid", "late")


def _tiny(about: str, fusion: str, **options) -> Preset:
    sizes = {"video_encoder": "videomae-tiny", "audio_encoder": "ast-tiny", "fusion": fusion, **options}
    return Preset(about, Input(16, 64, 64), sizes, num_classes=10, views=(1, 1))


class AudioVisual(VideoEncoder):
    """A video encoder and an audio encoder that decide together.

    Features (early, mid) are the video's tokens on their grid, then the sound's as extra tokens, zero where there is no
    sound; pooled is the mean of the two class tokens, or the picture's alone. Features (late) are the video encoder's;
    pooled is both pooled features, the sound's zero where there is none, and a last figure that says whether there is.

    Args:
        input: the clip; the video encoder is built for it too.
        num_classes: width of the classifier; 0 for none.
        video_encoder: a preset of the zoo.
        audio_encoder: a preset of the audio encoders.
        fusion: "early", "mid" or "late".
        dim: D of the joint layers.
        depth: number of joint layers; none with late fusion.
        heads: of attention in them.
        bottlenecks: tokens through which the two meet in mid fusion; 0 for full attention.

    Raises:
        UnknownName: no such preset or fusion.
        InvalidInput: early fusion of an encoder whose layers cannot be left out.
    """

    PRESETS: ClassVar = {
        "audio-visual-tiny": _tiny("mid fusion through four bottleneck tokens, small enough to train in minutes",
                                   "mid", dim=96, bottlenecks=4),
        "audio-visual-tiny-early": _tiny("one transformer over the tokens of both", "early", dim=160, depth=5),
        "audio-visual-tiny-mid": _tiny("two encoders, then joint layers of full attention", "mid", dim=96),
        "audio-visual-tiny-late": _tiny("two classifiers, their scores averaged", "late"),
        "audio-visual-b": Preset(
            "ViT-B for either kind and four layers that meet in bottleneck tokens, after MBT", Input(16, 224, 224),
            {"video_encoder": "videomae-b", "audio_encoder": "ast-audioset", "fusion": "mid", "dim": 768, "depth": 4,
             "heads": 12, "bottlenecks": 4}, views=(4, 1)),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, video_encoder: str = "videomae-tiny",
                 audio_encoder: str = "ast-tiny", fusion: str = "mid", dim: int = 192, depth: int = 2, heads: int = 4,
                 bottlenecks: int = 0):
        super().__init__(input=input, num_classes=num_classes)
        if fusion not in FUSIONS:
            raise UnknownName("fusion", fusion, FUSIONS)
        self.fusion = fusion
        inner = num_classes if fusion == "late" else 0
        self.video, self.audio = (
            zoo.create(name, kind, num_classes=inner, **_left_out(name, kind, fusion), **other)
            for name, kind, other in ((video_encoder, "encoders", {"input": input}),
                                      (audio_encoder, "audio-encoders", {})))
        self.any_length, self.any_size = self.video.any_length, self.video.any_size
        self.min_frames = self.video.min_frames
        self.sample_rate = self.audio.sample_rate
        if fusion == "late":
            self.dim = self.video.dim
            self._dim_pooled = self.video.dim_pooled + self.audio.dim_pooled + 1
            return
        self.dim = self._dim_pooled = dim
        self.from_video = nn.ModuleList((nn.Linear(self.video.dim, dim), nn.Linear(self.video.dim_pooled, dim)))
        self.from_audio = nn.ModuleList((nn.Linear(self.audio.dim, dim), nn.Linear(self.audio.dim_pooled, dim)))
        self.kind = nn.Parameter(torch.zeros(2, 1, 1, dim))
        nn.init.trunc_normal_(self.kind, std=0.02)
        meet = bottlenecks and fusion == "mid"
        self.joint = BottleneckFusion(dim, heads, depth, bottlenecks) if meet else Joint(dim, heads, depth)
        self.norm = nn.LayerNorm(dim)
        self.head = linear_head(dim, num_classes)

    @property
    def dim_pooled(self) -> int:
        """D, or with late fusion both encoders' pooled widths and one."""
        return self._dim_pooled

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: the video's tokens, and the sound's where they are joined."""
        seen = self.video.num_tokens(num_frames, height, width)
        return seen if self.fusion == "late" else seen + self.audio.num_tokens

    def check(self, num_frames: int, height: int, width: int) -> None:
        """Raise InvalidInput unless the video encoder takes clips of this geometry."""
        super().check(num_frames, height, width)
        self.video.check(num_frames, height, width)

    def forward(self, frames: Tensor, audio: Tensor | None = None, has_audio: Tensor | None = None) -> Features:
        """Encode clips.

        Args:
            frames: (B, T, C, H, W), uint8 in [0, 255] or float in [0, 1].
            audio: float (B, S) mono at `sample_rate`, each clip's span; None for clips without a sound track.
            has_audio: bool (B,); by default whether `audio` was given.

        Raises:
            InvalidInput: frames or sound that do not fit.
        """
        self.need_clips(frames)
        b, device = len(frames), frames.device
        if has_audio is None:
            has_audio = torch.full((b,), audio is not None, device=device)
        if audio is None:
            silence = round(self.audio.input.seconds * self.sample_rate)
            audio, has_audio = torch.zeros(b, silence, device=device), torch.zeros_like(has_audio)
        if has_audio.dtype != torch.bool or has_audio.shape != (b,) or len(audio) != b:
            raise InvalidInput(f"{b} clips need audio ({b}, S) and has_audio bool ({b},), not {tuple(audio.shape)} and "
                               f"{has_audio.dtype} {tuple(has_audio.shape)}.")
        # Sound that is not there must not be heard, but runs through: all weights then have gradients.
        audio = torch.where(has_audio[:, None], audio, torch.zeros_like(audio))
        seen, heard = self.video.encode(self.prepare(frames)), self.audio(audio)
        return self._late(seen, heard, has_audio) if self.fusion == "late" else self._joined(seen, heard, has_audio)

    def logits(self, frames: Tensor, audio: Tensor | None = None, has_audio: Tensor | None = None) -> Tensor:
        """Return logits, float (B, num_classes); arguments are those of `forward`.

        Raises:
            InvalidInput: as `forward`, or the encoder was built without a classifier.
        """
        if not self.num_classes:
            raise InvalidInput(f"{self.preset or type(self).__name__} was built without a classifier; "
                               "build it with num_classes or labels.")
        return self.classify(self(frames, audio, has_audio))

    def _joined(self, seen: Features, heard: Features, has_audio: Tensor) -> Features:
        """Put each encoder's pooled features before its tokens, as its class token, and let the layers join them."""
        both = []
        for features, into, kind in ((seen, self.from_video, self.kind[0]), (heard, self.from_audio, self.kind[1])):
            both.append(torch.cat((into[1](features.pooled)[:, None], into[0](features.tokens)), 1) + kind)
        video, audio = map(self.norm, self.joint(*both, has_audio))
        keep = has_audio.to(video.dtype)[:, None]
        audio = audio * keep[..., None]
        pooled = (video[:, 0] + audio[:, 0]) / (1 + keep)
        tokens = torch.cat((video[:, 1:], audio[:, 1:]), 1)
        return Features(tokens=tokens, grid=seen.grid, pooled=pooled,
                        num_extra=seen.num_extra + audio.shape[1] - 1)

    def _late(self, seen: Features, heard: Features, has_audio: Tensor) -> Features:
        keep = has_audio.to(seen.pooled.dtype)[:, None]
        return Features(tokens=seen.tokens, grid=seen.grid, num_extra=seen.num_extra,
                        pooled=torch.cat((seen.pooled, heard.pooled * keep, keep), 1))

    def classify(self, features: Features) -> Tensor:
        """Return logits, float (B, num_classes); with late fusion the mean of the scores of what is present."""
        if self.fusion != "late":
            return self.head(features.pooled)
        video, audio, keep = features.pooled.split((self.video.dim_pooled, self.audio.dim_pooled, 1), 1)
        seen = self.video.classify(Features(tokens=features.tokens, grid=features.grid, pooled=video,
                                            num_extra=features.num_extra))
        return (seen + keep * self.audio.head(audio)) / (1 + keep)


def _left_out(preset: str, kind: str, fusion: str) -> dict[str, int]:
    """Return the option that leaves an encoder's layers out, for early fusion."""
    if fusion != "early":
        return {}
    family = find(kind, zoo.family_of(preset, kind))
    if "depth" not in inspect.signature(family.__init__).parameters:
        raise InvalidInput(f"Early fusion joins tokens before any layer, and the layers of {preset} cannot be left "
                           "out; name transformers such as videomae-tiny and ast-tiny, or fuse mid or late.")
    return {"depth": 0}
