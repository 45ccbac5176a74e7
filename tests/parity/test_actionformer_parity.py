"""ActionFormer against the authors' release on equal weights: scores, offsets, targets, losses, decoding."""

from __future__ import annotations

import fabricate
import pytest
import torch

from mmvideo.localization.actionformer import ActionFormer
from mmvideo.localization.targets import localization_loss, point_targets

SEGMENTS = torch.tensor([[2.0, 5.0], [10.0, 30.0], [12.0, 14.5], [60.0, 99.0]])
LABELS = torch.tensor([0, 1, 4, 2])


@pytest.fixture(scope="module")
def golden() -> tuple[ActionFormer, dict[str, torch.Tensor]]:
    given, kept = fabricate.golden("actionformer")
    ours = ActionFormer(dim=24, num_classes=5, width=32, arch=(2, 1, 3))
    names = {name: one for name, one in given.items() if not name.startswith("point_generator")}
    ours.load_state_dict(names, strict=True)
    return ours.eval(), kept


@torch.no_grad()
def test_scores_and_offsets_are_those_of_the_release(golden: tuple[ActionFormer, dict[str, torch.Tensor]]) -> None:
    ours, kept = golden
    features = fabricate.tensor("features", (1, 24, 100)).transpose(1, 2)
    scored = ours(torch.nn.functional.pad(features, (0, 0, 0, 188)), torch.arange(288)[None] < 100)
    for level in range(4):
        assert torch.equal(scored["masks"][level].float(), kept[f"masks.{level}"])
        for kind in ("logits", "offsets"):
            assert fabricate.difference(scored[kind][level], kept[f"{kind}.{level}"]) < 1e-4
    assert torch.equal(ours.points(scored), kept["points"])


@torch.no_grad()
def test_targets_losses_and_segments_are_those_of_the_release(golden: tuple[ActionFormer, dict[str, torch.Tensor]]
                                                              ) -> None:
    ours, kept = golden
    scored = {kind: [kept[f"{kind}.{level}"] for level in range(4)] for kind in ("logits", "offsets")}
    scored["masks"] = [kept[f"masks.{level}"].bool() for level in range(4)]
    told, offsets = point_targets(kept["points"], SEGMENTS, LABELS, 5)
    assert torch.equal(told, kept["targets"])
    belongs = told.sum(1) > 0
    assert torch.allclose(offsets[belongs], kept["target_offsets"][belongs])
    classes, ends, count = localization_loss(scored, told[None], offsets[None])
    normal = 0.9 * 100 + 0.1 * int(count)  # the release divides by a running mean, which begins at 100
    assert float(classes) / normal == pytest.approx(float(kept["cls_loss"]), rel=1e-5)
    assert float(ends) / normal == pytest.approx(float(kept["reg_loss"]), rel=1e-5)
    segments, scores, labels = ours.decoded(scored)[0]
    order = torch.argsort(kept["scores"], descending=True, stable=True)
    mine = torch.argsort(scores, descending=True, stable=True)
    assert torch.allclose(scores[mine], kept["scores"][order])
    assert torch.allclose(segments[mine], kept["segments"][order])
    assert torch.equal(labels[mine].float(), kept["labels"][order])


@torch.no_grad()
def test_a_film_does_not_depend_on_the_padding_of_its_batch() -> None:
    torch.manual_seed(0)
    ours = ActionFormer(dim=12, num_classes=2, width=8, heads=2, arch=(1, 1, 2), window=5,
                        narrow=[[2, 4, 3], [1, 4, 2]], finer=2).eval()
    film = torch.randn(1, 9, 12)
    alone = ours(film)
    padded = ours(torch.cat((film, torch.randn(1, 12, 12)), 1), torch.arange(21)[None] < 9)
    assert torch.allclose(alone["logits"][0][:, :18], padded["logits"][0][:, :18], atol=1e-6)
    assert not padded["masks"][0][:, 18:].any()
    assert not padded["logits"][0][:, 18:].any()
