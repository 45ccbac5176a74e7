"""python tests/parity/make_movinet.py FOLDER...: keep what the reference gives on fabricated weights.

Reference: https://github.com/Atze00/MoViNet-pytorch at c2d1edf (MIT); folders are its checkout and, if they are not
installed, the packages fvcore, iopath, yacs and einops. Its `tf_like` networks are the ones its weights are for.
"""

from __future__ import annotations

import json
import sys

import fabricate
import torch

sys.path.extend(sys.argv[1:])
from movinets import MoViNet
from movinets.config import _C

from mmvideo.encoders import movinet
from mmvideo.nn.checkpoints import renamed_tensors

ABOUT = "github.com/Atze00/MoViNet-pytorch at c2d1edf"


def reference(arch: str, *, stream: bool) -> torch.nn.Module:
    config = getattr(_C.MODEL, f"MoViNet{arch.upper()}")
    return MoViNet(config, causal=stream, conv_type="2plus1d" if stream else "3d", tf_like=True)


clip = fabricate.clip(1, 3, 6, 86, 86)
for stream in (False, True):
    network = reference("a0", stream=stream)
    shapes = fabricate.fill(network)
    with torch.no_grad():
        outputs = {"logits": network(clip)}
        if stream:
            network.clean_activation_buffers()
            outputs["after"] = torch.cat([network(clip[:, :, i : i + 1]) for i in range(clip.shape[2])])
    fabricate.keep(f"movinet_a0_{'stream' if stream else 'base'}", reference=ABOUT, shapes=shapes, outputs=outputs)

members = {}
for arch in movinet.RELEASES:
    for stream in (False, True):
        with torch.device("meta"):
            tensors = reference(arch, stream=stream).state_dict()
        ours = renamed_tensors(tensors, movinet.MoViNet.CHECKPOINTS["movinet-pytorch"])
        members[f"movinet-{arch}-{'stream' if stream else 'base'}"] = fabricate.digest(ours)
(fabricate.HERE / "movinet_members.json").write_text(json.dumps({"reference": ABOUT, "members": members}) + "\n")
