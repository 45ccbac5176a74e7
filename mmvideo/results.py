"""What a pipeline answers: frozen, with the seconds that were looked at, printable, savable and drawable."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmvideo.errors import InvalidInput
from mmvideo.types import Clips, Domain, Label, Segment, Timings

PICTURES = (".png", ".jpg", ".jpeg", ".pdf", ".svg")


@dataclass(frozen=True, repr=False)
class Evidence:
    """What a picture of the result can be drawn from: the source to open again, else the clips that were kept."""

    source: Any = None
    """What the caller gave (path, bytes, frames); None if it cannot be opened a second time."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options with which the source was opened."""
    clips: Clips | None = None
    """Only kept where the source cannot be opened again."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What every result says, whatever the task."""

    confidence: float
    """Probability in [0, 1] that the model gives its own answer; not a promise outside `in_domain`."""
    seconds_looked_at: tuple[float, ...]
    """Time of each frame that the model saw, on the clock of the source, ascending."""
    in_domain: Domain
    """False in a condition (`if not result.in_domain`) when the model was not trained for this clip or question."""
    segments: tuple[Segment, ...] = ()
    """What was said about each span of time."""
    source: str = "<memory>"
    duration_seconds: float | None = None
    model: str = ""
    rule: str = ""
    """How the frames were chosen and how this one answer was picked, in words."""
    timings: Timings = field(default_factory=Timings)
    warnings: tuple[str, ...] = ()
    evidence: Evidence | None = field(default=None, repr=False, compare=False)

    @property
    def headline(self) -> str:
        """The answer itself, in words."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return plain values (text, numbers, lists, dictionaries) that JSON can hold; times in seconds."""
        raw: dict[str, Any] = {"type": type(self).__name__}
        for name in (f.name for f in dataclasses.fields(self) if f.name not in ("evidence", "timings", "in_domain")):
            raw[name] = _plain(getattr(self, name))
        raw["in_domain"] = self.in_domain.inside
        raw["domain"] = dataclasses.asdict(self.in_domain)
        raw["timings"] = {stage: round(seconds, 4) for stage, seconds in self.timings.stages}
        return raw

    def save(self, path: str | Path) -> Path:
        """Write the result: JSON, or a picture if the suffix is that of one (.png .jpg .pdf .svg).

        Raises:
            InvalidInput: any other suffix.
        """
        path = Path(path)
        if path.suffix.lower() in PICTURES:
            return self.plot(path)
        if path.suffix.lower() != ".json":
            raise InvalidInput(f"Cannot save a result as {path.name!r}; use .json or {' '.join(PICTURES)}.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw the frames looked at, a timeline with the segments, and the waveform.

        Returns:
            The path if one is given, else the matplotlib figure.
        """
        from mmvideo.plots import contact_sheet

        return contact_sheet([self], path)

    def __str__(self) -> str:
        lines = [f"{self.headline}", f"  {self._about()}"]
        if not self.in_domain:
            lines.append(f"  outside what {self.model or 'this model'} knows: {self.in_domain.reason}")
            if self.in_domain.remedy:
                lines.append(f"  a model that may know: {self.in_domain.remedy}")
        lines += [f"  warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def _about(self) -> str:
        taken = f", {self.timings.total_seconds:.2f} s" if self.timings.stages else ""
        return f"confidence {self.confidence:.0%}; {self._looked()}; {self.model or 'unnamed model'}{taken}"

    def _looked(self) -> str:
        seen = self.seconds_looked_at
        return f"looked at {len(seen)} frames, {seen[0]:.2f}-{seen[-1]:.2f} s" if seen else "looked at no frame"


@dataclass(frozen=True)
class Usage:
    """Tokens of the language model; a video seen in several windows counts every window."""

    prompt_tokens: int = 0
    """Those read: what was seen, the question and what stands around them, however much of it was read before."""
    completion_tokens: int = 0
    """Those written, with the ones that end a reply."""

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, kw_only=True)
class Answer(Result):
    """What the model answers to one question."""

    question: str
    text: str
    usage: Usage = field(default_factory=Usage)
    finished: bool = True
    """False where the reply was cut at its longest length."""

    @property
    def headline(self) -> str:
        """The answer itself, in words."""
        return self.text


@dataclass(frozen=True, kw_only=True)
class Caption(Result):
    """What happens, in one or two sentences; `segments` hold a caption of each window."""

    text: str

    @property
    def headline(self) -> str:
        """All captions; with their times where there is more than one."""
        if len(self.segments) < 2:
            return self.text
        return "\n".join(f"{s.start_seconds:6.2f}-{s.end_seconds:.2f} s  {s.text}" for s in self.segments)


@dataclass(frozen=True, kw_only=True)
class Classification(Result):
    """The class of a video, and of each shot in `segments`."""

    label: str
    """The class that holds for most of the time looked at."""
    labels: tuple[Label, ...] = ()
    """Classes with their probabilities over the whole video, most likely first: all, or the first few."""

    @property
    def headline(self) -> str:
        """The label, and each shot where there is more than one."""
        if len(self.segments) < 2:
            return self.label
        shots = [f"{s.start_seconds:6.2f}-{s.end_seconds:.2f} s  {s.text} ({s.confidence or 0:.0%})"
                 for s in self.segments]
        return "\n".join([f"{self.label} (most of the time)", *shots])

    def __str__(self) -> str:
        first, _, rest = super().__str__().partition("\n")
        if self.segments or len(self.labels) < 2:
            return f"{first}\n{rest}"
        others = ", ".join(f"{label.name} {label.confidence:.0%}" for label in self.labels[1:])
        return f"{first}\n  then {others}\n{rest}"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value


__all__ = ["Answer", "Caption", "Classification", "Evidence", "Result", "Usage"]
