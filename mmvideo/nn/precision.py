"""Whether bfloat16 is faster than float32 on this CPU: measured, since the flags of a processor do not tell.

A processor with AVX-512 BF16 and torch 2.14.1 did 166 GFLOP/s in float32 and 85 in bfloat16 (1568 x 768 by 768 x 3072,
one thread); another with the same flag did 100 and 480.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from mmvideo.nn import autotune

BFLOAT16 = "bfloat16"
_ROWS, _IN, _OUT = 512, 768, 3072


def bfloat16_is_faster() -> bool:
    """Say whether the CPU multiplies many rows faster in bfloat16 than in float32.

    The answer is remembered for the processor and the number of threads (`mmvideo.nn.autotune`). Without instructions
    for bfloat16, and where nothing may be measured (`MMVIDEO_KERNELS=torch`), it is no.
    """
    if not (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()):
        return False
    ways = {autotune.PLAIN: _product(torch.float32), BFLOAT16: _product(torch.bfloat16)}
    return autotune.fastest("precision", (_ROWS, _IN, _OUT), ways) == BFLOAT16


def _product(dtype: torch.dtype) -> Callable[[], torch.Tensor]:
    """Return a product of (_ROWS, _IN) by (_IN, _OUT) in a precision."""
    x, weight = torch.ones(_ROWS, _IN, dtype=dtype), torch.ones(_OUT, _IN, dtype=dtype)

    def multiply() -> torch.Tensor:
        with torch.inference_mode():
            return functional.linear(x, weight)

    return multiply


__all__ = ["BFLOAT16", "bfloat16_is_faster"]
