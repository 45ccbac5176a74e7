"""Networks of https://github.com/facebookresearch/SlowFast at 287ec00 (Apache-2.0), for the scripts `make_<family>.py`.

Only the models are imported; what their files import besides and never use here (detection, losses) is left empty.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import MagicMock

from torch import nn

ABOUT = "github.com/facebookresearch/SlowFast at 287ec00"
UNUSED = ("detectron2", "detectron2.layers", "pytorchvideo.losses", "pytorchvideo.losses.soft_target_cross_entropy",
          "slowfast.utils.logging", "slowfast.utils.distributed", "slowfast.models.contrastive",
          "slowfast.models.ptv_model_builder", "slowfast.models.custom_video_model_builder")


def build(config: str, changes: list, depths: dict[int, tuple[int, ...]] | None = None) -> nn.Module:
    """Build the network of one of its configs, such as Kinetics/X3D_XS.

    Args:
        config: its path under `configs`.
        changes: options that are changed: name, value, name, ...
        depths: further depths of ResNets, as blocks of each stage.
    """
    for name in UNUSED:
        sys.modules.setdefault(name, MagicMock(__path__=[], __spec__=None))
    import slowfast
    from slowfast.config.defaults import get_cfg
    from slowfast.models import MODEL_REGISTRY, video_model_builder

    video_model_builder._MODEL_STAGE_DEPTH.update(depths or {})
    cfg = get_cfg()
    cfg.merge_from_file(str(Path(slowfast.__file__).parents[1] / "configs" / f"{config}.yaml"))
    cfg.merge_from_list(["NUM_GPUS", 0, *changes])
    return MODEL_REGISTRY.get(cfg.MODEL.MODEL_NAME)(cfg).eval()
