"""The folder that a training leaves: weights, labels and preprocessing, a card with data and figures, and checksums."""

from __future__ import annotations

import importlib.metadata
import platform
from collections import Counter
from pathlib import Path
from typing import Any

import torch
import yaml

from mmvideo import licences, registry, weights
from mmvideo.encoders import zoo
from mmvideo.encoders.base import VideoEncoder
from mmvideo.labelled.rows import SPLITS, LabelledTable
from mmvideo.training.finetune.options import FinetuneOptions
from mmvideo.version import __version__
from mmvideo.wording import plural

PACKAGES = ("torch", "torchvision", "timm", "transformers", "accelerate", "av", "numpy")
STATED_BY_NOBODY = "not-stated"


def package_versions() -> dict[str, str]:
    """Return the versions of what a training depends on."""
    found = {"mmvideo": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        found[name] = importlib.metadata.version(name)
    return found


def save_model(encoder: VideoEncoder, folder: Path, *, options: FinetuneOptions, table: LabelledTable, source: str,
               figures: dict[str, Any], took: str) -> Path:
    """Write a model folder and return it.

    Args:
        folder: `model` in the run's folder, which names the model.
        source: what the weights began as, in words.
        figures: of the test split, else of the validation, as `measure_predictions` gives them, with `split`; may be
            empty.
        took: how long the training was, in words.
    """
    encoder.save_pretrained(folder)
    data = {table.name: options.licence, **_data_of_start(options, source)}
    head = {"license": "other", "license_name": _licence(data), "code_license": "apache-2.0", "data": data,
            "pipelines": ["video-classification"]}
    if package := registry.origin("encoders", zoo.family_of(encoder.preset)):
        head["requires"] = [package]
    card = ["---", yaml.safe_dump(head, sort_keys=False).rstrip(), "---", "", f"# {folder.parent.name}", "",
            *_card(encoder, folder, options, table, source, figures, took)]
    (folder / "README.md").write_text("\n".join(card) + "\n", encoding="utf-8")
    weights.seal(folder)
    return folder


def _data_of_start(options: FinetuneOptions, source: str) -> dict[str, str]:
    """Return the data that the first weights were trained on, with their licences."""
    if source.startswith("ImageNet"):
        return dict(licences.licences_of(weights.card(weights.folder("lite0"))).data)
    path = weights.local_path(options.pretrained)
    if options.pretrained in weights.embedded_names() or path.is_dir():
        return dict(licences.licences_of(weights.card(weights.folder(options.pretrained))).data)
    return {options.pretrained: licences.UNKNOWN} if "checkpoint" in source else {}


def _licence(data: dict[str, str]) -> str:
    """Return the licence of the weights as far as the data say: one that all share, else that of nobody."""
    found = set(data.values())
    return found.pop() if len(found) == 1 else STATED_BY_NOBODY


def _card(encoder: VideoEncoder, folder: Path, options: FinetuneOptions, table: LabelledTable, source: str,
          figures: dict[str, Any], took: str) -> list[str]:
    i: Any = encoder.input
    counts = Counter(row.split for row in table.rows)
    what = {"classes": "one of", "tags": "any of", "numbers": "numbers:"}[table.task]
    names = ", ".join(table.names[:30]) + (f" ... ({len(table.names)} in all)" if len(table.names) > 30 else "")
    spread = f"at {i.fps:g} frames a second" if getattr(i, "fps", None) else "spread evenly over the clip"
    spread = {"moving": "spread over the time in which something moves, cut to the square around it",
              "person": "spread evenly over the clip, cut to the square around the people that the object detector "
                        "finds"}.get(getattr(i, "focus", ""), spread)
    if getattr(i, "channels", ""):
        spread += ", grey, the channels being the frame before, the frame and the frame after it"
    used = ", ".join(f"{counts[split]} {split}" for split in SPLITS if counts[split])
    lines = [
        f"Names {what} {names}.", "",
        f"    mmvideo classify CLIP --model {folder.parent}", "",
        f"- Encoder: {encoder.preset}, {sum(p.numel() for p in encoder.parameters()) / 1e6:.2f} M parameters; began "
        f"with {source}.",
        f"- Sees {i.num_frames} frames of {i.height}x{i.width} pixels, {spread}, the middle of the picture, normalised "
        f"as (x - {_short(i.mean)}) / {_short(i.std)} for x in [0, 1] (config.json).",
        f"- Data: {table.name}, licence {options.licence}; clips: {used}; splits.tsv of the run lists them.",
        f"- Training: {took}; run.json of the run has every option.",
        "- Licences of what it was trained on are listed above; that of the weights is for you to state.",
        "- It has no measure of what it knows: a clip of anything else gets one of these labels too.", ""]
    if table.notes:
        lines += ["Notes: " + "; ".join(table.notes) + ".", ""]
    return lines + _figures(figures)


def _short(values: Any) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else str(tuple(values))


def _figures(figures: dict[str, Any]) -> list[str]:
    if not figures:
        return ["Not measured: no clip was held out."]
    held = {"test": "the test split, which training never saw",
            "validation": "the validation split, which chose the checkpoint"}[figures["split"]]
    lines = [f"Measured on {plural(figures['clips'], 'clip')} of {held}; 95 % intervals:", "",
             "| figure | value | interval |", "|---|---|---|"]
    for name, (low, high) in figures["intervals"].items():
        lines.append(f"| {name.replace('_', ' ')} | {figures[name]:.3f} | {low:.3f} to {high:.3f} |")
    return lines


def fold_scale(encoder: VideoEncoder, mean: torch.Tensor, deviation: torch.Tensor) -> None:
    """Make the last linear layer give numbers in their own units instead of standardised ones."""
    last = [part for part in encoder.modules()
            if isinstance(part, torch.nn.Linear) and part.out_features == encoder.num_classes][-1]
    with torch.no_grad():
        last.weight.mul_(deviation[:, None])
        last.bias.mul_(deviation).add_(mean)


__all__ = ["fold_scale", "package_versions", "save_model"]
