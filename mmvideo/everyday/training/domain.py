"""Fit the judge of what a picture is, and measure how many pictures of each kind it flags.

    python -m mmvideo.everyday.training.domain ../shared/data --out mmvideo/embedded/scene-and-objects/domain

Inside are photographs of Flickr8k's train split, as they are and worsened, frames of one GRID talker and of two films
of the sky; outside are pictures of `pictures.TRAINING`. Tested on test photographs and on other kinds
(`pictures.TESTING`).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo import media, weights
from mmvideo.encoders import zoo
from mmvideo.errors import MediaNotFound
from mmvideo.everyday.domain import KINDS, EverydayDomain
from mmvideo.everyday.training import pictures
from mmvideo.everyday.training.flickr_pictures import photographs
from mmvideo.sampling.segments import segments

DECAY = 1e-3
_FRAMES = 6


class Extractor:
    """Pooled features of pictures of any size, which are brought to 224x224 by their areas."""

    def __init__(self) -> None:
        self.network: Any = zoo.load(weights.folder("lite0"))

    @torch.inference_mode()
    def __call__(self, pixels: np.ndarray | Tensor) -> Tensor:
        """Return (1280,) of uint8 (H, W, 3), or of (3, H, W) where it is a tensor."""
        frame = pixels if isinstance(pixels, Tensor) else torch.from_numpy(pixels.copy()).permute(2, 0, 1)
        return self.network(squashed(frame[None])[:, None]).pooled[0]


def squashed(frames: Tensor) -> Tensor:
    """Return uint8 (M, 3, 224, 224) of uint8 (M, 3, H, W): the whole frame, whatever its shape."""
    side = pictures.SIDE
    if frames.shape[-2:] == (side, side):
        return frames
    return F.interpolate(frames.float(), (side, side), mode="area").round().to(torch.uint8)


def training_features(folder: Path, num: int, rng: random.Random) -> dict[str, Tensor]:
    """Return kind -> features float (M, 1280): `num` of each kind made, 3 and 4 `num` photographs, and films."""
    see, found = Extractor(), {}
    photos = [pixels for _, pixels in photographs(folder / "flickr8k", "train")]
    makers = {**pictures.TRAINING, **{f"worsened {i}": pictures.worsened for i in range(4)},
              **{f"photo {i}": lambda _, photo: photo for i in range(3)}}
    for name, maker in makers.items():
        found[name] = torch.stack([see(maker(rng, rng.choice(photos))) for _ in range(num)])
    films = sorted((folder / "grid_s1").rglob("*.mp4"))
    films = rng.sample(films, min(60, len(films))) + sorted((folder / "sky").rglob("*.mp4"))[:2]
    if not films:
        raise MediaNotFound(f"{folder} has no films in grid_s1 or sky.")
    found["film"] = torch.cat([film_features(see, film) for film in films])
    return found


def film_features(see: Extractor, path: Path) -> Tensor:
    """Return features (6, 1280) of frames spread over a film."""
    frames = segments(media.open_source(path), num_clips=1, num_frames=_FRAMES).frames[0]
    return torch.stack([see(frame) for frame in frames])


def testing_features(folder: Path, num: int, rng: random.Random) -> dict[str, Tensor]:
    """Return kind -> features of test photographs, as they are and worsened, and of pictures of all kinds."""
    see = Extractor()
    photos = [pixels for _, pixels in photographs(folder / "flickr8k", "test")]
    found = {"photo": torch.stack([see(pixels) for pixels in photos[: 4 * num]])}
    for name, maker in {"worsened": pictures.worsened, **pictures.TRAINING, **pictures.TESTING}.items():
        found[name] = torch.stack([see(maker(rng, rng.choice(photos))) for _ in range(num)])
    return found


def fit_judge(features: Mapping[str, Tensor], *, decay: float = DECAY) -> EverydayDomain:
    """Fit the judge: logistic regression, half of the weight on pictures of a camera, the rest even over other kinds.

    Args:
        features: kind of picture -> (M, 1280); kinds that `pictures.REASONS` does not know are a camera's.
    """
    x = torch.cat([rows.float() for rows in features.values()])
    y = torch.cat([torch.full((len(rows),), KINDS.index(pictures.REASONS.get(name, "camera")))
                   for name, rows in features.items()])
    judge, root = EverydayDomain(dim=x.shape[1]), x.sqrt()
    judge.mean.copy_(root[y == 0].mean(0))
    judge.spread.copy_(root.std(0).clamp_min(1e-2))
    counts = torch.bincount(y, minlength=len(KINDS)).float()
    shares = torch.full((len(KINDS),), 0.5 / (len(KINDS) - 1))
    shares[0] = 0.5
    each = (shares / counts.clamp_min(1))[y]
    solver = torch.optim.LBFGS(judge.kind.parameters(), max_iter=150, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        value = (F.cross_entropy(judge.logits(x), y, reduction="none") * each).sum()
        value = value + decay * judge.kind.weight.square().sum()
        value.backward()
        return value

    solver.step(loss)
    return judge.eval()


def flagged(judge: EverydayDomain, features: Mapping[str, Tensor]) -> dict[str, list[float]]:
    """Return kind -> share of pictures outside, and their number."""
    with torch.inference_mode():
        return {name: [round(1 - float(judge(rows)[1].float().mean()), 4), len(rows)]
                for name, rows in features.items()}


def _main() -> None:
    """Make pictures, fit, write, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with flickr8k, grid_s1 and sky")
    parser.add_argument("--num", type=int, default=240, help="Pictures of each kind.")
    parser.add_argument("--features", type=Path, help="File that keeps the features between runs.")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.manual_seed(0)
    if options.features and options.features.is_file():
        kept = torch.load(options.features, weights_only=True)
    else:
        kept = {"train": training_features(options.folder, options.num, random.Random("train")),
                "test": testing_features(options.folder, options.num // 4, random.Random("test"))}
        if options.features:
            torch.save(kept, options.features)
    judge = fit_judge(kept["train"])
    if options.out:
        judge.save_pretrained(options.out, half=True)
        weights.seal(options.out.parent)
    sys.stdout.write(json.dumps(flagged(judge, kept["test"]), indent=1) + "\n")


if __name__ == "__main__":
    _main()
