"""python tests/parity/make_actionformer.py FOLDER: keep what the reference gives on fabricated weights.

Reference: https://github.com/happyharrycn/actionformer_release (MIT); FOLDER is its checkout.
"""

from __future__ import annotations

import importlib
import sys
import types

import fabricate
import torch

sys.path.append(sys.argv[1])
for name in ("libs", "libs.modeling", "libs.utils"):  # their __init__ import a compiled NMS, which is not needed
    module = types.ModuleType(name)
    module.__path__ = [f"{sys.argv[1]}/{name.replace('.', '/')}"]
    sys.modules[name] = module
sys.modules["libs.utils"].batched_nms = None
for name in ("blocks", "backbones", "necks", "loc_generators"):
    importlib.import_module(f"libs.modeling.{name}")
PtTransformer = importlib.import_module("libs.modeling.meta_archs").PtTransformer

ABOUT = "github.com/happyharrycn/actionformer_release at {}".format(sys.argv[2] if len(sys.argv) > 2 else "HEAD")
TRAIN = {"center_sample": "radius", "center_sample_radius": 1.5, "loss_weight": 1.0, "cls_prior_prob": 0.01,
         "dropout": 0.0, "droppath": 0.1, "label_smoothing": 0.0, "head_empty_cls": [], "init_loss_norm": 100}
TEST = {"pre_nms_thresh": 0.001, "pre_nms_topk": 2000, "iou_threshold": 0.1, "min_score": 0.001, "max_seg_num": 200,
        "nms_method": "none", "duration_thresh": 0.05, "multiclass_nms": True, "nms_sigma": 0.5, "voting_thresh": 0.7}
network = PtTransformer(
    "convTransformer", "identity", (2, 1, 3), 2, 24, 288, 6.0, 4, 19, 3, 32, True, 32, True, 0, 32,
    [(0, 4), (4, 8), (8, 16), (16, 10000)], 3, 3, True, False, False, 5, TRAIN, TEST)
network.eval()
shapes = fabricate.fill(network)
features = fabricate.tensor("features", (1, 24, 100))
seen = {}
network.inference = lambda videos, points, masks, logits, offsets: seen.update(
    {f"{kind}.{level}": one for kind, parts in (("logits", logits), ("offsets", offsets), ("masks", masks))
     for level, one in enumerate(parts)}, points=torch.cat(tuple(points)))
segments = torch.tensor([[2.0, 5.0], [10.0, 30.0], [12.0, 14.5], [60.0, 99.0]])
labels = torch.tensor([0, 1, 4, 2])
with torch.no_grad():
    network([{"feats": features[0]}])
    targets, offsets = network.label_points_single_video(seen["points"], segments.clone(), labels)
    losses = network.losses([seen[f"masks.{level}"] for level in range(4)],
                            [seen[f"logits.{level}"] for level in range(4)],
                            [seen[f"offsets.{level}"] for level in range(4)], [targets.clone()], [offsets])
    found = PtTransformer.inference_single_video(
        network, [seen["points"][first:last] for first, last in ((0, 288), (288, 432), (432, 504), (504, 540))],
        [seen[f"masks.{level}"][0] for level in range(4)], [seen[f"logits.{level}"][0] for level in range(4)],
        [seen[f"offsets.{level}"][0] for level in range(4)])
outputs = {name: one.float() for name, one in seen.items()}
outputs |= {"targets": targets, "target_offsets": offsets, "segments": found["segments"], "scores": found["scores"],
            "labels": found["labels"].float(), "cls_loss": losses["cls_loss"], "reg_loss": losses["reg_loss"]}
fabricate.keep("actionformer", reference=ABOUT, shapes=shapes, outputs=outputs)
