"""What every separator checks before it separates, and whether mixtures and cues belong together."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mmvideo.errors import InvalidInput
from mmvideo.separation.base import Separator
from mmvideo.types import Cues


class PassOn(Separator):
    """Gives every face the mixture."""

    def forward(self, mixture: Tensor, cues: Cues | None = None) -> Tensor:
        return mixture[:, None].expand(-1, self.check(mixture, cues).num_faces, -1)


def test_what_does_not_belong_together_is_refused() -> None:
    mixture = torch.randn(1, 20_000)
    cues = Cues(torch.rand(1, 2, 32, 4, 4), torch.ones(1, 2, 32, dtype=torch.bool))
    assert PassOn()(mixture, cues).shape == (1, 2, 20_000)
    with pytest.raises(InvalidInput, match="needs the faces"):
        PassOn()(mixture)
    with pytest.raises(InvalidInput, match="float mixture"):
        PassOn()(mixture[0], cues)
    with pytest.raises(InvalidInput, match="2 mixtures but cues of 1"):
        PassOn()(mixture.expand(2, -1), cues)
    with pytest.raises(InvalidInput, match="bool"):
        Cues(cues.mouths, cues.valid.float())


def test_a_network_that_looks_ahead_does_not_stream() -> None:
    with pytest.raises(InvalidInput, match=r"looks ahead, .* mouth-mask-deep-causal"):
        PassOn().stream(2)
