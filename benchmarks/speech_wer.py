"""Word error rate of `transcription` beside that of transformers' pipeline, on the same weights and utterances.

    python benchmarks/speech_wer.py whisper-base librispeech/ references.tsv
    python benchmarks/speech_wer.py whisper-base librispeech/ references.tsv --joined

References are lines of an utterance's id, a tab, and its words; an utterance is found as ID.flac below the folder. With
`--joined` the utterances of each speaker are one long sound, with a second of silence between two.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

from mmvideo import Pipeline
from mmvideo.media import read_audio, write_audio
from mmvideo.types import Audio

RATE = 16_000
NORMAL = EnglishTextNormalizer({})


def errors(reference: Sequence[str], heard: Sequence[str]) -> int:
    """Return how many words are wrong, left out or put in."""
    row = list(range(len(heard) + 1))
    for n, word in enumerate(reference, 1):
        before, row[0] = row[0], n
        for k, other in enumerate(heard, 1):
            before, row[k] = row[k], min(row[k] + 1, row[k - 1] + 1, before + (word != other))
    return row[-1]


def samples_of(path: Path) -> np.ndarray:
    """Return a sound, one channel at 16 kHz."""
    return read_audio(path, sample_rate=RATE, mono=True).samples[0].numpy()


def _order(path: Path) -> tuple[str, str]:
    """Sort by the last number of a name first, so that any beginning holds all speakers."""
    return path.stem.rpartition("-")[2], path.stem


def clips_of(folder: Path, references: Path, joined: bool, home: Path) -> list[tuple[Path, str]]:
    """Return sounds and what is said in each."""
    said = dict(line.split("\t", 1) for line in references.read_text().splitlines() if line.strip())
    files = sorted((path for path in folder.rglob("*.flac") if path.stem in said), key=_order)
    if not joined:
        return [(path, said[path.stem]) for path in files]
    speakers: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        speakers[path.stem.partition("-")[0]].append(path)
    found = []
    for name, own in speakers.items():
        parts = [part for path in own for part in (samples_of(path), np.zeros(RATE, np.float32))]
        write_audio(home / f"{name}.wav", Audio(torch.from_numpy(np.concatenate(parts))[None], RATE))
        found.append((home / f"{name}.wav", " ".join(said[path.stem] for path in own)))
    return found


def told(name: str, rows: Sequence[dict]) -> None:
    """Print word error rate with its interval over sounds, and the processor seconds."""
    wrong = np.array([errors(NORMAL(row["said"]).split(), NORMAL(row[name]).split()) for row in rows])
    words = np.array([len(NORMAL(row["said"]).split()) for row in rows])
    drawn = np.random.default_rng(0).integers(0, len(rows), (2000, len(rows)))
    low, high = np.quantile(wrong[drawn].sum(1) / words[drawn].sum(1), (0.025, 0.975))
    print(f"{name}: {wrong.sum()} of {words.sum()} words, {wrong.sum() / words.sum():.2%} ({low:.2%} to {high:.2%}), "
          f"{len(rows)} sounds, {sum(row[f'{name} seconds'] for row in rows):.1f} s of one core", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("references", type=Path)
    parser.add_argument("--joined", action="store_true")
    parser.add_argument("--beams", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="a file of JSON Lines that a later run goes on from")
    given = parser.parse_args()
    torch.set_num_threads(1)
    keep = given.keep or Path(tempfile.mkdtemp(), "rows.jsonl")
    rows = [json.loads(line) for line in keep.read_text().splitlines()] if keep.exists() else []
    done = {row["id"] for row in rows}
    ours = Pipeline("transcription", given.model, num_beams=given.beams)
    theirs = transformers.pipeline("automatic-speech-recognition", given.model, device="cpu")
    long = {"return_timestamps": True} if given.joined else {}  # as transformers wants it above 30 s
    hear: dict[str, Callable[[Path], str]] = {
        "mmvideo": lambda path: ours(path).text,
        "transformers": lambda path: theirs({"raw": samples_of(path), "sampling_rate": RATE}, **long,
                                            generate_kwargs={"num_beams": given.beams})["text"]}
    with tempfile.TemporaryDirectory() as home, keep.open("a") as file:
        for path, said in clips_of(given.folder, given.references, given.joined, Path(home)):
            if path.stem in done:
                continue
            row: dict = {"id": path.stem, "said": said}
            for name, listen in hear.items():
                began = time.process_time()
                row[name] = listen(path)
                row[f"{name} seconds"] = time.process_time() - began
            rows.append(row)
            print(json.dumps(row), file=file, flush=True)
    for name in hear:
        told(name, rows)
    differ = [row for row in rows if NORMAL(row["mmvideo"]) != NORMAL(row["transformers"])]
    print(f"{len(differ)} of {len(rows)} differ")
    for row in differ:
        print(f"{row['id']}\n  mmvideo      {row['mmvideo']}\n  transformers {row['transformers']}")


if __name__ == "__main__":
    main()
