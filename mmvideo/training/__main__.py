"""`python -m mmvideo.training CONFIG`: run a training recipe; running it again continues it."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from mmvideo.training.recipes import run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mmvideo.training", description=__doc__)
    parser.add_argument("config", type=Path, help="a file such as configs/train/toybox-perception.yaml")
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/<name of the config>)")
    parser.add_argument("--steps", type=int, help="another length than the config's")
    parser.add_argument("--threads", type=int, help="CPU threads")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    run(options.config, out=options.out, steps=options.steps)


main()
