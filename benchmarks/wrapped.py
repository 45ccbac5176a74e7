"""python benchmarks/wrapped.py [FAMILY ...] [--runs 5] [--fused]: wrapped networks over the library's own call.

Each encoder that wraps a network of torchvision, timm or transformers runs in turn with the same network built by the
library, on the same normalised input, one thread, random weights, up to the logits. Transformers have 4 layers here, so
that a round takes seconds. Printed: the medians over neighbouring runs of ours / theirs, in CPU time (other work on the
machine counts less) and in wall time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from mmvideo.encoders import zoo
from mmvideo.evaluation.profile import kind_of
from mmvideo.nn.fuse_batchnorm import fuse

LAYERS = 4


def _torchvision(name: str) -> nn.Module:
    from torchvision.models import video

    return getattr(video, name)(weights=None)


def _timm(name: str) -> Callable[[Tensor], Tensor]:
    import timm

    network = timm.create_model(name, num_classes=400).eval()
    return lambda x: network(x.flatten(0, 1)).unflatten(0, x.shape[:2]).softmax(-1).mean(1)


def _transformers(name: str, **config: object) -> Callable[[Tensor], Tensor]:
    import transformers

    network = getattr(transformers, name)
    network = network(network.config_class(attn_implementation="sdpa", **config)).eval()
    return lambda x: network(x).logits


def _channels_first(network: nn.Module) -> Callable[[Tensor], Tensor]:
    network.eval()
    return lambda x: network(x.transpose(1, 2))


FAMILIES: dict[str, tuple[str, dict, Callable[[], Callable[[Tensor], Tensor]]]] = {
    "r2plus1d": ("r2plus1d-18", {}, lambda: _channels_first(_torchvision("r2plus1d_18"))),
    "mvit": ("mvit-v2-s-16x4", {}, lambda: _channels_first(_torchvision("mvit_v2_s"))),
    "video-swin": ("video-swin-t", {}, lambda: _channels_first(_torchvision("swin3d_t"))),
    "single-frame": ("single-frame-resnet50", {}, lambda: _timm("resnet50")),
    "videomae": ("videomae-b", {"depth": LAYERS}, lambda: _transformers(
        "VideoMAEForVideoClassification", num_hidden_layers=LAYERS, num_labels=400)),
    "vjepa2": ("vjepa2-l", {"depth": LAYERS, "pooler_depth": 1}, lambda: _transformers(
        "VJEPA2ForVideoClassification", num_hidden_layers=LAYERS, num_pooler_layers=1, num_labels=174, hidden_size=1024,
        num_attention_heads=16, frames_per_clip=16, crop_size=256, pred_num_hidden_layers=1)),
    "ast": ("ast-audioset", {"depth": LAYERS}, lambda: _transformers(
        "ASTForAudioClassification", num_hidden_layers=LAYERS, num_labels=527)),
}
"""Family -> our preset, its options, and how the library builds the same network."""


def compared(family: str, *, runs: int, fused: bool) -> str:
    """Return a line of the table."""
    preset, options, build = FAMILIES[family]
    kind = kind_of(preset)
    encoder = zoo.create(preset, kind, **options).eval()
    i = encoder.input
    given = (torch.rand(1, i.num_frames, 3, i.height, i.width) if kind == "encoders"
             else torch.rand(1, encoder.num_frames, 128))
    if fused and kind == "encoders":
        fuse(encoder, given)
    calls = {"theirs": build(), "ours": lambda x: encoder.classify(encoder.encode(x))}
    cpu: dict[str, list[float]] = {who: [] for who in calls}
    wall: dict[str, list[float]] = {who: [] for who in calls}
    with torch.inference_mode():
        shapes = {who: tuple(call(given).shape) for who, call in calls.items()}
        if len(set(shapes.values())) != 1:
            raise SystemExit(f"{family}: not the same network: {shapes}")
        for turn in range(runs):
            for who in (list(calls) if turn % 2 else list(calls)[::-1]):
                began, began_cpu = time.perf_counter(), time.process_time()
                calls[who](given)
                cpu[who].append(time.process_time() - began_cpu)
                wall[who].append(time.perf_counter() - began)
    ratios = [statistics.median(o / t for o, t in zip(times["ours"], times["theirs"], strict=True))
              for times in (cpu, wall)]
    return (f"| {family} | `{preset}` | {1e3 * statistics.median(cpu['theirs']):.0f} | "
            f"{1e3 * statistics.median(cpu['ours']):.0f} | {ratios[0]:.3f} | {ratios[1]:.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", default=list(FAMILIES), metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--fused", action="store_true", help="fold our batch normalisation, as the pipeline does")
    given = parser.parse_args()
    if unknown := set(given.families) - set(FAMILIES):
        parser.error(f"no such family: {', '.join(sorted(unknown))}; known are {', '.join(FAMILIES)}")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("| family | preset | theirs, ms | ours, ms | ratio, CPU time | ratio, wall time |\n|---|---|---|---|---|---|")
    for family in given.families:
        print(compared(family, runs=given.runs, fused=given.fused), flush=True)


if __name__ == "__main__":
    main()
