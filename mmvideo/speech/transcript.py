"""A transcript from subtitles that are there, or from a speech model that hears where somebody speaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mmvideo.errors import InvalidInput, NoAudioTrack, WeightsError
from mmvideo.media.subtitle_tracks import SubtitleTrack
from mmvideo.sounds.waveform import RATE
from mmvideo.speech.pieces import Piece, cut_pieces, heard_spans, plan_pieces
from mmvideo.speech.recognizer import Recognized, Recognizer, SpokenOptions
from mmvideo.speech.result import Transcript, Word
from mmvideo.types import NOT_JUDGED, Segment

SOURCES = ("auto", "subtitles", "speech")
NO_MODEL = ("No speech model was named, and none ships with mmvideo. Name one of the hub or a folder: "
            "Pipeline('transcription', model='openai/whisper-base'), mmvideo transcribe CLIP --model "
            "openai/whisper-base; where there is no network, `hf download openai/whisper-base --local-dir FOLDER` "
            "elsewhere and give the folder. A .srt or .vtt file beside the clip is read without any model.")
_LONGEST_CUE_SECONDS, _LONGEST_CUE, _PAUSE_SECONDS = 7.0, 84, 0.7
"""Of a subtitle: two lines of 42 characters; a longer pause ends it."""
_ENDS = re.compile(r"[.!?。！？…][\"')\]]*$")
_RULE = "voice detection, pieces of at most 30 s cut at pauses; times of words from the model"


def transcript_of(media: Any, recognizer: Recognizer | None, options: SpokenOptions, *, origin: str = "auto",
                  report: Callable[[float], None] | None = None) -> Transcript:
    """Return what is said in an opened source.

    Args:
        recognizer: None where no speech model was named.
        origin: "auto" takes subtitles where there are some, "subtitles" nothing else, "speech" hears in any case.
        report: is told how much is done, 0 to 1.

    Raises:
        NoAudioTrack: there is nothing to hear, and no subtitles.
        WeightsError: somebody speaks, and no speech model was named.
    """
    if origin != "speech" and (found := media.subtitles(options.language)) is not None:
        return from_subtitles(found, media)
    if origin == "subtitles":
        raise InvalidInput(f"{media.info.source} has neither a subtitle track with words nor a .srt or .vtt file "
                           "beside it; leave origin=\"subtitles\" out to hear it with a speech model.")
    if not media.has_audio:
        raise NoAudioTrack(f"{media.info.source} has no sound track and no subtitles, so there is nothing to write "
                           "down; give a clip with sound.")
    speech, (begin, end) = heard_spans(_sounds(media))
    spans = plan_pieces(speech, begin, end)
    if spans and recognizer is None:
        raise WeightsError(f"{media.info.source}: somebody speaks, from {speech[0].start_seconds:.1f} s on. {NO_MODEL}")
    told: list[tuple[Piece, Recognized]] = []
    for piece in cut_pieces(_sounds(media), spans, speech):
        assert recognizer is not None
        heard = recognizer.recognize(piece.samples, options, media.info.source)
        told.append((piece, heard))
        if report is not None:
            report((piece.start_seconds + piece.seconds - begin) / max(end - begin, 1e-6))
        if options.language is None and heard.language is not None and options.task == "transcribe":
            options = SpokenOptions(language=heard.language, task=options.task, num_beams=options.num_beams,
                                    word_times=options.word_times)  # the first piece decides, as in Whisper's own code
    return from_speech(told, media, recognizer.name if recognizer else "")


def _sounds(media: Any) -> Iterable[Any]:
    start, end = media.asked_span
    return media.stream_audio(sample_rate=RATE, mono=True, start_seconds=start, end_seconds=end)


def from_speech(told: Sequence[tuple[Piece, Recognized]], media: Any, model: str) -> Transcript:
    """Join what was recognized in all pieces."""
    words: list[Word] = []
    segments: list[Segment] = []
    for piece, heard in told:
        own = [Word(piece.start_seconds + one.start, piece.start_seconds + one.end, one.text, one.confidence)
               for one in heard.words]
        own = within_speech(own, piece.speech)
        words += own
        if own:
            segments += cues(own, heard.language)
        elif heard.text:
            first, last = piece.speech[0].start_seconds, piece.speech[-1].end_seconds
            segments.append(Segment(max(first, piece.start_seconds), min(last, piece.start_seconds + piece.seconds),
                                    heard.text, heard.confidence))
    sure = [(heard.confidence, len(heard.text)) for _, heard in told if heard.text]
    total = sum(length for _, length in sure)
    return Transcript(
        segments=tuple(segments), words=tuple(words), origin="speech", rule=_RULE, model=model, seconds_looked_at=(),
        language=next((heard.language for _, heard in told if heard.language), None), in_domain=NOT_JUDGED,
        confidence=sum(share * length for share, length in sure) / total if total else 1.0)


def from_subtitles(track: SubtitleTrack, media: Any) -> Transcript:
    """Return the subtitles of the part that is asked for."""
    first, last = media.asked_span
    kept = tuple(one for one in track.segments
                 if (last is None or one.start_seconds < last) and (first is None or one.end_seconds > first))
    return Transcript(segments=kept, language=track.language, origin=track.name, confidence=1.0, seconds_looked_at=(),
                      rule=f"read from {track.name}", model="subtitles", in_domain=NOT_JUDGED)


def within_speech(words: Sequence[Word], speech: Sequence[Segment]) -> list[Word]:
    """Bring words that reach into a pause back to where somebody speaks, as far as they touch that."""
    found = []
    for word in words:
        touched = [s for s in speech if s.start_seconds < word.end_seconds and s.end_seconds > word.start_seconds]
        if touched:
            start = max(word.start_seconds, touched[0].start_seconds)
            end = min(word.end_seconds, touched[-1].end_seconds)
            word = Word(start, max(start, end), word.text, word.confidence)
        found.append(word)
    return found


def cues(words: Sequence[Word], language: str | None = None) -> list[Segment]:
    """Join words into subtitles: sentences, or parts of them that fit two lines and seven seconds."""
    glue = "" if language in ("zh", "ja", "th", "lo", "my", "yue", "km") else " "
    found: list[Segment] = []
    run: list[Word] = []
    for word in words:
        if run and (word.start_seconds - run[-1].end_seconds > _PAUSE_SECONDS or _ENDS.search(run[-1].text)):
            found.append(_cue(run, glue))
            run = []
        run.append(word)
        while len(run) > 1 and (len(glue.join(one.text for one in run)) > _LONGEST_CUE
                                or run[-1].end_seconds - run[0].start_seconds > _LONGEST_CUE_SECONDS):
            cut = _best_cut(run)
            found.append(_cue(run[:cut], glue))
            run = run[cut:]
    return [*found, _cue(run, glue)] if run else found


def _best_cut(run: Sequence[Word]) -> int:
    """Return where a cue that is too long is divided: after a comma, else at the widest pause, near the middle."""
    places = range(max(1, len(run) // 3), len(run))
    return max(places, key=lambda n: (run[n - 1].text[-1:] in ",;:،、，",
                                      round(run[n].start_seconds - run[n - 1].end_seconds, 1), -abs(2 * n - len(run))))


def _cue(run: Sequence[Word], glue: str) -> Segment:
    sure = [word.confidence for word in run if word.confidence is not None]
    start = run[0].start_seconds
    return Segment(start, max(run[-1].end_seconds, start + 0.05), glue.join(word.text for word in run),
                   sum(sure) / len(sure) if sure else None)


__all__ = ["NO_MODEL", "SOURCES", "cues", "from_speech", "from_subtitles", "transcript_of", "within_speech"]
