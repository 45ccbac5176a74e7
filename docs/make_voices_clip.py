"""Make mmvideo/embedded/demo/voices.mp4: two drawn people who talk at the same time, with synthesised voices.

    python docs/make_voices_clip.py OUT.mp4

Needs the program `flite` (Debian: apt-get install flite; a permissive licence of Carnegie Mellon University). It is
used to make the clip and is no part of mmvideo.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from mmvideo.media import read_audio, write_audio, write_video
from mmvideo.separation.talkers import film
from mmvideo.types import Audio

RATE = 16000
SECONDS = 10
LINES = (
    ("rms", 0.3, "Good morning. The train to the coast leaves at half past nine, and the tickets are in my coat."),
    ("slt", 2.6, "I wrote the letter yesterday, but nobody has answered. Perhaps we should simply call them again."),
)
"""Voice of flite, second at which it begins, and what it says."""
SEEDS = (5, 4)
LEVEL = 0.07


def voice(name: str, begins: float, text: str) -> torch.Tensor:
    """Return one voice over the whole clip, float32 (S,)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "voice.wav"
        subprocess.run(["flite", "-voice", name, "-t", text, "-o", str(path)], check=True)
        said = read_audio(path, sample_rate=RATE, mono=True).samples[0]
    said = said[:int((SECONDS - begins) * RATE)]
    out = torch.zeros(SECONDS * RATE)
    at = int(begins * RATE)
    out[at:at + len(said)] = said / said.square().mean().sqrt() * LEVEL
    return out


def main() -> None:
    """Write the clip, and the two voices beside it if a second folder is named."""
    voices = [voice(*line) for line in LINES]
    frames = np.stack(list(film(voices, SEEDS)))
    mixture = torch.stack(voices).sum(0)
    write_video(sys.argv[1], torch.from_numpy(frames).permute(0, 3, 1, 2), fps=25,
                audio=Audio(mixture[None].clamp(-1, 1), RATE), crf=23)
    for number, alone in enumerate(voices, 1):
        if len(sys.argv) > 2:
            write_audio(Path(sys.argv[2]) / f"voice-{number}.wav", Audio(alone[None], RATE))


main()
