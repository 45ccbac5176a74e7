"""C3D against the port of the authors' release: same weights, same clip."""

from __future__ import annotations

import fabricate
import torch

from mmvideo.encoders.c3d import C3D


def test_c3d_gives_what_the_port_of_the_release_gives() -> None:
    weights, golden = fabricate.golden("c3d")
    encoder = C3D.create("c3d-sports1m").load_tensors(weights)
    with torch.inference_mode():
        logits = encoder.classify(encoder.encode(fabricate.clip(1, 3, 16, 112, 112).transpose(1, 2)))
    assert fabricate.difference(logits, golden["logits"]) < 1e-4
