"""Behind the stage `locate`: a trained localiser over features, and a model of the hub that scores phrases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmvideo import checks
from mmvideo.hub.classifier import HubClassifier
from mmvideo.localization.features import FeatureCache, FeatureSequence, WindowEncoder
from mmvideo.localization.grouping import grouped_spans
from mmvideo.localization.localizer import Localizer
from mmvideo.localization.result import Localization
from mmvideo.localization.spans import LocatedSpan
from mmvideo.sampling.dense import dense
from mmvideo.sampling.fps import at_fps
from mmvideo.sampling.gather import span_of
from mmvideo.stages.checkpoint import LOADING
from mmvideo.stages.locators import Locator
from mmvideo.types import NOT_JUDGED, Clips, Domain
from mmvideo.weights import sha256

MOST_BYTES = 400 * 2**20
"""Memory that the frames of a video may take; a longer one is looked at less often, which its warnings say."""
MOST_WINDOWS = 600
"""Windows that a model of the hub scores at most; a longer video has longer gaps between them."""
LEAST = 0.05
"""Lowest score of a span that a trained localiser gives."""
_NOTHING = "something else"
"""What phrases are compared with, besides one another."""


@dataclass(frozen=True)
class SteadyFrames:
    """Frames on a steady clock with the sound beside them, or the features that are kept of them."""

    frames: Tensor | None
    """uint8 (T, 3, size, size)."""
    sound: Tensor | None
    """float32 (S,)."""
    start_seconds: float
    key: str
    """Under which the features are kept; empty for none."""
    features: FeatureSequence | None = None
    is_short: bool = False
    """Whether the film is shorter than a window."""


class TrainedLocator(Locator):
    """A localiser that `mmvideo train` wrote, with the encoder that its features come from.

    Raises:
        UnknownName: a label that it does not know, or its encoder is not there.
        WeightsError: weights are missing or damaged.
    """

    takes = frozenset(("labels", "start_seconds", "end_seconds", "min_score", "keep_features"))
    kind = "a trained localiser"

    def __init__(self, options: Any, device: torch.device | None):
        super().__init__(options, device)
        self.model = Localizer.from_pretrained(options.home(), device=device or "cpu")
        for label in options.labels or ():
            checks.one_of("labels", label, self.model.labels)
        self.spec = self.model.features
        self.cache = FeatureCache(self.spec) if options.keep_features else None
        self.encoder = WindowEncoder(self.spec, device) if device is not None else None

    def modules(self) -> dict[str, nn.Module]:
        """Return the encoder and the localiser."""
        return {"localizer": self.model, **(self.encoder.networks() if self.encoder is not None else {})}

    def take(self, media: Any) -> tuple[Clips, Any]:
        """Take small frames and the sound, or find the features that are kept of the file."""
        asked = (self.options.start_seconds, self.options.end_seconds)
        span = span_of(media, *asked)
        count = max(1, math.ceil(span.seconds * self.spec.fps - 1e-6))
        key, path = "", Path(str(media.info.source))
        if self.cache is not None and path.is_file():
            key = self.cache.key(f"{sha256(path)} {media.info.main_video}", (span.start_seconds, span.end_seconds))
            kept = self.cache.load(key)
            if kept is not None:
                clips = Clips(torch.zeros(1, count, 3, 1, 1, dtype=torch.uint8), span.start_seconds + torch.arange(
                    count, dtype=torch.float64)[None] / self.spec.fps, torch.ones(1, count, dtype=torch.bool),
                    has_audio=media.has_audio, rule=self._rule())
                return clips, SteadyFrames(None, None, span.start_seconds, key, kept, count < self.spec.window_frames)
        most = MOST_BYTES // (3 * self.spec.size ** 2)
        clips = at_fps(media, fps=self.spec.fps, max_frames=most, size=(self.spec.size, self.spec.size), fit="squash",
                       start_seconds=span.start_seconds, end_seconds=span.end_seconds)
        times = clips.pts_seconds[0]
        wanted = span.start_seconds + torch.arange(count, dtype=torch.float64) / self.spec.fps
        rows = (torch.searchsorted(times.contiguous(), wanted + 1e-4, right=True) - 1).clamp(0, len(times) - 1)
        sound = self._sound(media, span.start_seconds, span.end_seconds)
        notes = ((f"as the video is long, a frame was looked at every {span.seconds / most:.2f} s alone; give a "
                  "shorter span",) if count > most else ())
        clips = Clips(clips.frames, clips.pts_seconds, clips.valid, has_audio=media.has_audio, rule=self._rule(),
                      notes=notes)
        return clips, SteadyFrames(clips.frames[0][rows], sound, span.start_seconds, key,
                                   is_short=count < self.spec.window_frames)

    def _rule(self) -> str:
        return (f"features of {self.spec.encoder}, {self.spec.fps:g} frames a second in windows of "
                f"{self.spec.window_frames / self.spec.fps:g} s; Soft-NMS")

    def _sound(self, media: Any, start: float, end: float) -> Tensor | None:
        """Return the sound from the first frame on; None for an encoder that does not hear, or a film without any."""
        rate = 16_000 if self.spec.sound else None
        if self.encoder is not None:
            rate = self.encoder.sample_rate
        if rate is None or not media.has_audio:
            return None
        heard = media.audio(sample_rate=rate, mono=True, start_seconds=start, end_seconds=end)
        silent = max(0, round((heard.start_seconds - start) * rate))
        return torch.cat((torch.zeros(silent), heard.samples[0]))

    def locate(self, items: Sequence[tuple[Clips, Any]], size: int) -> list[Localization]:
        """Encode each film and find spans in it."""
        return [self._located(clips, taken) for clips, taken in items]

    def _located(self, clips: Clips, taken: SteadyFrames) -> Localization:
        features = taken.features
        if features is None:
            assert self.encoder is not None, "it was loaded before it was divided"
            assert taken.frames is not None, "frames were taken where no features are kept"
            features = self.encoder.encode(taken.frames, taken.sound, start_seconds=taken.start_seconds)
            if self.cache is not None and taken.key:
                self.cache.store(taken.key, features)
        spans = [one for one in self.model.locate(features, least=LEAST)
                 if self.options.labels is None or one.label in self.options.labels]
        warnings = ["the video is shorter than a window, so its last frame was taken to stay"] if taken.is_short else []
        return self.result(spans, clips, self._domain(features), warnings)

    def _domain(self, features: FeatureSequence) -> Domain:
        if features.inside is None:
            return NOT_JUDGED
        if features.inside >= 0.5:
            return Domain(True, score=features.inside)
        return Domain(False, f"it was trained on {self.model.about or 'other films'}, and "
                             f"{1 - features.inside:.0%} of this one look otherwise", score=features.inside)


class PhraseLocator(Locator):
    """A model of the hub that reads labels: windows are scored against phrases, likely windows are grouped.

    Raises:
        InvalidInput: no phrase was given, or the model has classes of its own.
        ModelUnavailable: it cannot be fetched.
        UnsupportedModel: it does not read labels.
    """

    takes = LOADING | {"labels", "start_seconds", "end_seconds", "size", "min_score", "window_seconds", "template"}
    kind = "a model of the hub"
    alone = True

    def __init__(self, options: Any, device: torch.device | None):
        super().__init__(options, device)
        checks.number("window_seconds", options.window_seconds, above=0, high=3600)
        self.network: Any = None
        if device is not None:
            self.network = HubClassifier.from_pretrained(
                options.found("model that reads labels"), device, options.load_options(),
                [*(options.labels or ()), _NOTHING] if options.labels else (), options.template)

    def modules(self) -> dict[str, nn.Module]:
        """Return the network."""
        return {"network": self.network.model} if self.network is not None else {}

    def take(self, media: Any) -> tuple[Clips, Any]:
        """Take windows over the whole span, each half a window after the one before."""
        span = span_of(media, self.options.start_seconds, self.options.end_seconds)
        length = self.options.window_seconds
        wanted = max(1, math.ceil((span.seconds - length) / (length / 2) - 1e-6) + 1)
        clips = dense(media, num_clips=min(wanted, MOST_WINDOWS), num_frames=self.network.num_frames,
                      clip_seconds=length, **self.options.asked_view())
        return clips, (span.start_seconds, span.end_seconds, media.info.source)

    def locate(self, items: Sequence[tuple[Clips, Any]], size: int) -> list[Localization]:
        """Score the windows of each video."""
        return [self._located(clips, *about) for clips, about in items]

    def _located(self, clips: Clips, start: float, end: float, source: str) -> Localization:
        logits = torch.cat([self.network.logits(clip[None], source) for clip in clips.frames])
        shares = logits.softmax(-1)[:, :-1].numpy()
        step = (end - start) / len(shares)
        spans = [LocatedSpan(one.start_seconds, min(one.end_seconds, end), one.label, one.score, "phrase")
                 for one in grouped_spans(shares, self.options.labels, start_seconds=start, step_seconds=step)]
        return self.result(spans, clips, NOT_JUDGED)


__all__ = ["LEAST", "MOST_BYTES", "MOST_WINDOWS", "PhraseLocator", "SteadyFrames", "TrainedLocator"]
