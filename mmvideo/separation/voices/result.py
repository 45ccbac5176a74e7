"""The result of `source-separation`: a voice for each face, and what no face said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmvideo.results import PICTURES
from mmvideo.separation.voices.speakers import speaker_subtitles
from mmvideo.separation.voices.tracks import VoiceTracks


@dataclass(frozen=True, kw_only=True, repr=False)
class SeparatedVoices(VoiceTracks):
    """Every voice of a clip. The voices and `off_screen` add up to `mixture`."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; sounds by their length, boxes four times a second."""
        from mmvideo.separation.voices.save import describe_voices

        return describe_voices(self)

    def save(self, path: str | Path, *, videos: bool = True) -> Path:
        """Write a folder: WAVs, a video a person with only that voice, thumbnails, a picture and a manifest.

        Args:
            path: a folder, made if absent; or a file, .json or a picture, for one of these alone.
            videos: also write the videos.
        """
        from mmvideo.separation.voices.save import write_voices

        path = Path(path)
        if path.suffix.lower() in (".json", *PICTURES):
            return super().save(path)
        return write_voices(self, path, videos=videos)

    def remix(self, path: str | Path, gains: Sequence[float], *, off_screen: float = 1.0) -> Path:
        """Write the clip anew, with each voice as loud as asked.

        Args:
            path: ends in .mp4 for the pictures with the new sound, in .wav or .flac for the sound alone.
            gains: one factor a voice, in the order of `tracks`; 0 mutes, 1 leaves as it was.
            off_screen: the factor of what no voice took.

        Raises:
            InvalidInput: another number of gains, a negative one, or another suffix.
            MediaError: the source cannot be opened a second time.
        """
        from mmvideo.separation.voices.save import remix_voices

        return remix_voices(self, Path(path), tuple(gains), off_screen)

    def subtitles(self, segments: Iterable[Any], form: str = "srt") -> str:
        """Return subtitles in which the name of who speaks stands before what is said, as "person 1: Good morning."

        Args:
            segments: a transcript on the clock of the clip: `Segment`s, or (start, end, text) in seconds.
            form: "srt" or "vtt".

        Raises:
            InvalidInput: another form, or segments without times and text.
        """
        return speaker_subtitles(segments, self.turns, form)

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw each person's face, when it is seen, and what was heard of them, under the mixture.

        Returns:
            The path if one is given, else the matplotlib figure.
        """
        from mmvideo.separation.voices.plot import plot_voices

        return plot_voices(self, path)


__all__ = ["SeparatedVoices"]
