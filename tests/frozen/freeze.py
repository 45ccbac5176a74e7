"""Write down what the embedded models give on the bundled clips, or compare with what was written down.

    python tests/frozen/freeze.py write tests/frozen/embedded.json      # after a change of the models
    python tests/frozen/freeze.py compare FILE     # every bit: same machine, threads and torch

A restructuring must not change a bit: write before it, compare after it. The test compares words and numbers to 1e-4,
as other processors add in another order.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmvideo import Pipeline
from mmvideo.hooks import Hook

CLIPS = Path(__file__).resolve().parents[2] / "mmvideo" / "embedded" / "demo"
QUESTIONS = ("what happens next?", "what color is the ball?", "how does the camera move?", "does the ball bounce?",
             "which object moves first?", "what is heard?")
TENSORS = ("frames", "audio", "tokens", "pooled", "embeddings", "mouths", "waveforms", "probabilities")


class Watching(Hook):
    """Keep what is needed to compare the tensors that stages, encoders and projectors give."""

    def __init__(self, pipe: Pipeline) -> None:
        self.seen: dict[str, dict[str, Any]] = {}
        for part, module in (pair for _, stage in pipe.stages for pair in stage.modules().items()):
            if part in ("encoder", "projector"):
                name = "features" if part == "encoder" else "embeddings"
                module.register_forward_hook(lambda _, __, out, name=name: self.after("", {name: out}, 0.0))

    def after(self, stage: str, given: Mapping[str, Any], seconds: float) -> None:
        """Look at every tensor, also inside dataclasses, one level deep."""
        for name, value in given.items():
            parts = {name: value} if isinstance(value, Tensor) else {
                f"{name}.{part}": getattr(value, part, None) for part in TENSORS}
            for part, tensor in parts.items():
                if isinstance(tensor, Tensor):
                    self.seen[part] = summary(tensor)


def summary(tensor: Tensor) -> dict[str, Any]:
    """Return shape, mean, mean size and SHA-256 of the bytes."""
    values = tensor.detach().cpu().contiguous()
    real = torch.view_as_real(values) if values.is_complex() else values
    return {"shape": list(values.shape), "mean": float(real.double().mean()), "size": float(real.double().abs().mean()),
            "sha256": hashlib.sha256(real.numpy().tobytes()).hexdigest()}


def plain(result: Any) -> dict[str, Any]:
    """Return what a result says, without times, places and versions."""
    kept = result.to_dict()
    return {name: value for name, value in kept.items()
            if name in ("text", "label", "labels", "confidence", "segments", "seconds_looked_at", "question", "usage",
                        "finished")}


def everything() -> dict[str, Any]:
    """Run every embedded model on its bundled clip."""
    found: dict[str, Any] = {}
    for name, clip, text in (("video-qa", "toybox.mp4", list(QUESTIONS)), ("video-captioning", "toybox.mp4", None),
                             ("video-classification", "toybox.mp4", None), ("video-qa", "voices.mp4", list(QUESTIONS)),
                             ("video-classification", "voices.mp4", None)):
        pipe = Pipeline(name, "camera-motion" if name == "video-classification" else "toybox-qa", device="cpu")
        watching = Watching(pipe)
        results = pipe(CLIPS / clip, text, hook=watching)
        found[f"{name} {clip}"] = {"results": [plain(one) for one in (results if text else [results])],
                                   "tensors": watching.seen}
    with Pipeline("source-separation", device="cpu").open(CLIPS / "voices.mp4") as session:
        voices = session.finish()
        found["source-separation voices.mp4"] = {
            "confidence": [track.confidence for track in voices.tracks],
            "tensors": {name: summary(sound.whole().samples) for name, sound in [
                ("off screen", voices.off_screen), *((f"voice {t.number}", t.sound) for t in voices.tracks)]}}
    return found


def differences(a: Any, b: Any, where: str = "", *, tolerance: float | None = None) -> list[str]:
    """List where two findings differ; with a tolerance, hashes are left out and numbers may differ by so much."""
    if isinstance(a, dict) and isinstance(b, dict):
        found = [f"{where}: {name} is only in one of them" for name in sorted(a.keys() ^ b.keys())]
        for name in a.keys() & b.keys():
            if not (tolerance is not None and name == "sha256"):
                found += differences(a[name], b[name], f"{where}/{name}", tolerance=tolerance)
        return found
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [line for number, (x, y) in enumerate(zip(a, b, strict=True))
                for line in differences(x, y, f"{where}/{number}", tolerance=tolerance)]
    if tolerance is not None and isinstance(a, int | float) and isinstance(b, int | float):
        return [] if abs(a - b) <= tolerance * max(1.0, abs(a)) else [f"{where}: {a} and {b}"]
    return [] if a == b else [f"{where}: {a!r} and {b!r}"]


def main() -> None:
    """Write or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("write", "compare"))
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    found = json.loads(json.dumps(everything()))
    if options.what == "write":
        options.file.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        return
    wrong = differences(json.loads(options.file.read_text()), found)
    print("\n".join(wrong) or "every bit is the same")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
