"""Subtitles that are there already: text tracks of a file, and .srt and .vtt files, both read by FFmpeg."""

from __future__ import annotations

import contextlib
import html
import re
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer

from mmvideo.errors import VideoDecodeError
from mmvideo.media.container import ERRORS, Opener, absolute
from mmvideo.subtitles import MARK, SUFFIXES, is_ours
from mmvideo.types import Segment

TEXT_CODECS = frozenset(("subrip", "srt", "webvtt", "ass", "ssa", "mov_text", "text"))
"""Tracks that hold words; others hold pictures of words (DVD, Blu-ray), which nothing here reads."""
_TAGS = re.compile(r"<[^>]*>|\{\\[^}]*\}")
_LONGEST_FILE = 16 * 1024 * 1024
_ASS_FIELDS = 8
"""Commas before the words of an ASS event as Matroska and FFmpeg's packets hold it."""


@dataclass(frozen=True)
class SubtitleTrack:
    """The words of a track or file, with their times."""

    name: str
    """"subtitle track N", or the name of the file."""
    language: str | None
    segments: tuple[Segment, ...]


def subtitle_track(opener: Opener, language: str | None = None) -> SubtitleTrack | None:
    """Return the words of the first text track of a file that holds some; None where there is none.

    Args:
        language: take only tracks of this language, or of none that is stated.
    """
    with opener() as container:
        streams = [(n, s) for n, s in enumerate(container.streams.subtitles)
                   if s.codec_context is not None and s.codec_context.name in TEXT_CODECS]
        names = [(n, s.index, _code(s.language)) for n, s in streams]
    for number, index, code in names:
        if language is not None and code not in (None, _code(language)):
            continue
        with opener() as container:
            segments = _segments(container, index)
        if segments:
            return SubtitleTrack(f"subtitle track {number}", code, segments)
    return None


def subtitles_beside(path: str | Path, language: str | None = None) -> SubtitleTrack | None:
    """Return the words of a subtitle file beside a clip: CLIP.srt, CLIP.vtt or, with a language, CLIP.en.srt.

    Files that this package wrote itself (`mmvideo.subtitles.is_ours`) are passed over.
    """
    path = Path(path)
    try:
        names = sorted(one.name for one in path.parent.iterdir()
                       if one.suffix.lower() in SUFFIXES and one.name.startswith(f"{path.stem}.") and one.is_file())
    except OSError:
        return None
    for name in sorted(names, key=lambda name: name.count(".") - path.stem.count(".")):
        middle = Path(name[len(path.stem) + 1:]).stem if name.count(".") - path.stem.count(".") > 1 else ""
        code = _code(middle.partition(".")[0].lower() or None)
        if language is not None and code not in (None, _code(language)):
            continue
        file = path.with_name(name)
        with open(file, "rb") as data:
            if is_ours(data.read(800).decode("utf-8", "replace")):
                continue
        if segments := read_subtitles(file):
            return SubtitleTrack(name, code, segments)
    return None


def read_subtitles(path: str | Path) -> tuple[Segment, ...]:
    """Return the cues of a .srt or .vtt file, in order; words without their styles.

    Raises:
        VideoDecodeError: it cannot be read, or is larger than 16 MB.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _LONGEST_FILE:
            raise VideoDecodeError(f"{path} is larger than 16 MB, too large for subtitles.")
        kind = "webvtt" if path.suffix.lower() == ".vtt" else "srt"
        with av.open(f"file:{absolute(path)}", format=kind, metadata_errors="replace",
                     options={"protocol_whitelist": "file"}) as container:
            return _segments(container, 0)
    except ERRORS as error:
        raise VideoDecodeError(f"{path} cannot be read as subtitles: {str(error)[:200]}.") from error


def _segments(container: InputContainer, index: int) -> tuple[Segment, ...]:
    stream = container.streams[index]
    codec = stream.codec_context.name
    found = []
    with contextlib.suppress(*ERRORS):  # what was read until the damage still holds
        for packet in container.demux(stream):
            if packet.pts is None or packet.time_base is None or not packet.size:
                continue
            words = cue_words(bytes(packet), codec)
            start = float(packet.pts * packet.time_base)
            if words:
                found.append(Segment(start, start + float((packet.duration or 0) * packet.time_base), words))
    found.sort(key=lambda one: (one.start_seconds, one.end_seconds))
    return tuple(one for one in found if one.end_seconds > one.start_seconds)


def cue_words(data: bytes, codec: str = "subrip") -> str:
    """Return the words of a cue on one line, without tags.

    Args:
        data: of a packet.
        codec: one of `TEXT_CODECS`.
    """
    if codec == "mov_text":  # two bytes of length, the words, then boxes of styles
        data = data[2:2 + int.from_bytes(data[:2], "big")]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    if codec in ("ass", "ssa"):
        text = text.split(",", _ASS_FIELDS)[-1].replace("\\N", " ").replace("\\n", " ")
    return " ".join(html.unescape(_TAGS.sub("", text)).replace(MARK, "").split())


def _code(language: str | None) -> str | None:
    """Return the code of two letters of a language where it is a common one, else what is stated."""
    if not language or language == "und":
        return None
    return _TWO_LETTERS.get(language, language)


_TWO_LETTERS = {"eng": "en", "ger": "de", "deu": "de", "fre": "fr", "fra": "fr", "spa": "es", "ita": "it", "por": "pt",
                "rus": "ru", "jpn": "ja", "chi": "zh", "zho": "zh", "kor": "ko", "ara": "ar", "hin": "hi", "dut": "nl",
                "nld": "nl", "pol": "pl", "tur": "tr", "swe": "sv", "ukr": "uk"}

__all__ = ["TEXT_CODECS", "SubtitleTrack", "cue_words", "read_subtitles", "subtitle_track",
           "subtitles_beside"]
