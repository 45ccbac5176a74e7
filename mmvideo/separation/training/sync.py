"""Learn the matrices of `mmvideo.separation.sync` from clips of one talker each, by canonical correlation analysis.

    python -m mmvideo.separation.training.sync OUT --clips ../shared/data/grid_s1 ../shared/data/grid_more \
        --speech ../shared/data/librispeech/train

Takes about a minute of one core. The clips go through the face stage, so what is learned fits the mouths that it cuts
out; speech without a film is given a drawn talker. Half of the stretches are mixed with another voice.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from mmvideo import weights
from mmvideo.errors import MediaNotFound
from mmvideo.faces import FaceFinder
from mmvideo.media import open_source, read_audio
from mmvideo.separation.clock import FRAME_SAMPLES, SAMPLE_RATE
from mmvideo.separation.sync import BLOCK_ROWS, LipSync, lip_features, sound_features
from mmvideo.separation.talkers import film
from mmvideo.separation.training.bank import grid_clips, voice_files
from mmvideo.types import Audio

_RIDGE = 0.3
"""Added to the variances, which are 1: few talkers are no measure of all."""
_EDGE = 6
"""Rows at the ends of a stretch that are left out."""
Talk = tuple[np.ndarray, np.ndarray]
"""Mouths, uint8 (T, H, W), and sound, float32 (T * 640,)."""


def filmed(folder: str | Path, count: int) -> list[Talk]:
    """Read up to `count` clips of a folder that show one face each; GRID's held-out clips are left out.

    Raises:
        MediaNotFound: no clip shows one face.
    """
    clips = grid_clips(folder, held_out=False)
    found = [talk for clip in clips[::max(1, len(clips) // count)][:count]
             if (talk := _talk(clip)) is not None]
    if not found:
        raise MediaNotFound(f"No clip of {folder} shows one face.")
    return found


def drawn(folder: str | Path, count: int, seconds: float = 6.0) -> list[Talk]:
    """Draw talkers that say what `count` files of a folder say."""
    found = []
    for seed, path in enumerate(voice_files(folder)[::7][:count]):
        said = read_audio(path, sample_rate=SAMPLE_RATE, mono=True, end_seconds=seconds).samples
        frames = np.stack(list(film([said[0]], [seed])))
        talk = _talk(frames, Audio(said, SAMPLE_RATE))
        found += [talk] if talk is not None else []
    return found


def _talk(clip: Path | np.ndarray, audio: Audio | None = None) -> Talk | None:
    with open_source(clip, fps=None if audio is None else 25, audio=audio) as source:
        faces = FaceFinder()(source)
        if len(faces.tracks) != 1:
            return None
        cues = faces.cues(0, faces.num_rows)
        heard = source.audio(sample_rate=SAMPLE_RATE, mono=True)
    mouths, seen = cues.mouths[0, 0].numpy(), cues.valid[0, 0].numpy()
    sound = heard.samples[0].numpy()[max(0, round((faces.start_seconds - heard.start_seconds) * SAMPLE_RATE)):]
    rows = min(len(mouths), len(sound) // FRAME_SAMPLES)
    return (mouths[:rows], sound[:rows * FRAME_SAMPLES]) if seen.mean() > 0.9 and rows > 20 else None


def stretches(groups: Sequence[Sequence[Sequence[Talk]]], count: int, rng: np.random.Generator) -> Iterator[Talk]:
    """Yield stretches of up to 10 s of one person, clips of whom are joined; every other one beside another voice.

    Args:
        groups: people, each a list of clips; every group has the same share.
        count: how many.
        rng: draws them.
    """
    people = [person for group in groups for person in group]
    for number in range(count):
        group = groups[number % len(groups)]
        person = group[int(rng.integers(len(group)))]
        mouths, sound, rows = [], [], 0
        for index in rng.permutation(len(person)):
            mouths.append(person[index][0])
            sound.append(person[index][1] / (person[index][1].std() + 1e-6))
            rows += len(mouths[-1])
            if rows >= BLOCK_ROWS:
                break
        heard = np.concatenate(sound)
        if number // len(groups) % 2:
            other = people[int(rng.integers(len(people)))]
            said = np.concatenate([other[i][1] for i in rng.permutation(len(other))])
            heard = heard + rng.uniform(0.5, 1.2) * np.resize(said / (said.std() + 1e-6), len(heard))
        yield np.concatenate(mouths), heard + rng.uniform(0, 0.05) * rng.standard_normal(len(heard))


def fit_lip_sync(lips: np.ndarray, sound: np.ndarray, components: int = 6) -> LipSync:
    """Return what correlates most: lips (N, K) with sound (N, L)."""
    one, other = (x / (x.std(0) + 1e-6) for x in (lips, sound))
    whiten = [np.linalg.inv(np.linalg.cholesky(x.T @ x / len(x) + _RIDGE * np.eye(x.shape[1]))) for x in (one, other)]
    left, strength, right = np.linalg.svd(whiten[0] @ (one.T @ other / len(one)) @ whiten[1].T)
    net = LipSync(components)
    net.lips.copy_(torch.from_numpy((whiten[0].T @ left / (lips.std(0) + 1e-6)[:, None])[:, :components]))
    net.sound.copy_(torch.from_numpy((whiten[1].T @ right.T / (sound.std(0) + 1e-6)[:, None])[:, :components]))
    net.strength.copy_(torch.from_numpy(strength[:components]))
    return net


def learn_lip_sync(groups: Sequence[Sequence[Sequence[Talk]]], count: int = 120, seed: int = 0) -> LipSync:
    """Fit to `count` stretches of several groups of people (`stretches`)."""
    lips, sound = [], []
    for mouths, heard in stretches(groups, count, np.random.default_rng(seed)):
        lips.append(lip_features(mouths, np.ones(len(mouths), bool))[_EDGE:-_EDGE])
        sound.append(sound_features(heard)[_EDGE:-_EDGE])
    return fit_lip_sync(np.concatenate(lips), np.concatenate(sound))


def _main() -> None:
    """Learn the matrices and write their folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--clips", nargs="+", type=Path, required=True, help="folders, one talker each")
    parser.add_argument("--speech", type=Path, help="folder of speech")
    parser.add_argument("--count", type=int, default=40, help="clips of each folder")
    options = parser.parse_args()
    people = [[[talk] for talk in drawn(options.speech, options.count)]] if options.speech else []
    people += [[filmed(folder, options.count)] for folder in options.clips]
    learn_lip_sync(people).save_pretrained(options.out)
    weights.seal(options.out)


if __name__ == "__main__":
    _main()


__all__ = ["drawn", "filmed", "fit_lip_sync", "learn_lip_sync", "stretches"]
