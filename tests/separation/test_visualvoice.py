"""VisualVoice: its published size and cost, its release's files, its losses, and that it learns to separate."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.nn.costs import multiply_adds, num_params, shapes_only
from mmvideo.separation.losses import separation_loss, si_sdr
from mmvideo.separation.visualvoice import VisualVoice
from mmvideo.separation.visualvoice_losses import Trio, VisualVoiceLosses
from mmvideo.types import Cues
from separation import voices

LIPS = {"channels": [8, 16, 32, 64, 64], "repeats": [1, 1, 1], "width": 32, "levels": 2, "dropout": 0.0}


def test_size_and_cost_are_the_published_ones() -> None:
    with shapes_only():
        net = VisualVoice.create("visualvoice")
        spectrum = torch.zeros(1, 257, 256, dtype=torch.complex64)  # of 2.55 s
        cues = Cues(torch.zeros(1, 1, 64, 96, 96), torch.ones(1, 1, 64, dtype=torch.bool),
                    torch.zeros(1, 1, 3, 224, 224))
    millions = {name: num_params(part) / 1e6 for name, part in net.named_children()}
    for part, published in {"lips": 9.14, "face": 11.24, "unet": 46.14}.items():
        assert millions[part] == pytest.approx(published, rel=0.005), part
    assert num_params(net) / 1e6 == pytest.approx(66.5, rel=0.005)
    assert num_params(VisualVoiceLosses(net).vocal) / 1e6 == pytest.approx(11.24, rel=0.005)
    published = VisualVoice.PRESETS["visualvoice"].published
    assert published.params_millions == 66.5
    assert multiply_adds(lambda: net.masks(spectrum, net.visual(cues))) / 1e9 / 2.55 == pytest.approx(16.7, rel=0.02)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    net = VisualVoice.create("visualvoice-tiny").eval()
    net.save_pretrained(tmp_path)
    again = VisualVoice.from_pretrained(tmp_path)
    waves, cues = voices.talkers(1, 20)
    with torch.no_grad():
        assert torch.equal(again(waves.sum(1), cues), net(waves.sum(1), cues))


@pytest.mark.parametrize("samples", [40_800, 12_800, 12_345])
def test_any_length_keeps_level_and_order_of_the_faces(samples: int) -> None:
    net = VisualVoice.create("visualvoice-tiny").eval()
    waves, cues = voices.talkers(2, 64)
    mixture = waves.sum(1)[:, :samples]
    with torch.no_grad():
        out = net(mixture, cues)
        swapped = net(mixture, Cues(cues.mouths.flip(1), cues.valid.flip(1)))
        louder = net(mixture * 3, cues)
    assert out.shape == (2, 2, samples)
    assert torch.allclose(swapped.flip(1), out, atol=1e-6)
    assert torch.allclose(louder, out * 3, atol=1e-5)


def test_silence_stays_silence_and_what_is_missing_is_said() -> None:
    net = VisualVoice(looks=True, width=8, lips=LIPS).eval()
    waves, cues = voices.talkers(1, 20)
    with torch.no_grad():
        assert net(torch.zeros(1, 12_800), cues).abs().max() < 1e-6
    with pytest.raises(InvalidInput, match="still picture"):
        net(waves.sum(1), Cues(cues.mouths, cues.valid))
    with pytest.raises(UnknownName, match="Did you mean"):
        VisualVoice.create("visualvoise")


@pytest.fixture(scope="module")
def lesson() -> tuple[VisualVoiceLosses, Trio]:
    torch.manual_seed(0)
    net = VisualVoice(looks=True, width=4, lips=LIPS)
    net.look.size = 64
    waves, cues = voices.talkers(2, 16, samples=16 * 640 - 160)
    later, cues_later = voices.talkers(2, 16, samples=16 * 640 - 160, seed=1)
    cues_later = Cues(cues_later.mouths, cues_later.valid, cues.faces)
    return VisualVoiceLosses(net, clean_share=0.0), Trio(waves[:, 0], later[:, 0], waves[:, 1], voices.of(cues, 0),
                                                         voices.of(cues_later, 0), voices.of(cues, 1))


def test_a_training_step_lowers_each_loss(lesson: tuple[VisualVoiceLosses, Trio]) -> None:
    losses, trio = lesson
    start = {key: value.clone() for key, value in losses.state_dict().items()}
    everything = {"lips", "face", "unet", "vocal"}
    for name, taught in {"mask": everything - {"vocal"}, "consistency": everything, "matching": everything,
                         "total": everything}.items():
        optimiser = torch.optim.Adam(losses.parameters(), 1e-4)
        optimiser.zero_grad()
        before = losses(trio)[name]
        before.backward()
        reached = {key.split(".")[1 if key.startswith("separator") else 0] for key, p in losses.named_parameters()
                   if p.grad is not None and p.grad.abs().sum() > 0}
        assert reached == taught, name
        optimiser.step()
        assert losses(trio)[name] < before, name
        losses.load_state_dict(start)


def test_losses_are_those_of_perfect_masks_and_of_what_is_refused(lesson: tuple[VisualVoiceLosses, Trio]) -> None:
    losses, trio = lesson
    spec = torch.randn(2, 257, 8, dtype=torch.complex64)
    target = torch.stack((0.7 * spec, 1.3 * spec), 1)
    ideal = torch.tensor([0.7, 1.3], dtype=torch.complex64).view(1, 2, 1, 1).expand(2, 2, 256, 8)
    assert losses._mask(ideal, target, spec) < 1e-10
    off = losses._mask(ideal + 1, target, spec)
    weight = torch.log1p(spec[:, :-1].abs()).clamp(1e-3, 10)
    assert off == pytest.approx(4 * float(weight.mean()) / 2, rel=1e-4)
    same, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert losses._triplet(same, same, other) == 0
    assert losses._triplet(same, other, same) == pytest.approx(1.5)
    with pytest.raises(InvalidInput, match="640 T - 160"):
        losses(Trio(trio.a1[:, :8000], trio.a2[:, :8000], trio.b[:, :8000], trio.cues_a1, trio.cues_a2, trio.cues_b))


@pytest.mark.slow
def test_a_short_training_separates_by_the_lips() -> None:
    """Two voices of nearly one pitch: only the mouths tell whose is whose."""
    torch.manual_seed(0)
    net = VisualVoice(looks=False, width=4, lips=LIPS)
    optimiser = torch.optim.AdamW(net.parameters(), 5e-3)
    for step in range(60):
        waves, cues = voices.talkers(4, 16, seed=step, same_voice=True)
        for group in optimiser.param_groups:  # at a constant rate the last step's luck decides
            group["lr"] = 5e-3 * min(1, (60 - step) / 30)
        loss = separation_loss(net(waves.sum(1), cues), waves, waves.sum(1)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    waves, cues = voices.talkers(16, 16, seed=10_000, same_voice=True)
    mixture = waves.sum(1, keepdim=True)
    heard = (waves.square().mean(-1) > 1e-5).all(1, keepdim=True).expand(-1, 2)
    with torch.no_grad():
        own = (si_sdr(net.eval()(mixture[:, 0], cues), waves) - si_sdr(mixture, waves))[heard]
        swapped = Cues(cues.mouths.flip(1), cues.valid.flip(1))
        other = (si_sdr(net(mixture[:, 0], swapped), waves) - si_sdr(mixture, waves))[heard]
    assert own.median() > 1, own
    assert other.median() < -3, other
    assert (own > other).float().mean() > 0.95
