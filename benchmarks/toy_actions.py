"""What toys do, on films of a split: python benchmarks/toy_actions.py runs/toybox-actions/head --films 16 --split test

frame-mAP and video-mAP at 0.5 of a head that `mmvideo train train/toybox-actions` wrote, over the true boxes.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from mmvideo.localization.features import FeatureSpec
from mmvideo.localization.roi_head import RoIHead
from mmvideo.toybox.films import film_actions
from mmvideo.toybox.training.actions import actions_measured, toy_samples
from mmvideo.toybox.training.localizer import FilmFeatures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("head", type=Path)
    parser.add_argument("--films", type=int, default=16)
    parser.add_argument("--split", default="test")
    parser.add_argument("--features", type=Path, help="folder in which features of films are kept")
    given = parser.parse_args()
    torch.set_num_threads(1)
    head = RoIHead.from_pretrained(given.head).float().eval()
    store = FilmFeatures(given.features or Path(tempfile.mkdtemp()), FeatureSpec("toybox-qa"))
    judged = []
    for index in range(given.films):
        seconds = film_actions(index, split=given.split)
        with torch.inference_mode():
            judged.append((seconds, toy_samples(store.film(index, given.split, "easy"), seconds, head)[0]))
    told = sum(len(one.actions) for seconds, _ in judged for one in seconds)
    print(f"{given.films} films of {given.split}, {sum(len(seconds) for seconds, _ in judged)} toys in a second, "
          f"{told} actions")
    for name, value in actions_measured(judged, head).items():
        print(f"{name}: {value:.3f}")


if __name__ == "__main__":
    main()
