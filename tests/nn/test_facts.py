"""The fact schema: gates, losses, concepts; on facts of real toybox scenes."""

from __future__ import annotations

import pytest
import torch

from mmvideo.nn import facts as nf
from mmvideo.toybox.facts import FIELDS, NUM_BINS, NUM_SLOTS, world_facts
from mmvideo.toybox.physics import simulate
from mmvideo.toybox.spec import sample_scene


@pytest.fixture(scope="module")
def truth() -> nf.Facts:
    return world_facts(simulate([sample_scene(i, "standard") for i in range(24)]))


def test_every_gate_names_a_field() -> None:
    names = {f.name for f in FIELDS}
    assert all(f.gate is None or f.gate[0] in names for f in FIELDS)


def test_field_survives_json() -> None:
    assert all(nf.Field.from_dict(f.to_dict()) == f for f in FIELDS)


def test_gates_of_truth_are_zero_or_one_and_chain(truth: nf.Facts) -> None:
    probabilities = nf.as_probabilities(FIELDS, truth)
    by_name = {f.name: f for f in FIELDS}
    for f in FIELDS:
        opened = nf.gate(FIELDS, probabilities, f)
        assert set(opened.unique().tolist()) <= {0.0, 1.0}
    event = nf.gate(FIELDS, probabilities, by_name["event_offset"]).expand_as(probabilities["event_offset"])
    assert torch.equal(event[..., 0], truth["event"].amax(-1) * truth["present"])


def test_perfect_read_outs_have_no_error_and_little_loss(truth: nf.Facts) -> None:
    logits = {f.name: (p if f.kind == "value" else 40 * p - 20)
              for f in FIELDS for p in [nf.as_probabilities(FIELDS, truth)[f.name]]}
    loss, _ = nf.facts_loss(FIELDS, logits, truth)
    assert loss < 1e-4
    accuracy = nf.accuracy(FIELDS, logits, truth)
    for f in FIELDS:
        assert accuracy[f.name] == pytest.approx(0.0 if f.kind == "value" else 1.0, abs=1e-6), f.name


def test_what_a_closed_gate_hides_changes_nothing(truth: nf.Facts) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = {f.name: torch.randn(p.shape, generator=generator)
              for f in FIELDS for p in [nf.as_probabilities(FIELDS, truth)[f.name]]}
    before, _ = nf.facts_loss(FIELDS, logits, truth)
    absent = truth["present"][..., 0] == 0
    logits["shape"] = torch.where(absent[..., None], 9.0, logits["shape"])
    after, _ = nf.facts_loss(FIELDS, logits, truth)
    assert before == after


def test_concepts_have_the_stated_sizes_and_are_zero_for_absent_toys(truth: nf.Facts) -> None:
    laid = nf.concepts(FIELDS, nf.as_probabilities(FIELDS, truth))
    sizes = nf.told_sizes(FIELDS)
    assert laid["slot"].shape == (24, NUM_SLOTS, sizes["slot"])
    assert laid["slot_bin"].shape == (24, NUM_SLOTS, NUM_BINS, sizes["slot_bin"])
    assert laid["scene"].shape == (24, sizes["scene"])
    assert laid["bin"].shape == (24, NUM_BINS, sizes["bin"])
    absent = truth["present"][..., 0] == 0
    assert absent.any()
    assert laid["slot"][absent].abs().max() == 0


def test_blurred_classes_still_sum_to_one(truth: nf.Facts) -> None:
    blurred = nf.blur(FIELDS, nf.as_probabilities(FIELDS, truth), share=1.0)
    for f in FIELDS:
        if f.kind == "class":
            assert torch.allclose(blurred[f.name].sum(-1), torch.ones(()), atol=1e-5)
            assert (blurred[f.name].argmax(-1) == truth[f.name]).float().mean() > 0.95


def test_waves_stand_beside_a_value_and_are_hidden_with_it() -> None:
    plain = nf.Field("place", "slot", "value", 2)
    waved = nf.Field("place", "slot", "value", 2, ("present", (0,)), waves=2)
    present = nf.Field("present", "slot", "multi", 1)
    place = torch.tensor([[[0.5, -1.0], [0.25, 0.0]]])
    assert torch.equal(nf.concepts((plain,), {"place": place})["slot"], place)
    facts = {"present": torch.tensor([[[1.0], [0.0]]]), "place": place}
    told = nf.concepts((present, waved), facts)["slot"]
    assert told.shape[-1] == nf.told_sizes((present, waved))["slot"] == 1 + 2 * 5
    angle = place[0, 0] * torch.pi / 2
    expected = torch.cat((torch.ones(1), place[0, 0], angle.sin(), angle.cos(), (2 * angle).sin(), (2 * angle).cos()))
    assert torch.allclose(told[0, 0], expected)
    assert told[0, 1].abs().max() == 0


def test_what_is_told_is_clear_and_what_is_clear_happened(truth: nf.Facts) -> None:
    assert (truth["told"] <= truth["clear"]).all()
    assert (truth["clear"] <= truth["event"]).all()
    assert 0 < truth["told"].sum() < truth["event"].sum()
