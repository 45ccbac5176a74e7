"""Trainer `camera-motion`, as the registry holds it."""

from __future__ import annotations

from mmvideo.camera_motion.training.train import OPTIONS, run
from mmvideo.training.trainer import Trainer

TRAINER = Trainer(run, options=OPTIONS, begin_with=("init", "."))

__all__ = ["TRAINER"]
