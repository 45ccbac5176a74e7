"""Long sound in windows: nothing lost, nothing doubled, no seam, and memory that does not grow."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from mmvideo.errors import InvalidInput
from mmvideo.separation import OverlapAdd, Separator, mixture_consistent, separate, separate_stream
from mmvideo.types import Cues


class PassOn(Separator):
    """Gives face p the mixture times the brightness of its mouths, so that misplaced crops are heard."""

    window_seconds = 1.28

    def __init__(self) -> None:
        super().__init__()
        self.longest = 0

    def forward(self, mixture: Tensor, cues: Cues | None = None) -> Tensor:
        cues = self.check(mixture, cues)
        self.longest = max(self.longest, mixture.shape[1])
        level = cues.mouths.float().mean((-2, -1)).repeat_interleave(640, 2)[..., :mixture.shape[1]]
        return mixture[:, None] * level


class Two(Separator):
    """A network without eyes whose two outputs are the mixture and its negative."""

    sees, num_outputs, window_seconds = False, 2, 1.0

    def forward(self, mixture: Tensor, cues: Cues | None = None) -> Tensor:
        return torch.stack((mixture, -mixture), 1)


def scene(samples: int, faces: int = 2) -> tuple[Tensor, Cues]:
    frames = -(-samples // 640)
    mouths = torch.rand(1, faces, frames, 1, 1).expand(-1, -1, -1, 4, 4).contiguous()
    return torch.randn(samples), Cues(mouths, torch.ones(1, faces, frames, dtype=torch.bool))


@pytest.mark.parametrize("samples", [1, 639, 640, 20480, 20481, 33333, 5 * 20480, 100_001])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_windows_give_what_one_pass_gives(samples: int, overlap: float) -> None:
    mixture, cues = scene(samples)
    whole = PassOn()(mixture[None], cues)[0]
    assert torch.allclose(separate(PassOn(), mixture, cues, overlap=overlap), whole, atol=1e-5)


def test_blocks_may_be_cut_anywhere_between_crops() -> None:
    mixture, cues = scene(90_000)
    whole = separate(PassOn(), mixture, cues)
    cuts = [0, 640, 64_000, 70_400, 90_000]
    blocks = [(mixture[a:b], cues.between(a // 640, -(-b // 640))) for a, b in itertools.pairwise(cuts)]
    assert torch.allclose(torch.cat(list(separate_stream(PassOn(), blocks)), -1), whole, atol=1e-6)
    with pytest.raises(InvalidInput, match="within a mouth crop"):
        list(separate_stream(PassOn(), [(mixture[:100], cues), (mixture[100:], cues)]))


def test_memory_does_not_grow_with_the_length(monkeypatch: pytest.MonkeyPatch) -> None:
    from mmvideo.separation import windows

    held = []
    drop = windows._Buffer.drop

    def watched(self, count: int) -> None:
        held.append(self._samples.shape[0])
        drop(self, count)

    monkeypatch.setattr(windows._Buffer, "drop", watched)
    block = scene(16_000)
    separator = PassOn()
    total = sum(piece.shape[-1] for piece in separate_stream(separator, (block for _ in range(200))))
    assert total == 200 * 16_000
    assert separator.longest == 20_480
    assert max(held) <= 20_480 * 1.5 + 16_000


def test_two_windows_that_disagree_fade_without_a_step() -> None:
    added = OverlapAdd(1000, 500)
    added.add(torch.zeros(1, 1000), 0)
    added.add(torch.ones(1, 1000), 500)
    out = added.take()[0]
    assert out.shape == (1500,)
    assert out[0] == 0
    assert out[-1] == 1
    assert out.diff().abs().max() < 0.005
    with pytest.raises(InvalidInput, match="given out"):
        added.add(torch.ones(1, 10), 0)


def test_the_last_window_also_fades_in() -> None:
    class Numbered(PassOn):
        calls = 0

        def forward(self, mixture: Tensor, cues: Cues | None = None) -> Tensor:
            self.calls += 1
            return torch.full((1, 1, mixture.shape[1]), float(self.calls))

    mixture, cues = scene(47_000, faces=1)
    out = separate(Numbered(), mixture, cues)[0]
    assert out[-1] > 2.9
    assert out.diff().abs().max() < 0.01


def test_a_separator_without_eyes_needs_no_cues() -> None:
    mixture = torch.randn(40_000)
    assert torch.allclose(separate(Two(), mixture), torch.stack((mixture, -mixture)), atol=1e-5)


def test_what_does_not_belong_together_is_refused() -> None:
    mixture, cues = scene(20_000)
    with pytest.raises(InvalidInput, match="needs the faces"):
        separate(PassOn(), mixture)
    with pytest.raises(InvalidInput, match="one mixture"):
        separate(PassOn(), mixture[None], cues)
    with pytest.raises(InvalidInput, match="overlap"):
        separate(PassOn(), mixture, cues, overlap=0.9)
    with pytest.raises(InvalidInput, match="2 mixtures but cues of 1"):
        PassOn()(mixture.expand(2, -1), cues)
    with pytest.raises(InvalidInput, match="bool"):
        Cues(cues.mouths, cues.valid.float())


@pytest.mark.parametrize("share", ["equal", "power"])
def test_consistent_voices_add_up_to_the_mixture(share: str) -> None:
    estimates, mixture = torch.randn(2, 3, 500), torch.randn(2, 500)
    estimates[0] = 0
    voices = mixture_consistent(estimates, mixture, share=share)
    assert torch.allclose(voices.sum(1), mixture, atol=1e-5)
    right = torch.randn(2, 3, 500)
    assert torch.allclose(mixture_consistent(right, right.sum(1), share=share), right, atol=1e-5)
