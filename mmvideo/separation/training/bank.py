"""What the separator learns from: voices without a face (LibriSpeech), and real talking faces (GRID), kept in memory.

Mouths of GRID are cut out by the same face stage that serves users, once, and kept in a cache folder.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmvideo.errors import MediaNotFound, MmvideoError
from mmvideo.faces import FaceFinder
from mmvideo.media import open_source, read_audio

RATE = 16000
FRAME = RATE // 25
SIDE = 48
"""Pixels of a mouth in the bank."""
HELD_OUT = 9
"""One GRID clip in this many is kept for tests, chosen by a hash of its name."""
_INTERVAL = 0.4
"""Seconds between detections: points are followed in between, and one face in a quiet picture is not lost."""
_VERSION = 2
log = logging.getLogger("mmvideo.training")


@dataclass(frozen=True)
class Utterance:
    """One stretch of speech of one person."""

    speaker: str
    name: str
    sound: np.ndarray
    """int16 (S,) at 16 kHz."""
    mouths: np.ndarray | None = None
    """uint8 (T, 48, 48) at 25 a second, frame k at samples 640 k to 640 (k + 1); None where no face was filmed."""
    seen: np.ndarray | None = None
    """bool (T,)."""
    joined: bool = False
    """Made of short clips, of which two may show one moment: never mixed with the same speaker."""
    joins: tuple[int, ...] = ()
    """Frames at which the second and later clips begin."""


def is_held_out(name: str) -> bool:
    """Say whether a GRID clip is for tests only; depends on nothing but its name."""
    return int(hashlib.sha256(Path(name).stem.encode()).hexdigest(), 16) % HELD_OUT == 0


def grid_clips(folder: str | Path, *, held_out: bool) -> list[Path]:
    """Return the clips of a folder that are for training, or those that are held out, sorted.

    Raises:
        MediaNotFound: the folder holds no .mkv, .mpg or .mp4.
    """
    found = sorted(p for kind in ("*.mkv", "*.mpg", "*.mp4") for p in Path(folder).expanduser().glob(kind))
    if not found:
        raise MediaNotFound(f"{folder} holds no talking-face clips (.mkv, .mpg, .mp4); see docs/voices.md for GRID.")
    return [p for p in found if is_held_out(p.name) == held_out]


def faces_bank(folder: str | Path, cache: str | Path, *, held_out: bool = False,
               every: int = 1) -> list[Utterance]:
    """Read clips of one talking face each, with mouths cut out by the face stage; the second time from the cache.

    Args:
        folder: clips whose name up to the suffix names them; all of one speaker.
        cache: folder that the mouths are kept in.
        held_out: the clips for tests instead of those for training.
        every: of these, one in so many.
    """
    clips = grid_clips(folder, held_out=held_out)[::every]
    speaker = Path(folder).name
    return [Utterance(speaker, *row) for row in cut_clips(clips, cache)]


def cut_clips(clips: list[Path], cache: str | Path) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Return name, sound, mouths and what is seen, as in `Utterance`, of each clip that shows one face.

    Args:
        clips: files; what is cut out of them is kept under their names and sizes.
        cache: folder that it is kept in.

    Raises:
        MediaNotFound: no clip shows one face.
    """
    listed = [[p.name, p.stat().st_size] for p in clips]  # clips of two talkers may have the same names
    key = hashlib.sha256(json.dumps([_VERSION, SIDE, listed]).encode()).hexdigest()[:12]
    path = Path(cache).expanduser() / f"faces-{key}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_all(clips, path)
    with np.load(path, allow_pickle=False) as kept:
        names, counts = kept["names"], kept["counts"]
        ends = np.cumsum(counts)[:-1]
        sound, mouths, seen = (np.split(kept[k], ends * n) for k, n in (("sound", FRAME), ("mouths", 1), ("seen", 1)))
    return [(str(n), s, m, v) for n, s, m, v in zip(names, sound, mouths, seen, strict=True)]


def _cut_all(clips: list[Path], path: Path) -> None:
    finder, rows = FaceFinder(interval=_INTERVAL), []
    for number, clip in enumerate(clips):
        try:
            rows.append((clip.stem, *_cut(clip, finder)))
        except MmvideoError as error:
            log.warning("%s is left out: %s", clip.name, error)
        if number % 100 == 99:
            log.info("mouths of %d of %d clips", number + 1, len(clips))
    if not rows:
        raise MediaNotFound(f"None of {len(clips)} clips shows one face, as {clips[0].name if clips else 'no clip'}.")
    counts = [len(mouths) for *_, mouths, _ in rows]
    new = path.with_suffix(".new.npz")
    np.savez(new, names=np.array([name for name, *_ in rows]), counts=np.array(counts),
             sound=np.concatenate([_fit(sound, n * FRAME) for (_, sound, _, _), n in zip(rows, counts, strict=True)]),
             mouths=np.concatenate([m for *_, m, _ in rows]), seen=np.concatenate([v for *_, v in rows]))
    new.replace(path)


def _cut(clip: Path, finder: FaceFinder) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with open_source(clip) as source:
        faces = finder(source)
        if len(faces.tracks) != 1:
            raise MediaNotFound(f"it shows {len(faces.tracks)} faces, not one")
        cues = faces.cues(0, faces.num_rows)
        heard = source.audio(sample_rate=RATE, mono=True)
    late = round((heard.start_seconds - faces.start_seconds) * RATE)
    sound = heard.samples[0].numpy()
    sound = np.pad(sound, (late, 0)) if late > 0 else sound[-late:]
    mouths = cues.mouths[0, 0].unfold(1, 2, 2).unfold(2, 2, 2).float().mean((-1, -2)).round().byte()
    return as_int16(sound), mouths.numpy(), cues.valid[0, 0].numpy()


def voice_files(folder: str | Path) -> list[Path]:
    """Return every .flac and .wav under a folder, sorted.

    Raises:
        MediaNotFound: there is none.
    """
    found = sorted(p for kind in ("*.flac", "*.wav") for p in Path(folder).expanduser().rglob(kind))
    if not found:
        raise MediaNotFound(f"{folder} holds no speech (.flac, .wav); see docs/voices.md for LibriSpeech.")
    return found


def voices_bank(folder: str | Path) -> list[Utterance]:
    """Read every .flac and .wav under a folder; the speaker is what stands before the first dash of the name.

    Raises:
        MediaNotFound: there is none.
    """
    return [Utterance(p.stem.split("-")[0], p.stem,
                      as_int16(read_audio(p, sample_rate=RATE, mono=True).samples[0].numpy()))
            for p in voice_files(folder)]


def as_int16(sound: np.ndarray) -> np.ndarray:
    """Return float samples in [-1, 1] as int16."""
    return np.clip(np.round(sound * 32767), -32768, 32767).astype(np.int16)


def _fit(sound: np.ndarray, count: int) -> np.ndarray:
    return np.pad(sound[:count], (0, max(0, count - len(sound))))


__all__ = ["FRAME", "RATE", "SIDE", "Utterance", "cut_clips", "faces_bank", "grid_clips", "is_held_out", "voice_files",
           "voices_bank"]
