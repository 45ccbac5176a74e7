"""The layer of a vision transformer, its queries, keys and values one matrix, as image checkpoints name and keep it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Multi-head self-attention over the second last axis of (..., N, D)."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(self.mix(x))

    def mix(self, x: Tensor) -> Tensor:
        """Return the heads' outputs side by side, before the output projection."""
        b, n, d = x.shape
        query, key, value = self.qkv(x).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(b, n, d)


class Mlp(nn.Module):
    """Two linear layers with a GELU between them; `gelu` is "none" for the exact one, "tanh" for JAX's default."""

    def __init__(self, dim: int, dim_hidden: int, *, gelu: str = "none"):
        super().__init__()
        self.gelu = gelu
        self.fc1 = nn.Linear(dim, dim_hidden)
        self.fc2 = nn.Linear(dim_hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate=self.gelu))


class TransformerLayer(nn.Module):
    """Pre-norm attention and perceptron, each with a residual."""

    def __init__(self, dim: int, heads: int, *, eps: float = 1e-6, gelu: str = "none"):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.attn = SelfAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = Mlp(dim, 4 * dim, gelu=gelu)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (B, N, D) to tokens (B, N, D)."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def init_vit(module: nn.Module) -> None:
    """Initialise linear layers as vision transformers do: narrow truncated normal weights, no bias."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
