"""What the tagger learns from, as log-mel spectrograms in memory: ESC-10, UrbanSound8K, speech, and made noises.

Spectrograms are computed once and kept in a cache folder, 50 spectra a second in float16.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from torch import Tensor

from mmvideo.encoders.logmel_lite import halved
from mmvideo.errors import MediaNotFound, WeightsError
from mmvideo.media import read_audio
from mmvideo.nn.fbank import Fbank
from mmvideo.sounds.labels import ESC10, URBAN

RATE = 16_000
NUM_MELS = 64
ESC_FOLDS = (1, 2, 3, 4, 5)
MADE_NOISES = 240
SPEECH_SECONDS = 8.0
"""Most that is taken of an utterance."""
_VERSION = 2
log = logging.getLogger("mmvideo.training")


@dataclass(frozen=True)
class Recording:
    """One recording."""

    energies: Tensor
    """float16 (T, 64): log-mel energies, 50 a second."""
    event: str
    """Of `mmvideo.sounds.labels`; empty for speech and noise, in which there is none."""
    corpus: str
    """esc10, urban, speech or noise."""
    fold: int
    """Of the corpus; 0 where it has none."""
    origin: str
    """The recording on freesound.org that it was cut from, or the speaker; the same in both corpora of sounds."""
    name: str


def read_recordings(sounds: str | Path, speech: str | Path, cache: str | Path) -> list[Recording]:
    """Read all that there is; the second time from the cache.

    Args:
        sounds: folder with esc10.zip and urban.zip, or one of the two.
        speech: folder of speech (.flac); empty for none.
        cache: folder that the spectrograms are kept in.

    Raises:
        MediaNotFound: neither archive is there, or no speech in the folder.
        WeightsError: an archive is damaged.
    """
    home = Path(sounds).expanduser()
    archives = [home / name for name in ("esc10.zip", "urban.zip") if (home / name).is_file()]
    if not archives:
        raise MediaNotFound(f"{sounds} holds neither esc10.zip nor urban.zip; see docs/sounds.md.")
    utterances = sorted(Path(speech).expanduser().rglob("*.flac")) if str(speech) else []
    if str(speech) and not utterances:
        raise MediaNotFound(f"{speech} holds no speech (.flac); see docs/sounds.md.")
    listed = [_VERSION, MADE_NOISES, SPEECH_SECONDS, *([p.name, p.stat().st_size] for p in (*archives, *utterances))]
    path = Path(cache).expanduser() / f"logmels-{hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:12]}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        _compute(archives, utterances, path)
    with np.load(path, allow_pickle=False) as kept:
        energies, lengths, about = torch.from_numpy(kept["energies"]), kept["lengths"].tolist(), kept["about"].tolist()
    return [Recording(one, *_typed(json.loads(text)))
            for one, text in zip(energies.split(lengths), about, strict=True)]


def _typed(about: Sequence) -> tuple[str, str, int, str, str]:
    event, corpus, fold, origin, name = about
    return str(event), str(corpus), int(fold), str(origin), str(name)


def _compute(archives: Sequence[Path], utterances: Sequence[Path], path: Path) -> None:
    fbank = Fbank(NUM_MELS, RATE)
    energies, about = [], []
    for sound, *words in _sounds(archives, utterances):
        energies.append(halved(fbank(sound[None]))[0].half().numpy())
        about.append(json.dumps(words))
        if len(about) % 500 == 0:
            log.info("log-mel spectrograms of %d recordings", len(about))
    part = path.with_suffix(".part.npz")
    np.savez(part, energies=np.concatenate(energies), lengths=[len(e) for e in energies], about=about)
    part.replace(path)


def _sounds(archives: Sequence[Path], utterances: Sequence[Path]) -> Iterator[tuple]:
    """Yield sound (S,), event, corpus, fold, origin and name."""
    for archive in archives:
        try:
            with ZipFile(archive) as opened:
                for name in sorted(n for n in opened.namelist() if n.endswith(".opus")):
                    sound = read_audio(opened.read(name), sample_rate=RATE, mono=True).samples[0]
                    yield sound, *_about(name), name
        except BadZipFile as error:
            raise WeightsError(f"{archive} is no zip archive: {error}") from error
    for utterance in utterances:
        sound = read_audio(utterance, sample_rate=RATE, mono=True, end_seconds=SPEECH_SECONDS).samples[0]
        yield sound, "", "speech", 0, utterance.stem.split("-")[0], utterance.stem
    for number in range(MADE_NOISES):
        yield made_noise(number), "", "noise", 0, str(number), f"noise-{number}"


def _about(name: str) -> tuple[str, str, int, str]:
    """Return event, corpus, fold and origin of a file in an archive."""
    folder, stem = name.split("/")[-2:]
    words = stem.removesuffix(".opus").split("-")
    if folder in ESC10:
        return ESC10[folder], "esc10", int(words[0]), words[1]
    return URBAN[int(words[1])], "urban", int(folder.removeprefix("fold")), words[0]


def made_noise(number: int, *, seconds: float = 4.0) -> Tensor:
    """Return a noise (S,) that follows from its number: silence, coloured noise, hum, tones, sweeps, or soft clicks."""
    rng = np.random.default_rng(number)
    count = round(seconds * RATE)
    at = np.arange(count) / RATE
    loud = 10 ** rng.uniform(-4, -0.8)
    kind = number % 6
    if kind == 0:
        sound = rng.normal(size=count) * 10 ** rng.uniform(-7, -4)
        return torch.from_numpy(sound).float() if number % 4 else torch.zeros(count)
    if kind in (1, 2):
        spectrum = np.fft.rfft(rng.normal(size=count))
        hertz = np.fft.rfftfreq(count, 1 / RATE)
        sound = np.fft.irfft(spectrum / np.maximum(hertz, 20) ** rng.uniform(0, 1.2), count)
        if kind == 2:  # rises and falls slowly, as wind at a microphone
            sound *= np.interp(at, np.linspace(0, seconds, 9), rng.uniform(0.1, 1, 9))
    elif kind == 3:
        base = rng.choice([50, 60, 100, 120]) * rng.uniform(0.99, 1.01)
        sound = sum(rng.uniform(0, 1) / k * np.sin(2 * np.pi * base * k * at + rng.uniform(0, 6)) for k in range(1, 9))
        sound = sound + rng.normal(size=count) * 10 ** rng.uniform(-2.5, -0.5)
    elif kind == 4:
        low, high = np.exp(rng.uniform(np.log(100), np.log(6000), 2))
        bent = high if rng.random() < 0.5 else low
        sound = np.sin(2 * np.pi * np.cumsum(np.linspace(low, bent, count)) / RATE)
        sound = sound * (np.sin(2 * np.pi * rng.uniform(0.2, 2) * at) > rng.uniform(-1, 0.8))
    else:
        sound = rng.normal(size=count) * 0.02
        for start in rng.integers(0, count - 800, rng.integers(1, 12)):  # keys, steps, cloth
            sound[start:start + 800] += rng.normal(size=800) * np.exp(-np.arange(800) / rng.uniform(40, 400))
    return torch.from_numpy(np.asarray(sound / max(float(np.abs(sound).max()), 1e-9) * loud)).float()


__all__ = ["ESC_FOLDS", "Recording", "made_noise", "read_recordings"]
