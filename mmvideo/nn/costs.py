"""What a network costs: parameters and multiply-adds, counted while it runs on shapes alone (the meta device)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


@contextmanager
def shapes_only() -> Iterator[None]:
    """Build modules without memory for their weights, on the meta device.

    Libraries that make tensors when they are first imported must not be imported in here: torchaudio's Kaldi constants
    would stay without values in the whole process.
    """
    import torchaudio.compliance.kaldi  # noqa: F401

    with torch.device("meta"):
        yield


def num_params(module: nn.Module) -> int:
    """Return the number of parameters, shared ones once."""
    return sum(p.numel() for p in module.parameters())


def multiply_adds(run: Callable[[], Any]) -> int:
    """Return how many multiply-adds the matrix products and convolutions of `run` take; all else is left out.

    This is how the field counts (fvcore, papers since ResNet): normalisation, activations and pooling are free.
    """
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() // 2
