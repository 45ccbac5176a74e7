"""How well a linear probe tells people apart by what a separator's lip network says of their mouths.

    python benchmarks/identity_probe.py ../shared/data/newsreaders --weights separator-research-only

Each clip gives the mean and the standard deviation over time of the lip network's output; beside it, the mean picture
of the mouth that the network was given. Half of the clips of a group train the probe, the other half are judged.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from mmvideo import weights
from mmvideo.separation.mouth_mask import MouthMask
from mmvideo.separation.streaming_state import Past
from mmvideo.separation.training.bank import cut_clips
from mmvideo.separation.training.people import people_clips


def probe(features: Tensor, who: Tensor, *, steps: int = 300) -> float:
    """Return the accuracy of a linear classifier on every second row of each person, trained on the others."""
    order = torch.argsort(who, stable=True)
    features, who = features[order], who[order]
    train = torch.arange(len(who)) % 2 == 0
    features = (features - features[train].mean(0)) / features[train].std(0).clamp_min(1e-4)
    layer = torch.nn.Linear(features.shape[1], int(who.max()) + 1)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-2, weight_decay=0.1)
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(layer(features[train]), who[train])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float((layer(features[~train]).argmax(1) == who[~train]).float().mean())


def main() -> None:
    """Print the accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=Path)
    parser.add_argument("--split", default="train")
    parser.add_argument("--weights", default="separator-research-only")
    parser.add_argument("--cache", default="runs/separator-cache")
    options = parser.parse_args()
    torch.manual_seed(0)
    lips = MouthMask.from_pretrained(weights.part(options.weights, "faces")).lips
    clips = people_clips(options.people, options.split)
    cut = {name: (mouths, seen) for name, _, mouths, seen in cut_clips([c.path for c in clips], options.cache)}
    names = sorted({c.group for c in clips})
    said, shown, who = [], [], []
    for clip in clips:
        if clip.path.stem in cut:
            mouths, seen = (torch.from_numpy(x)[None] for x in cut[clip.path.stem])
            with torch.no_grad():
                out = lips(mouths.float() / 255, seen, Past())[0]
            said.append(torch.cat([out.mean(0), out.std(0)]))
            picture = mouths[0].float().mean(0)
            shown.append(((picture - picture.mean()) / picture.std()).flatten())
            who.append(names.index(clip.group))
    target = torch.tensor(who)
    chance = float(torch.bincount(target).max()) / len(target)
    print(f"{len(target)} clips of {len(names)} groups: by the lip network {probe(torch.stack(said), target):.3f}, "
          f"by the mean picture {probe(torch.stack(shown), target):.3f}, the most frequent {chance:.3f}")


if __name__ == "__main__":
    main()
