"""Pre-norm attention blocks shared by projectors and encoders."""

from __future__ import annotations

from torch import Tensor, nn

from mmvideo.errors import InvalidInput


class Attention(nn.Module):
    """Multi-head attention of queries (B, N, D) over a context (B, M, D_context); returns (B, N, D).

    Raises:
        InvalidInput: heads that do not divide D.
    """

    def __init__(self, dim: int, heads: int, *, dim_context: int | None = None):
        super().__init__()
        if heads < 1 or dim % heads:
            raise InvalidInput(f"{heads} heads do not divide a width of {dim}; give heads that do.")
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim_context or dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        b, n, d = x.shape
        query = self.query(x).view(b, n, self.heads, -1).transpose(1, 2)
        key, value = self.key_value(context).view(b, context.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        # Plain matmuls: for a few hundred tokens the fused kernel's backward is several times slower on a CPU.
        weights = (query * (d // self.heads) ** -0.5 @ key.transpose(-1, -2)).softmax(-1)
        mixed = weights @ value
        return self.out(mixed.transpose(1, 2).reshape(b, n, d))


class CrossBlock(nn.Module):
    """Queries look at the context, then at one another, then think: the layer of a Q-Former or Perceiver resampler."""

    def __init__(self, dim: int, heads: int, dim_context: int, *, expansion: int = 3):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3))
        self.cross = Attention(dim, heads, dim_context=dim_context)
        self.own = Attention(dim, heads)
        self.mlp = nn.Sequential(nn.Linear(dim, expansion * dim), nn.GELU(), nn.Linear(expansion * dim, dim))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Map queries (B, N, D) and a context (B, M, D_context) to queries (B, N, D)."""
        x = x + self.cross(self.norms[0](x), context)
        y = self.norms[1](x)
        x = x + self.own(y, y)
        return x + self.mlp(self.norms[2](x))


def unit_init(module: nn.Module) -> None:
    """Initialise linear layers so that unit inputs give unit outputs: attention is then not uniform at the start."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=module.in_features**-0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
