"""The result of `transcription`: what is said, with the times of sentences and words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmvideo.results import Result


@dataclass(frozen=True)
class Word:
    """A word and when it is said; half open, in seconds on the clock of the source."""

    start_seconds: float
    end_seconds: float
    text: str
    confidence: float | None = None


@dataclass(frozen=True, kw_only=True)
class Transcript(Result):
    """Everything that is said; `segments` are sentences or parts of them, short enough to be subtitles."""

    words: tuple[Word, ...] = ()
    """Empty where the text comes from subtitles, or from a model that tells no times."""
    language: str | None = None
    """Code of the language, as "en"; None where nothing tells it."""
    origin: str = ""
    """Where the text comes from: "speech", "subtitle track N", or the name of a subtitle file."""

    @property
    def text(self) -> str:
        """All that is said, as one text."""
        return " ".join(segment.text for segment in self.segments)

    @property
    def headline(self) -> str:
        """A line a segment, with its times."""
        return "\n".join(f"{s.start_seconds:6.2f}-{s.end_seconds:.2f} s  {s.text}" for s in self.segments) or (
            "nobody speaks")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; times in seconds."""
        return super().to_dict() | {"text": self.text}

    def _looked(self) -> str:
        language = f" ({self.language})" if self.language else ""
        return f"heard {self.origin}{language}" if self.origin in ("", "speech") else f"read {self.origin}{language}"


__all__ = ["Transcript", "Word"]
