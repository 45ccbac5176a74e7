"""python tests/parity/make_videomae.py FOLDER_OF_VideoMAE FOLDER_OF_VideoMAEv2: keep what the references give.

References: https://github.com/MCG-NJU/VideoMAE at 14ef8d8 and https://github.com/OpenGVLab/VideoMAEv2 at 29eab1e, run
with few narrow layers on small clips. They need timm (any that still has timm.models.registry) and numpy.
"""

from __future__ import annotations

import importlib
import sys
from functools import partial
from pathlib import Path

import fabricate
import torch

NORM = partial(torch.nn.LayerNorm, eps=1e-6)
FINE = {"img_size": 64, "embed_dim": 48, "depth": 2, "num_heads": 3, "qkv_bias": True, "norm_layer": NORM,
        "num_classes": 7, "all_frames": 16, "init_scale": 1.0}
PRE = {"img_size": 64, "encoder_embed_dim": 48, "encoder_depth": 2, "encoder_num_heads": 3, "decoder_embed_dim": 32,
       "decoder_depth": 2, "decoder_num_heads": 2, "qkv_bias": True, "norm_layer": NORM}
GRID = (8, 4, 4)


def masks(masking) -> tuple[torch.Tensor, ...]:
    """Give a tube mask and, where the release has them, a running cell mask, from its own generators."""
    import numpy as np

    np.random.seed(0)
    tube = torch.from_numpy(np.stack([masking.TubeMaskingGenerator(GRID, 0.9)().reshape(-1) for _ in range(2)]))
    if not hasattr(masking, "RunningCellMaskingGenerator"):
        return (tube.bool(),)
    cells = [masking.RunningCellMaskingGenerator(GRID, 0.5)().reshape(-1) for _ in range(2)]
    return tube.bool(), torch.from_numpy(np.stack(cells)).bool()


def keep(case: str, finetune, pretrain, masking, reference: str, **more) -> None:
    """Keep the logits of a fine-tuned network and the predictions of a pretrained one."""
    clip = fabricate.clip(2, 3, 16, 64, 64)
    network = finetune.VisionTransformer(**FINE)
    shapes = fabricate.fill(network)
    with torch.no_grad():
        fabricate.keep(case, reference=reference, shapes=shapes, outputs={"logits": network(clip)})
        network = pretrain.PretrainVisionTransformer(**PRE, **more)
        shapes = fabricate.fill(network)
        chosen = masks(masking)
        seen = network.encoder(clip, chosen[0])
        told = network(clip, *chosen)
    outputs = {"encoded": seen, "told": told[..., ::16]}
    outputs |= dict(zip(("mask", "decoder_mask"), chosen, strict=False))
    fabricate.keep(f"{case}_pretrain", reference=reference, shapes=shapes, outputs=outputs)


first, second = map(Path, sys.argv[1:3])
sys.path.insert(0, str(first))
keep("videomae", *map(importlib.import_module, ("modeling_finetune", "modeling_pretrain", "masking_generator")),
     reference="github.com/MCG-NJU/VideoMAE at 14ef8d8")
sys.path[:2] = [str(second), str(second / "dataset")]
sys.modules.pop("masking_generator")
keep("videomae_v2", *map(importlib.import_module, ("models.modeling_finetune", "models.modeling_pretrain",
                                                   "masking_generator")),
     reference="github.com/OpenGVLab/VideoMAEv2 at 29eab1e", all_frames=16)
