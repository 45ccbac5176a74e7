"""`python -m mmvideo.training CONFIG`: run a training recipe; running it again continues it."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from mmvideo.errors import MmvideoError
from mmvideo.training import recipes


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mmvideo.training", description=__doc__)
    parser.add_argument("config", help="a config (`mmvideo list configs`) or a .yaml file")
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/<name of the config>)")
    parser.add_argument("--steps", type=int, help="another length than the config's")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--accept-changes", action="store_true", help="go on although the rate or the like changed")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    try:
        recipes.run_training(options.config, out=options.out, steps=options.steps,
                             accept_changes=options.accept_changes)
    except MmvideoError as error:
        sys.stderr.write(f"mmvideo: {error}\n")
        sys.exit(error.exit_code)


_main()
