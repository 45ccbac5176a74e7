"""Does each separated voice follow its own mouth, and better than the sound did before it was separated?

    python benchmarks/lip_sync.py CLIP [CLIP ...] [--weights FOLDER]

Printed for each person: how well loudness follows the movement of that mouth (correlation over time at the best of 7
offsets of 40 ms, at least 0), for the voice of the mouth, for the untouched mixture, and for the voices of the others.
No reference is needed, so it runs on any clip; it is no measure of how clean a voice is.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from mmvideo import Pipeline
from mmvideo.hooks import Hook
from mmvideo.separation.voices.lipsync import agreement, loudness, movement


class Keep(Hook):
    """Keeps what the stages of one run fill."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}

    def after(self, stage: str, given: Mapping[str, Any], seconds: float) -> None:
        """Take the fields of a stage."""
        self.fields.update(given)


def others(result: Any, faces: Any, number: int) -> str:
    """Return how well every other voice follows a mouth."""
    track = next(t for t in faces.tracks if t.number == number)
    cues = faces.cues(track.first, track.first + len(track), [track])
    moved = movement(cues.mouths[0, 0].numpy(), cues.valid[0, 0].numpy())
    begin = round((faces.start_seconds - result.mixture.start_seconds) * 16000) + track.first * 640
    found = []
    for voice in result.tracks:
        if voice.number != number:
            samples = voice.sound.read(begin, begin + len(track) * 640).numpy()
            found.append(f"{voice.number}: {agreement(moved, loudness(samples, len(track))):.2f}")
    return ", ".join(found) or "nobody else"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", metavar="CLIP")
    parser.add_argument("--weights", help="a model with the part faces; the embedded one by default")
    options = parser.parse_args()
    pipe = Pipeline("source-separation", options.weights, device="cpu")
    for clip in options.clips:
        kept = Keep()
        result = pipe(clip, hook=kept)
        print(f"{clip}: {result.duration_seconds:.1f} s, {len(result.tracks)} faces, separated by {result.by}")
        print("  person  seen for  own voice  mixture  gain   other voices")
        for voice in result.tracks if result.by == "faces" else ():
            seen = sum(end - start for start, end in voice.spans)
            own, mixture = voice.confidence, voice.confidence_of_mixture
            print(f"  {voice.number:6d} {seen:7.1f} s {own:10.2f} {mixture:8.2f} {own - mixture:+6.2f}   "
                  f"{others(result, kept.fields['faces'], voice.number)}", flush=True)


main()
