"""What a pipeline answers: frozen, with the seconds that were looked at, printable, savable and drawable."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mmvideo.errors import InvalidInput
from mmvideo.notebook import Segments, data_frame, png_of, result_html, result_row
from mmvideo.registry import find
from mmvideo.subtitles import SUFFIXES, srt_text, vtt_text
from mmvideo.types import Clips, Domain, Label, Proof, SeenBox, Segment, Timings
from mmvideo.wording import plural, printable

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
    proof: Proof | None = None
    """What the answer rests on, where the model tells."""
    model: str = ""
    """What was run, as it was named (a folder's whole path); empty where there were several."""

    @property
    def intervals(self) -> tuple[tuple[float, float], ...]:
        """Spans of time, in seconds, that the answer rests on."""
        return self.proof.intervals if self.proof else ()

    @property
    def boxes(self) -> tuple[SeenBox, ...]:
        """Things in frames that the answer rests on."""
        return self.proof.boxes if self.proof else ()

    @property
    def frames(self) -> tuple[float, ...]:
        """Times of the frames with these things, ascending."""
        return tuple(sorted({one.seconds for one in self.boxes}))


@dataclass(frozen=True, kw_only=True)
class Result:
    """What every result says, whatever the task; each kind also has `text`, the answer itself in words."""

    confidence: float
    """Probability in [0, 1] that the model gives its own answer; not a promise outside `in_domain`. None where a model
    behind a server tells no probabilities."""
    seconds_looked_at: tuple[float, ...]
    """Time of each frame that the model saw, on the clock of the source, ascending."""
    in_domain: Domain
    """True in a condition only where the model judged that it was trained for this clip and question; `.outside` where
    it judged that it was not, `.judged` where it judged at all."""
    segments: tuple[Segment, ...] = ()
    """What was said about each span of time; kept as `mmvideo.notebook.Segments`, a tuple with `to_pandas()`."""
    source: str = "<memory>"
    duration_seconds: float | None = None
    model: str = ""
    rule: str = ""
    """How the frames were chosen and how this one answer was picked, in words."""
    timings: Timings = field(default_factory=Timings)
    warnings: tuple[str, ...] = ()
    evidence: Evidence | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", Segments(self.segments))

    if TYPE_CHECKING:  # at run time a dataclass would take an inherited property for the default of a field
        @property
        def text(self) -> str:
            """The answer itself, in words; a field or a property of each kind of result."""

    @property
    def headline(self) -> str:
        """The answer itself, in words; a line a span where there are several."""
        raise NotImplementedError

    @property
    def caveat(self) -> str:
        """What is to be read before the answer: why it lies outside the model's domain; empty elsewhere."""
        if not self.in_domain.outside:
            return ""
        return f"outside what {self.model or 'this model'} knows: {self.in_domain.reason or 'no reason is given'}"

    @property
    def body(self) -> str:
        """All that `str()` gives after the caveat: the answer, and what it rests on."""
        return "\n".join([self.headline, f"  {self._about()}", *(f"  warning: {text}" for text in self.warnings)])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values (text, numbers, lists, dictionaries) that JSON can hold; times in seconds."""
        raw: dict[str, Any] = {"type": type(self).__name__}
        for name in (f.name for f in dataclasses.fields(self) if f.name not in ("evidence", "timings", "in_domain")):
            raw[name] = _plain(getattr(self, name))
        raw["text"] = self.text
        raw["in_domain"] = self.in_domain.inside
        raw["domain"] = dataclasses.asdict(self.in_domain)
        if self.evidence is not None and self.evidence.proof is not None:
            raw["evidence"] = _plain(self.evidence.proof)
        raw["timings"] = {stage: round(seconds, 4) for stage, seconds in self.timings.stages}
        return raw

    def save(self, path: str | Path) -> Path:
        """Write the result: JSON, subtitles of its segments (.srt .vtt), or a picture (.png .jpg .pdf .svg).

        Raises:
            InvalidInput: any other suffix.
        """
        path = Path(path)
        if path.suffix.lower() in PICTURES:
            return self.plot(path)
        if path.suffix.lower() not in (".json", *SUFFIXES):
            raise InvalidInput(f"Cannot save a result as {path.name!r}; use .json {' '.join((*SUFFIXES, *PICTURES))}.")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in SUFFIXES:
            write = srt_text if path.suffix.lower() == ".srt" else vtt_text
            path.write_text(printable(write(self.cues())), encoding="utf-8")
            return path
        text = printable(json.dumps(self.to_dict(), indent=2, ensure_ascii=False))
        path.write_text(text + "\n", encoding="utf-8")
        return path

    def cues(self) -> tuple[Segment, ...]:
        """Return the segments, as subtitles; where there are none, the text over the whole video."""
        whole = Segment(0.0, self.duration_seconds or 1.0, self.text)
        return self.segments or ((whole,) if self.text else ())

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw the frames looked at, a timeline with the segments, and the waveform.

        Returns:
            The path if one is given, else the matplotlib figure.
        """
        return find("drawings", "contact-sheet")([self], path)

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame` of one row; `segments.to_pandas()` has a row a span.

        Raises:
            MissingExtra: pandas is absent.
        """
        return data_frame([result_row(self)])

    def _repr_png_(self) -> bytes | None:
        """Return the picture of `plot`, drawn once; None where the source cannot be opened again."""
        if "_png" not in vars(self):
            object.__setattr__(self, "_png", png_of(self.plot))
        return vars(self)["_png"]

    def _repr_html_(self) -> str:
        """Return the answer, what it rests on, the segments and the picture, as a notebook shows them."""
        said = self.text if len(self.segments) > 1 else self.headline
        return result_html(said, [self._about(), *self.warnings], self.caveat, self.segments, self._repr_png_())

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_png"}

    def __str__(self) -> str:
        lines = [self.caveat] if self.caveat else []
        if self.in_domain.suggestion:
            lines.append(f"  a model that may know: {self.in_domain.suggestion}")
        return "\n".join([*lines, self.body])

    def _about(self) -> str:
        sure = "" if self.in_domain.outside or self.confidence is None else f"confidence {self.confidence:.0%}; "
        taken = f", {self.timings.total_seconds:.2f} s" if self.timings.stages else ""
        judged = "" if self.in_domain.judged else "; whether it knows such clips is not judged"
        return f"{sure}{self._looked()}; {self.model or 'unnamed model'}{taken}{judged}"

    def _looked(self) -> str:
        seen = self.seconds_looked_at
        if not seen:
            return "looked at no frame"
        return f"looked at {plural(len(seen), 'frame')}, {seen[0]:.2f}-{seen[-1]:.2f} s"


ResultT_co = TypeVar("ResultT_co", bound=Result, covariant=True)
"""The kind of result that a pipeline, session or stream gives."""


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


@dataclass(frozen=True)
class Citation:
    """A time that a model names in its words, checked against the frames that it saw."""

    seconds: float
    words: str
    """As they stand in the text: "00:35", "at 12 s"."""
    holds: bool
    """Whether a frame was shown there."""
    reason: str = ""
    """Why it does not hold; empty where it does."""


@dataclass(frozen=True, kw_only=True)
class Generation(Result):
    """What every text of a language model says about how it ended."""

    text: str
    usage: Usage = field(default_factory=Usage)
    finished: bool = True
    """False where the text was cut at `max_new_tokens`; of several windows, that of any."""
    looped: bool = False
    """Whether the text was cut while it repeated the same words again and again; `warnings` then says which."""
    citations: tuple[Citation, ...] = ()
    """Times that the text names; those that do not hold are in `warnings`, too."""
    finish_reason: str = field(init=False)
    """"stop" where the model ended the text, "length" where it was cut at `max_new_tokens`; follows from `finished`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "finish_reason", "stop" if self.finished else "length")

    def _about(self) -> str:
        return super()._about() + ("" if self.finished else "; cut at max_new_tokens")


@dataclass(frozen=True, kw_only=True)
class Answer(Generation):
    """What the model answers to one question."""

    question: str

    @property
    def headline(self) -> str:
        """The answer itself, in words."""
        return self.text


@dataclass(frozen=True, kw_only=True)
class Caption(Generation):
    """What happens, in one or two sentences; `segments` hold a caption of each span, in order."""

    title: str = ""
    """At most eight words; by a chat model, else by rule."""
    summary: str = ""
    """The whole in one or two sentences, where there are several segments."""
    chapters: tuple[Segment, ...] = ()
    """Neighbouring segments that belong together, with a title each."""

    @property
    def headline(self) -> str:
        """All captions; with their times where there is more than one, and then what is said of the whole."""
        if len(self.segments) < 2:
            return self.text
        lines = [f"{s.start_seconds:6.2f}-{s.end_seconds:.2f} s  {s.text}" for s in self.segments]
        rest = self.text
        for segment in self.segments:
            rest = rest.replace(segment.text, "", 1)
        return "\n".join([*lines, *([" ".join(rest.split())] if rest.strip(" .") else [])])


@dataclass(frozen=True, kw_only=True)
class Classification(Result):
    """The class of a video, and of each shot in `segments`."""

    label: str
    """The class that holds for most of the time looked at."""
    labels: tuple[Label, ...] = ()
    """Classes with their probabilities over the whole video, most likely first: all, or the first few."""

    @property
    def text(self) -> str:
        """The label, as every result has its answer."""
        return self.label

    @property
    def headline(self) -> str:
        """The label; then each shot where there are several, else the labels that come next."""
        if len(self.segments) > 1:
            shots = [f"{s.start_seconds:6.2f}-{s.end_seconds:.2f} s  {s.text}{self._share(s.confidence or 0, ' ({})')}"
                     for s in self.segments]
            return "\n".join([f"{self.label} (most of the time)", *shots])
        if self.segments or len(self.labels) < 2:
            return self.label
        others = ", ".join(f"{label.name}{self._share(label.confidence, ' {}')}" for label in self.labels[1:])
        return f"{self.label}\n  then {others}"

    def plot(self, path: str | Path | None = None, *, kind: str = "contact-sheet") -> Any:
        """Draw the frames looked at, a timeline with the segments, and the sound; or what the network looked at.

        Args:
            path: where to write (.png, .jpg, .pdf, .svg); None returns the figure.
            kind: "contact-sheet" shows the waveform, "spectrogram" a log-mel spectrogram in its place; for a
                classifier of the zoo also "attention" (rollout over the frames, of transformers) or "saliency"
                (Grad-CAM of the label, of any), which look at one clip again.

        Returns:
            The path if one is given, else the matplotlib figure.

        Raises:
            UnknownName: no such kind.
            UnsupportedModel: the model has no attention, or is no classifier of the zoo.
        """
        return find("drawings", kind)([self], path)

    def _share(self, confidence: float, form: str) -> str:
        """Put a probability into words; nothing where the clip lies outside the model's domain."""
        return "" if self.in_domain.outside else form.format(f"{confidence:.0%}")


@dataclass(frozen=True, kw_only=True)
class Embedding(Result):
    """A video as one vector, to be compared with others by cosine; and what was found in it, where the model tells."""

    vector: tuple[float, ...]
    """Length 1, unless it is of zeros."""
    text: str = ""
    """What was found, in words: empty for models without words."""

    @property
    def headline(self) -> str:
        """What was found, else the width of the vector."""
        return self.text or f"a vector of {len(self.vector)} values"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None  # JSON has no word for the others
    return value


__all__ = ["PICTURES", "Answer", "Caption", "Citation", "Classification", "Embedding", "Evidence", "Generation",
           "Result", "ResultT_co", "Usage"]
