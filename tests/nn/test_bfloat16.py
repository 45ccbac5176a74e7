"""Weight gradients of 3D convolutions in bfloat16 are those of float32, also where kernels are longer than clips."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmvideo.nn.bfloat16 import RightConv3d

CASES = [(time, kernel, stride) for kernel in (3, 5) for time in range(1, 6) for stride in (1, 2)]


def _gradients(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, *, autocast: bool, **options) -> list:
    given = [t.clone().requires_grad_() for t in (x, weight, bias)]
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast), RightConv3d():
        y = F.conv3d(*given, **options)
    pull = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    return torch.autograd.grad(y, given, pull.to(y.dtype))


@pytest.mark.parametrize(("time", "kernel", "stride"), CASES)
def test_gradients_in_bfloat16_are_those_of_float32(time: int, kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.rand(4, 32, time, 4, 4), torch.randn(32, 32, kernel, 1, 1), torch.randn(32)
    options = {"stride": (stride, 1, 1), "padding": (kernel // 2, 0, 0)}
    wanted = _gradients(x, weight, bias, autocast=False, **options)
    for _ in range(2):
        stale = torch.full((weight.numel(),), float("nan"))  # what an unwritten gradient may find in memory
        del stale
        for ours, theirs in zip(_gradients(x, weight, bias, autocast=True, **options), wanted, strict=True):
            assert torch.isfinite(ours).all()
            assert float((ours - theirs).abs().max() / theirs.abs().max()) < 0.02


def test_only_what_is_wrong_leaves_bfloat16() -> None:
    class Seen(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            if func is torch.conv3d:
                seen.append((args[0].dtype, torch.is_autocast_enabled("cpu")))
            return func(*args, **(kwargs or {}))

    layer = torch.nn.Conv3d(4, 4, 3, padding=1)
    for time, wanted in ((4, True), (2, False)):
        seen: list = []
        with torch.autocast("cpu", torch.bfloat16), Seen(), RightConv3d():
            assert layer(torch.rand(1, 4, time, 4, 4)).dtype == torch.bfloat16
        assert seen == [(torch.float32, wanted)]
    wide = torch.nn.Conv3d(4, 4, 3, padding=2, dilation=2).bfloat16()
    seen = []
    with Seen(), RightConv3d():
        assert wide(torch.rand(1, 4, 4, 8, 8).bfloat16()).dtype == torch.bfloat16
    assert seen == [(torch.float32, False)]
