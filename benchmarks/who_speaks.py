"""Who speaks when: diarisation error of films of two rendered talkers who take turns and talk at once.

    python benchmarks/who_speaks.py SPEECH [--films 10] [--model NAME]

SPEECH holds .flac or .wav files whose names begin with the speaker (LibriSpeech's dev). In a film of 10 s the left one
speaks from 0.5 to 5.5 s, the right one from 4.5 to 9.5 s. What is true is what silero-vad says of each clean voice. The
error is missed + false + given to the other one, of all that is spoken, every 10 ms; with and without 0.25 s around
true borders.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from mmvideo import Pipeline
from mmvideo.media import read_audio, write_video
from mmvideo.separation.talkers import film
from mmvideo.sounds.speech import SpeechFinder
from mmvideo.types import Audio

RATE, SECONDS, STEP = 16000, 10.0, 0.01
SPANS = ((0.5, 5.5), (4.5, 9.5))


def on_grid(spans: list[tuple[float, float]]) -> np.ndarray:
    """Return bool (1000,): whether the middle of each 10 ms lies in one of the spans."""
    middles = (np.arange(round(SECONDS / STEP)) + 0.5) * STEP
    return np.array([((middles >= a) & (middles < b)) for a, b in spans] or [middles < 0]).any(0)


def errors(true: np.ndarray, said: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Return missed, false, confused and spoken 10 ms of true and said bool (2, N), as of the NIST rule."""
    true, said = true[:, counted], said[:, counted]
    many, given, right = true.sum(0), said.sum(0), (true & said).sum(0)
    return np.array([(many - given).clip(0).sum(), (given - many).clip(0).sum(),
                     (np.minimum(many, given) - right).sum(), many.sum()])


def main() -> None:
    """Print a line for each collar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path)
    parser.add_argument("--films", type=int, default=10)
    parser.add_argument("--model")
    options = parser.parse_args()
    files: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted([*options.speech.rglob("*.flac"), *options.speech.rglob("*.wav")]):
        files[path.stem.split("-")[0]].append(path)
    random, pipe, totals = np.random.default_rng(0), Pipeline("source-separation", options.model), np.zeros((2, 4))
    for number in range(options.films):
        voices = torch.zeros(2, round(SECONDS * RATE))
        for side, who in enumerate(random.permutation(sorted(files))[:2]):
            a, b = SPANS[side]
            path = files[who][int(random.integers(len(files[who])))]
            part = read_audio(path, sample_rate=RATE, mono=True, end_seconds=b - a).samples[0]
            voices[side, round(a * RATE):round(a * RATE) + len(part)] = part / part.square().mean().sqrt() * 0.05
        true = []
        for voice in voices:
            finder = SpeechFinder(0.0)
            finder.hear(voice)
            true.append(on_grid([(s.start_seconds, s.end_seconds) for s in finder.finish()]))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "turns.mp4"
            frames = np.stack(list(film(list(voices), (2 * number, 2 * number + 1))))
            write_video(path, torch.from_numpy(frames).permute(0, 3, 1, 2), fps=25,
                        audio=Audio(voices.sum(0).clamp(-1, 1)[None], RATE))
            result = pipe(path)
        side_of = {v.number: int(np.nanmean(v.boxes[:, [0, 2]]) > frames.shape[2] / 2)
                   for v in result.tracks if v.has_face}
        said = np.stack([on_grid([(t.start_seconds, t.end_seconds) for t in result.turns
                                  if t.number is not None and side_of.get(t.number) == side]) for side in range(2)])
        truth = np.stack(true)
        near = np.zeros(truth.shape[1], bool)
        for row in truth:
            for edge in np.flatnonzero(np.diff(row.astype(int))):
                near[max(0, edge - 24):edge + 26] = True
        totals += [errors(truth, said, np.ones_like(near)), errors(truth, said, ~near)]
    for name, (missed, false, confused, spoken) in zip(("no collar", "collar 0.25 s"), totals, strict=True):
        print(f"{options.films} films, {name}: error {(missed + false + confused) / spoken:.3f} (missed "
              f"{missed / spoken:.3f}, false {false / spoken:.3f}, the other one {confused / spoken:.3f}) of "
              f"{spoken * STEP:.0f} s spoken")


if __name__ == "__main__":
    main()
