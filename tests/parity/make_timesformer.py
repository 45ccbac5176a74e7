"""python tests/parity/make_timesformer.py FOLDER_OF_TimeSformer: keep what the release gives on fabricated weights.

Reference: https://github.com/facebookresearch/TimeSformer at a5ef29a (CC-BY-NC-4.0). It needs einops; `vit.py` is
loaded alone, because the rest of its package imports what current torch no longer has.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from functools import partial

import fabricate
import torch

folder = sys.argv[1]
for name in ("timesformer", "timesformer.models", "timesformer.models.vit_utils", "timesformer.models.helpers",
             "timesformer.models.build"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["timesformer.models"].__path__ = [f"{folder}/timesformer/models"]
utils = sys.modules["timesformer.models.vit_utils"]
utils.IMAGENET_DEFAULT_MEAN = utils.IMAGENET_DEFAULT_STD = (0.5,) * 3
utils.DropPath, utils.to_2tuple = torch.nn.Identity, lambda x: (x, x)
utils.trunc_normal_ = torch.nn.init.trunc_normal_
sys.modules["timesformer.models.helpers"].load_pretrained = None
sys.modules["timesformer.models.build"].MODEL_REGISTRY = types.SimpleNamespace(register=lambda: lambda cls: cls)
spec = importlib.util.spec_from_file_location("timesformer.models.vit", f"{folder}/timesformer/models/vit.py")
vit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(vit)

for ours, theirs in (("divided", "divided_space_time"), ("joint", "joint_space_time"), ("space", "space_only")):
    network = torch.nn.Module()
    network.model = vit.VisionTransformer(
        img_size=48, num_classes=10, embed_dim=96, depth=3, num_heads=4, qkv_bias=True, num_frames=4, drop_path_rate=0,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), attention_type=theirs)
    shapes = fabricate.fill(network)
    with torch.no_grad():
        logits = network.model(fabricate.clip(2, 4, 3, 48, 48).transpose(1, 2))
    fabricate.keep(f"timesformer_{ours}", reference="github.com/facebookresearch/TimeSformer at a5ef29a",
                   shapes=shapes, outputs={"logits": logits})
