"""Write separated voices as a folder that other programs use."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmvideo import checks
from mmvideo.errors import InvalidInput, MediaError
from mmvideo.media import read_video, write_video
from mmvideo.media.remux import with_sound
from mmvideo.media.write import write_audio_pieces
from mmvideo.separation.voices.plot import plot_voices
from mmvideo.separation.voices.speakers import rttm
from mmvideo.separation.voices.tracks import RATE, Mix, Sound, Voice, VoiceTracks
from mmvideo.wording import printable

MANIFEST, WHO_SPEAKS = "voices.json", "who-speaks-when.rttm"


def describe_voices(result: VoiceTracks) -> dict[str, Any]:
    """Return the result as plain values."""
    return {
        "type": "SeparatedVoices", "text": result.text, "source": result.source,
        "duration_seconds": result.duration_seconds, "by": result.by, "rule": result.rule, "model": result.model,
        "sample_rate": RATE, "start_seconds": round(result.mixture.start_seconds, 6),
        "num_samples": result.mixture.num_samples, "confidence": round(result.confidence, 4),
        "cuts": [round(c, 3) for c in result.cuts],
        "sync": None if result.sync is None else {**dataclasses.asdict(result.sync), "text": result.sync.text},
        "speech": [{"start_seconds": round(t.start_seconds, 3), "end_seconds": round(t.end_seconds, 3),
                    "who": t.name, "number": t.number, "confidence": round(t.confidence, 3)} for t in result.turns],
        "tracks": [_describe(voice) for voice in result.tracks],
        "in_domain": result.in_domain.inside, "domain": dataclasses.asdict(result.in_domain),
        "warnings": list(result.warnings), "timings": {s: round(t, 4) for s, t in result.timings.stages},
    }


def _describe(voice: Voice) -> dict[str, Any]:
    rows = np.flatnonzero(~np.isnan(voice.boxes[:, 0]))[::6] if len(voice.boxes) else np.zeros(0, int)
    return {
        "number": voice.number, "face": voice.has_face, "confidence": round(voice.confidence, 4),
        "confidence_of_mixture": round(voice.confidence_of_mixture, 4),
        "note": voice.note,
        "spans": [[round(a, 3), round(b, 3)] for a, b in voice.spans],
        "boxes": [[round(voice.first_box_seconds + int(r) / 25, 3), *(round(float(v), 1) for v in voice.boxes[r])]
                  for r in rows],
    }


def write_voices(result: VoiceTracks, folder: Path, *, videos: bool) -> Path:
    """Write `person-N.wav`, `.png`, `.mp4`, `off-screen.wav`, `mixture.wav`, `voices.png`, `voices.json` and,
    where faces are seen, `who-speaks-when.rttm`.

    Raises:
        InvalidInput: the path is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(f"{folder} is a file; give a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    manifest, notes = describe_voices(result), []
    for voice, entry in zip(result.tracks, manifest["tracks"], strict=True):
        name = f"person-{voice.number}" if voice.has_face else f"voice-{voice.number}"
        entry["sound"] = _sound(voice.sound, folder / f"{name}.wav")
        if voice.thumbnail is not None:
            Image.fromarray(voice.thumbnail).save(folder / f"{name}.png")
            entry["thumbnail"] = f"{name}.png"
        if videos:
            try:
                entry["video"] = _video(result, voice.sound, folder / f"{name}.mp4")
            except MediaError as error:
                notes.append(f"no video of person {voice.number}: {error}")
    manifest["off_screen"] = _sound(result.off_screen, folder / "off-screen.wav")
    manifest["mixture"] = _sound(result.mixture, folder / "mixture.wav")
    if result.by == "faces":
        (folder / WHO_SPEAKS).write_text(rttm(result.turns, Path(result.source).stem), encoding="utf-8")
        manifest["who_speaks_when"] = WHO_SPEAKS
    manifest["picture"] = plot_voices(result, folder / "voices.png").name
    manifest["warnings"] += list(dict.fromkeys(notes))
    (folder / MANIFEST).write_text(printable(json.dumps(manifest, indent=2, ensure_ascii=False)) + "\n",
                                   encoding="utf-8")
    return folder


def _sound(sound: Sound, path: Path) -> str:
    write_audio_pieces(path, sound.pieces(), sample_rate=RATE)
    return path.name


def remix_voices(result: VoiceTracks, path: Path, gains: tuple[float, ...], off_screen: float) -> Path:
    """Write what `SeparatedVoices.remix` says."""
    if len(gains) != len(result.tracks):
        raise InvalidInput(f"{len(gains)} gains for {len(result.tracks)} voices; give one a voice.")
    *gains, off_screen = (checks.number("A gain", gain, low=0) for gain in (*gains, off_screen))
    mix = Mix((*(voice.sound for voice in result.tracks), result.off_screen), (*gains, off_screen))
    if path.suffix.lower() in (".wav", ".flac"):
        write_audio_pieces(path, mix.pieces(), sample_rate=RATE)
    elif path.suffix.lower() == ".mp4":
        _video(result, mix, path)
    else:
        raise InvalidInput(f"remix writes .mp4, .wav or .flac, not {path.suffix!r}.")
    return path


def _video(result: VoiceTracks, sound: Sound | Mix, path: Path) -> str | None:
    evidence = result.evidence
    if evidence is None or evidence.source is None:
        raise MediaError("the source cannot be opened a second time.")
    if isinstance(evidence.source, bytes) or (isinstance(evidence.source, str | os.PathLike)
                                              and not Path(evidence.source).is_dir()):
        return with_sound(evidence.source, path, sound.pieces(), RATE,
                          video_stream=evidence.options.get("video_stream")).name
    write_video(path, read_video(evidence.source, **evidence.options), audio=sound.whole())
    return path.name


__all__ = ["MANIFEST", "describe_voices", "remix_voices", "write_voices"]
