"""Trainer `probe`: what a frozen encoder's features hold, read by a linear layer or by an attentive pooler."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput
from mmvideo.nn.attention import Attention
from mmvideo.nn.pretrained import Pretrained
from mmvideo.training import checks, classifier
from mmvideo.training.classifier import CHUNK, build_encoder, by_task, data_for, loss_of
from mmvideo.training.clip_data import NONE, LabelledClips
from mmvideo.training.loop import Schedule, TrainingRun
from mmvideo.training.resume import digest, fingerprint
from mmvideo.training.trainer import Trainer

KINDS = ("linear", "attentive")


class Probe(Pretrained):
    """A classifier of features that do not change.

    Args:
        kind: linear (one layer over the pooled features) or attentive: one learned query looks at all tokens, then an
            MLP, then a linear layer (the attentive probe of V-JEPA, Bardes et al. 2024). Both first bring every feature
            to mean 0 and deviation 1, as linear probes of MAE do (He et al. 2022, appendix A.1).
        dim: width of the features.
        num_classes: of all tasks together.
        heads: of the attention.
    """

    def __init__(self, *, kind: str, dim: int, num_classes: int, heads: int = 4):
        super().__init__()
        if kind not in KINDS:
            raise InvalidInput(f"A probe is {' or '.join(KINDS)}, not {kind!r}.")
        self.config = {"kind": kind, "dim": dim, "num_classes": num_classes, "heads": heads}
        self.kind, self.head = kind, nn.Linear(dim, num_classes)
        self.norm = nn.BatchNorm1d(dim, affine=False)
        if kind == "attentive":
            self.query = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
            self.look = Attention(dim, heads)
            self.norm_mlp = nn.LayerNorm(dim)
            self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, features: Tensor) -> Tensor:
        """Map pooled features (B, D), or for attentive probes tokens (B, N, D), to logits (B, num_classes)."""
        if self.kind == "linear":
            return self.head(self.norm(features))
        tokens = self.norm(features.flatten(0, 1)).view_as(features)
        x = self.query + self.look(self.query.expand(len(tokens), -1, -1), tokens)
        return self.head((x + self.mlp(self.norm_mlp(x)))[:, 0])


def train_probe(out: Path, *, schedule: Schedule, encoder: str, task: str | list[str] = "", manifest: str = "",
                validation: str = "", workers: int = 4, init: str = "", form: str = "",
                options: dict[str, Any] | None = None, probe: str = "linear", heads: int = 4, clips: int = 2048,
                evaluated: int = 512) -> None:
    """Fit a probe to a frozen encoder's features, which are computed once and kept; save it under `out`/probe.

    The encoder is saved beside it, under `out`/encoder.

    Args:
        encoder: a preset of the zoo.
        task, manifest, validation, workers, init, form, options: as for the trainer `classifier`.
        probe: linear or attentive.
        heads: of an attentive probe.
        clips: training clips whose features are kept (of a manifest at most its length).
        evaluated: validation clips at most.

    Raises:
        InvalidInput: no such probe.
    """
    options_given = checks.begin(check_probe, locals())
    torch.manual_seed(schedule.seed)
    data = data_for(encoder, task=task, manifest=manifest, validation=validation, workers=workers, seed=schedule.seed)
    network = build_encoder(encoder, data=data, init=init, form=form, options=options).eval().requires_grad_(False)
    attentive = probe == "attentive"
    classes = sum(map(len, data.labels.values()))
    read = Probe(kind=probe, dim=network.dim if attentive else network.dim_pooled, num_classes=classes, heads=heads)
    kept = {split: min(num, data.size(split) or num) if data.size(split) != 0 else 0
            for split, num in (("train", clips), ("validation", evaluated))}
    known = {**data.identity(), "encoder": fingerprint(network), "features": kept["train"]}
    run = TrainingRun(out, nn.ModuleDict({"probe": read}), schedule,
                      kept={"trainer": "probe", "options": options_given, "data": known})
    key = digest([known, kept, schedule.seed, attentive, _exact(network)])
    seen = {split: _features(network, data, num, split, attentive, out / f"features-{split}-{key}.pt")
            for split, num in kept.items() if num}
    features, labels = seen["train"]

    def make(number: int) -> tuple[Tensor, dict[str, Tensor]]:
        generator = torch.Generator().manual_seed(schedule.seed * 1_000_003 + number)
        chosen = torch.randint(len(features), (schedule.batch_size,), generator=generator)
        return features[chosen], {task: column[chosen] for task, column in labels.items()}

    def loss(batch) -> tuple[Tensor, dict[str, float]]:
        x, truth = batch
        logits = read(x.to(run.accelerator.device).float())
        return loss_of(logits, LabelledClips(x, truth), data.labels)

    def evaluate() -> dict[str, float]:
        x, truth = seen["validation"]
        logits = torch.cat([read(part.to(run.accelerator.device).float()).cpu() for part in x.split(CHUNK)])
        parts = by_task(logits, data.labels)
        return {name: float((part.argmax(1) == truth[name])[truth[name] != NONE].float().mean())
                for name, part in parts.items()}

    run.train(make, loss, evaluate=evaluate if "validation" in seen else None, evaluate_every=500)
    if run.accelerator.is_main_process:
        read.save_pretrained(out / "probe")
        network.save_pretrained(out / "encoder")


def check_probe(encoder: str, task: str | list[str], manifest: str, validation: str, workers: int, init: str, form: str,
                options: dict[str, Any] | None, probe: str, heads: int, clips: int, evaluated: int) -> None:
    """Raise on options that cannot be, before any data is read; they are those of `train_probe`."""
    classifier.check_classifier(encoder, task, manifest, validation, workers, init, form, options, evaluated)
    checks.at_least(1, heads=heads, clips=clips)
    with checks.trial("probe"):
        network = zoo.create(encoder, num_classes=2, **(options or {}))
        Probe(kind=probe, dim=network.dim if probe == "attentive" else network.dim_pooled, num_classes=2, heads=heads)


def _exact(network: nn.Module) -> str:
    """Return a digest of every value of a network."""
    found = hashlib.sha256()
    for tensor in network.state_dict().values():
        found.update(tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


@torch.no_grad()
def _features(network, data, num: int, split: str, tokens: bool, path: Path) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute the features of a split's first clips, or read them where they were kept."""
    if path.exists():
        state = torch.load(path, weights_only=True)
        return state["features"], state["labels"]
    device = next(network.parameters()).device
    parts, labels = [], {task: [] for task in data.labels}
    for first in range(0, num, CHUNK):
        clips = data.draw(range(first, min(first + CHUNK, num)), split)
        seen = network(clips.frames.to(device))
        parts.append((seen.tokens if tokens else seen.pooled).half().cpu())
        for task, column in labels.items():
            column.append(clips.labels[task])
    state = {"features": torch.cat(parts), "labels": {task: torch.cat(column) for task, column in labels.items()}}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)
    return state["features"], state["labels"]


TRAINER = Trainer(train_probe, check_probe)

__all__ = ["TRAINER", "Probe", "train_probe"]
