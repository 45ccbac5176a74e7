"""Voices separated by faces, measured through video files: how much better, whose voice, and with which cue.

The mixtures follow from a seed and from the names of the files, and are written beside the report (mixtures.json).
Held-out LibriSpeech speakers are filmed as rendered talkers; one real talker against himself comes from held-out GRID
clips, two films side by side. Each film goes through the pipeline that serves users. PESQ is wide band (ITU-T
P.862.2); older papers on audio-visual separation state raw narrow-band values, which lie higher.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmvideo.errors import MediaNotFound, MissingExtra, RecipeError
from mmvideo.evaluation.evaluator import Evaluator
from mmvideo.media import read_audio, read_video, write_video
from mmvideo.pipeline import Pipeline
from mmvideo.recipes import options_from
from mmvideo.separation.losses import si_sdr
from mmvideo.separation.talkers import film
from mmvideo.separation.training.bank import grid_clips
from mmvideo.training import checks
from mmvideo.types import Audio

RATE, FPS = 16000, 25
SHIFTS = {"own": 0.0, "early-40": -0.04, "early-80": -0.08, "late-40": 0.04, "late-80": 0.08}
"""Row -> seconds by which the pictures come after the sound."""
ROWS = (*SHIFTS, "stranger", "frozen", "blank", "shut", "no-face", "absent", "audio-only", "same-voice")
ABOUT = {"stranger": "each face moves to words that nobody says", "frozen": "one picture stands still",
         "blank": "grey patches hide both mouths; the faces are marked by hand",
         "shut": "both faces keep their mouths shut while two voices are heard",
         "no-face": "grey pictures, the sound left as it is", "absent": "one voice; the other face is silent",
         "audio-only": "grey pictures, separated by sound alone, best order",
         "same-voice": "two held-out GRID clips of one talker, real faces"}


@dataclass(frozen=True)
class Mixture:
    """One entry of the fixed list."""

    clips: tuple[str, str]
    offsets_seconds: tuple[float, float]
    gains_db: tuple[float, float]
    strangers: tuple[str, str]
    """Whose speech moves the faces in the row "stranger"."""
    seed: int


def mixtures(files: list[Path], num: int, *, seed: int = 0, same: bool = False) -> list[Mixture]:
    """Return the fixed list for these files: different speakers (the folder, or the name before "-") unless `same`."""
    random = np.random.default_rng(seed)
    listed = []
    for number in range(num):
        first = files[random.integers(len(files))]
        others = [f for f in files if f != first and (same or _speaker(f) != _speaker(first))]
        second, *strangers = (others[i] for i in random.permutation(len(others))[:3])
        gain = float(random.uniform(-2.5, 2.5))
        listed.append(Mixture((first.name, second.name), (round(float(random.uniform(0, 1)), 3),) * 2 if not same else
                              (0.0, 0.0), (gain, -gain), tuple(f.name for f in strangers), number))
    return listed


@dataclass(frozen=True)
class SeparationSettings:
    """The options of a config."""

    about: str = ""
    voices: str = ""
    """Folder of held-out speech."""
    faces: str = ""
    """Folder of GRID clips; needed for the row "same-voice" only."""
    weights: str | None = None
    num: int = 50
    """Mixtures a row."""
    seconds: float = 4.0
    """Length of each."""
    rows: tuple[str, ...] = ROWS


def check_separation(raw: dict[str, Any], where: str) -> SeparationSettings:
    """Return the options of a config, checked; neither data nor weights are read.

    Raises:
        RecipeError: an unknown or missing key, or a value of another type.
        UnknownName: an unknown row.
        InvalidInput: a number out of range.
    """
    found = options_from(SeparationSettings, raw, where)
    with checks.locating(where):
        checks.check_names("row", found.rows, ROWS)
        checks.at_least(1, num=found.num, rows=len(found.rows))
        checks.at_least(0.5, seconds=found.seconds)
    if not found.voices:
        raise RecipeError(f"{where}: missing voices, a folder of held-out speech (.flac, .wav).")
    if "same-voice" in found.rows and not found.faces:
        raise RecipeError(f"{where}: missing faces, a folder of GRID clips, which the row 'same-voice' needs.")
    return found


def evaluate_separation(raw: dict[str, Any], *, out: Path, where: str) -> Iterator[dict[str, Any]]:
    """Measure a separator as a config says; write separation.json and mixtures.json into `out`.

    The config's keys are the fields of `SeparationSettings`.

    Yields:
        One report a row: SI-SDRi with mean, median, 10th percentile, share below 0 dB and 95 % interval, SDRi, PESQ,
        STOI, the share of faces whose output is nearer to their own voice, and the real-time factor.

    Raises:
        RecipeError, UnknownName, InvalidInput: as `check_separation`.
        MissingExtra: torchmetrics, pesq or pystoi is not installed.
        MediaNotFound: no speech in the folder.
    """
    asked = check_separation(raw, where)
    rows, judge, seconds, num = asked.rows, judge_of_voices(), asked.seconds, asked.num
    home = Path(asked.voices).expanduser()
    files = sorted(home.rglob("*.flac")) + sorted(home.rglob("*.wav"))
    if not files:
        raise MediaNotFound(f"{where}: {asked.voices!r} holds no .flac or .wav files.")
    out.mkdir(parents=True, exist_ok=True)
    ways = {"mixture": {}, "sound": {}, "marked": {"faces": {"boxes": [84, 113, 236, 265, 404, 113, 556, 265]}}}
    pipes = {way: Pipeline("source-separation", asked.weights, **options,
                           separate={"without_faces": "sound" if way == "sound" else "mixture"})
             for way, options in ways.items()}
    real = grid_clips(asked.faces, held_out=True) if "same-voice" in rows else []
    lists = {"voices": mixtures(files, num),
             "same-voice": mixtures(real, num, same=True) if real else []}
    listed = {kind: [asdict(m) for m in entries] for kind, entries in lists.items()}
    (out / "mixtures.json").write_text(json.dumps(listed, indent=1) + "\n")
    reports = []
    for row in rows:
        pool = {f.name: f for f in (real if row == "same-voice" else files)}
        scores, spent = [], np.zeros(2)
        for mixture in lists["same-voice" if row == "same-voice" else "voices"]:
            pipe = pipes[{"audio-only": "sound", "blank": "marked"}.get(row, "mixture")]
            more, took = _measure(row, mixture, pool, pipe, judge, seconds)
            scores += more
            spent += took
        reports.append({"row": row, **({"about": ABOUT[row]} if row in ABOUT else {}), **summary_of_voices(scores),
                        "real_time_factor": spent[0] / max(1, len(scores) / 2 * seconds),
                        "without_faces": spent[1] / max(1, len(scores) / 2 * seconds)})
        (out / "separation.json").write_text(json.dumps(reports, indent=1) + "\n")
        yield reports[-1]


def _measure(row: str, mixture: Mixture, pool: dict[str, Path], pipe: Pipeline, judge: Any,
             seconds: float) -> tuple[list[dict[str, float]], tuple[float, float]]:
    """Film a mixture, separate it, and judge the voice of each face."""
    targets = torch.stack([_speech(pool[name], at, gain, seconds) for name, at, gain in zip(
        mixture.clips, mixture.offsets_seconds, mixture.gains_db, strict=True)])
    if row == "absent":
        targets[1] = 0
    heard = targets.sum(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "talkers.mp4"
        frames = _pictures(row, mixture, pool, targets, seconds)
        sound = Audio(heard.clamp(-1, 1)[None], RATE, start_seconds=-SHIFTS.get(row, 0.0))
        write_video(path, torch.from_numpy(frames).permute(0, 3, 1, 2), fps=FPS, audio=sound)
        result = pipe(path)
        timings = dict(result.timings.stages)
        spent = result.timings.total_seconds, timings.get("separate", 0.0)
        start = round((-SHIFTS.get(row, 0.0) - result.mixture.start_seconds) * RATE)
        taken = [s.read(start, start + len(heard)) for s in (result.mixture, *(v.sound for v in result.tracks))]
        middles = [float(np.nanmean(v.boxes[:, [0, 2]])) if v.has_face else None for v in result.tracks]
    mixed, voices = taken[0], taken[1:]
    outputs = _by_person(voices, middles, frames.shape[2], mixed, targets if row == "audio-only" else None)
    if row == "shut":  # what a face that says nothing is given should be silence, whoever is heard
        targets = torch.zeros_like(targets)
    return [judge(outputs[p], targets, p, mixed) for p in range(2)], spent


def _by_person(voices: list[Tensor], middles: list[float | None], width: int, mixed: Tensor,
               order_by: Tensor | None) -> list[Tensor]:
    """Return the voice of the left and of the right person; the mixture for one who was not found."""
    if order_by is not None and len(voices) == 2:
        straight, swapped = (si_sdr(torch.stack(order), order_by).sum() for order in (voices, voices[::-1]))
        return voices if straight >= swapped else voices[::-1]
    found = [mixed, mixed]
    for voice, middle in zip(voices, middles, strict=True):
        if middle is not None:
            found[int(middle > width / 2)] = voice
    return found


def _pictures(row: str, mixture: Mixture, pool: dict[str, Path], targets: Tensor, seconds: float) -> np.ndarray:
    """Return uint8 (T, H, W, 3)."""
    count = round(seconds * FPS)
    if row in ("no-face", "audio-only"):
        return np.full((count, 240, 320, 3), 128, np.uint8)
    if row == "same-voice":
        films = [read_video(pool[name], end_seconds=seconds + 1).frames for name in mixture.clips]
        films = [torch.cat((f, f[-1:].expand(max(0, count - len(f)), -1, -1, -1)))[:count] for f in films]
        return torch.cat(films, 3).permute(0, 2, 3, 1).numpy()
    moves = targets
    if row == "stranger":
        moves = torch.stack([_speech(pool[name], 0.3, 0.0, seconds) for name in mixture.strangers])
    if row == "shut":
        moves = torch.zeros_like(targets)
    frames = np.stack(list(film(list(moves), (2 * mixture.seed, 2 * mixture.seed + 1))))[:count]
    if row == "frozen":
        frames[:] = frames[count // 3]
    if row == "blank":
        height, width = frames.shape[1:3]
        for middle in (width // 4, width * 3 // 4):
            frames[:, height - 152:height - 76, middle - 48:middle + 48] = 128
    return frames


def _speech(path: Path, at: float, gain_db: float, seconds: float) -> Tensor:
    """Read a stretch at -26 dB of full scale and a gain; shorter speech is followed by silence."""
    samples = read_audio(path, sample_rate=RATE, mono=True).samples[0]
    count = round(seconds * RATE)
    start = min(round(at * RATE), max(0, len(samples) - count))
    samples = samples[start:start + count]
    samples = samples / samples.square().mean().sqrt().clamp_min(1e-6) * 0.05 * 10 ** (gain_db / 20)
    return torch.nn.functional.pad(samples, (0, count - len(samples)))


def judge_of_voices() -> Any:
    """Return what scores one output, with the measures of torchmetrics, pesq and pystoi."""
    try:
        from pesq import NoUtterancesError, pesq
        from pystoi import stoi
        from torchmetrics.functional.audio import signal_distortion_ratio as sdr
    except ImportError as error:
        raise MissingExtra("torchmetrics, pesq and pystoi", "separation", "measuring separated voices") from error

    def judge(output: Tensor, targets: Tensor, person: int, mixed: Tensor) -> dict[str, float]:
        target = targets[person]
        level = 10 * torch.log10((output.square().mean() + 1e-12) / (mixed.square().mean() + 1e-12))
        if not target.any():
            return {"absent_db": float(level)}
        if not targets[1 - person].any():  # the mixture is this voice alone: nothing to improve
            return {"si_sdr": float(si_sdr(output, target)), "stoi": float(stoi(target.numpy(), output.numpy(), RATE))}
        own, other = si_sdr(output, target), si_sdr(output, targets[1 - person])
        score = {"si_sdri": float(own - si_sdr(mixed, target)), "sdri": float(sdr(output, target) - sdr(mixed, target)),
                 "stoi": float(stoi(target.numpy(), output.numpy(), RATE)), "right": float(own > other),
                 "level_db": float(level)}
        with suppress(NoUtterancesError):  # pesq hears no speech in the output: left out of the mean
            score["pesq_wb"] = float(pesq(RATE, target.numpy(), output.numpy(), "wb"))
        return score

    return judge


def summary_of_voices(scores: list[dict[str, float]]) -> dict[str, Any]:
    """Return the row's figures; the interval is a bootstrap over outputs."""
    gains = np.array([s["si_sdri"] for s in scores if "si_sdri" in s])
    found: dict[str, Any] = {"outputs": len(gains)}
    if len(gains):
        drawn = np.random.default_rng(0).choice(gains, (2000, len(gains))).mean(1)
        low, high = np.percentile(drawn, (2.5, 97.5))
        found |= {"si_sdri": gains.mean(), "low": low, "high": high, "median": np.median(gains),
                  "p10": np.percentile(gains, 10), "below_0": (gains < 0).mean()}
    for key in ("sdri", "pesq_wb", "stoi", "right", "level_db", "si_sdr", "absent_db"):
        values = [s[key] for s in scores if key in s]
        if values:
            found[key] = np.mean(values)
    return {key: round(float(v), 4) if not isinstance(v, int) else v for key, v in found.items()}


def _speaker(path: Path) -> str:
    return path.parent.name if "-" not in path.stem else path.stem.split("-")[0]


EVALUATOR = Evaluator(evaluate_separation, check_separation)

__all__ = ["EVALUATOR", "ROWS", "Mixture", "evaluate_separation", "judge_of_voices", "mixtures",
           "summary_of_voices"]
