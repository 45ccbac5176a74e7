"""The audio tagger behind the stage `classify`: events and speech, each with its times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mmvideo.errors import NoAudioTrack
from mmvideo.results import Classification
from mmvideo.sampling.gather import TimeSpan
from mmvideo.sounds.speech import SpeechFinder, speech_network
from mmvideo.sounds.tagger import HeardEvents, Listener, Tagger
from mmvideo.sounds.waveform import RATE
from mmvideo.stages.base import report
from mmvideo.stages.classifier import Classifier
from mmvideo.types import NOT_JUDGED, Label, Segment

NOTHING, SILENCE, SPEECH = "no known sound", "silence", "speech"


@dataclass(frozen=True)
class HeardClip:
    """What was heard in one clip."""

    events: HeardEvents
    speech: tuple[Segment, ...]


class SoundLabels(Classifier):
    """Events of the audio tagger and spans of speech; sound goes by in pieces, so memory stays flat.

    It is small and reads the clip itself: in a job every worker has it.

    Args:
        options: the stage `classify`.
        device: where the tagger goes; None takes the CPU.

    Raises:
        WeightsError: the tagger's or the speech network's weights are missing or damaged.
    """

    kind = "an audio tagger"
    takes = frozenset(("top",))
    alone = True

    def __init__(self, options: Any, device: torch.device | None):
        self.options = options
        self.tagger = Tagger(options.weights, device or "cpu")
        self.speech = speech_network()

    def modules(self) -> dict[str, nn.Module]:
        """Return the tagger and the network that tells speech."""
        return {"tagger": self.tagger.network, "speech": self.speech}

    def take(self, media: Any) -> tuple[Any, tuple[TimeSpan, ...]]:
        """Listen to the clip, or to the part of it that was asked for.

        Returns:
            A `HeardClip`.

        Raises:
            NoAudioTrack: there is nothing to hear.
            VideoDecodeError: the sound cannot be decoded.
        """
        if not media.has_audio:
            raise NoAudioTrack(f"{media.info.source} has no sound track, so there is nothing to hear; give a clip with "
                               "sound, or ask what is seen in it.")
        first, last = media.asked_span
        length = max(media.info.duration_seconds, 1e-3)
        listener: Listener | None = None
        for piece in media.stream_audio(sample_rate=RATE, mono=True, start_seconds=first, end_seconds=last):
            if listener is None:
                listener = Listener(self.tagger, piece.start_seconds)
                speech = SpeechFinder(piece.start_seconds)
            listener.hear(piece.samples[0])
            speech.hear(piece.samples[0])
            report(min(1.0, (piece.start_seconds - listener.start_seconds) / length))
        if listener is None:
            raise NoAudioTrack(f"{media.info.source} has a sound track that holds no sound there; ask about another "
                               "part, or give a clip with sound.")
        return HeardClip(listener.finish(), speech.finish()), ()

    def classify(self, clips: Any, spans: Sequence[TimeSpan], source: str) -> Classification:
        """Return what is heard, with times; the label is what is heard for the longest time."""
        events, speech = clips.events, clips.speech
        segments = tuple(sorted((*self.tagger.segments(events), *speech),
                                key=lambda s: (s.start_seconds, s.end_seconds, s.text)))
        highest = events.shares.amax(0).tolist()
        labels = [Label(name, share) for name, share in zip(self.tagger.labels, highest, strict=True)]
        labels.append(Label(SPEECH, max((s.confidence or 0.0 for s in speech), default=0.0)))
        labels.sort(key=lambda label: -label.confidence)
        lengths: dict[str, float] = {}
        for one in segments:
            lengths[one.text] = lengths.get(one.text, 0.0) + one.end_seconds - one.start_seconds
        name = max(lengths, key=lambda text: lengths[text]) if lengths else SILENCE if events.silent else NOTHING
        sure = next((label.confidence for label in labels if label.name == name), 1 - labels[0].confidence)
        return Classification(
            label=name, labels=tuple(labels[:self.options.top]), confidence=sure, segments=segments,
            seconds_looked_at=(), in_domain=NOT_JUDGED, model=str(self.options.weights),
            rule="sound at 16 kHz, one channel; windows of 2.56 s every 0.64 s for events, 32 ms for speech; the label "
                 "is what is heard longest")


__all__ = ["HeardClip", "SoundLabels"]
