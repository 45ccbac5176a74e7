"""VideoMAE: a plain vision transformer over tubelets (Tong et al. 2022, https://arxiv.org/abs/2203.12602).

- the layers are transformers' own; patches are embedded by a linear layer (a convolution of stride = kernel), so that
  masked pretraining embeds only what it looks at.
- fixed sines and cosines over the flattened grid say where a token is.
- fine-tuned networks normalise the mean of the tokens; pretrained ones normalise every token (`norm_first`).
- VideoMAE V2 (Wang et al. 2023, https://arxiv.org/abs/2303.16727) is the same network, with a ViT-g.

Pretraining is in `mmvideo.encoders.masked_autoencoder`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, linear_head
from mmvideo.encoders.preset import Input, Preset, Published
from mmvideo.errors import InvalidInput
from mmvideo.nn.checkpoints import Format
from mmvideo.nn.token_reduction import refilled
from mmvideo.types import Features

INPUT = Input(16, 224, 224)
EPS = 1e-6
NON_COMMERCIAL = "CC-BY-NC-4.0 (code and weights of the release)"
V1, V2 = "https://github.com/MCG-NJU/VideoMAE", "https://github.com/OpenGVLab/VideoMAEv2"
PAPER = ("Tong et al. 2022, arXiv:2203.12602, comparison on Kinetics-400; top-1: MODEL_ZOO.md of MCG-NJU/VideoMAE, "
         "1600 epochs, 5x3 views (80.9 for B and 84.7 for L in its first versions)")
PAPER_V2 = "Wang et al. 2023, arXiv:2303.16727, comparison on Kinetics-400, 38160 GFLOPs for 5x3 views"

OFFICIAL_LAYERS = (
    (r"\bpatch_embed\.proj\.", "embed."), (r"\.norm1\.", ".layernorm_before."), (r"\.norm2\.", ".layernorm_after."),
    (r"\.attn\.q_bias$", ".attention.attention.query.bias"), (r"\.attn\.v_bias$", ".attention.attention.value.bias"),
    (r"\.attn\.qkv\.weight$", ".attention.attention.qkv.weight"), (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."), (r"\.mlp\.fc2\.", ".output.dense."),
)
"""The official names inside a layer; queries, keys and values are one matrix there."""
TRANSFORMERS_LAYERS = (
    (r"\bembeddings\.patch_embeddings\.projection\.", "embed."),
    # Files on the hub keep the biases as the authors do; transformers renames them while it loads.
    (r"\.attention\.attention\.q_bias$", ".attention.attention.query.bias"),
    (r"\.attention\.attention\.v_bias$", ".attention.attention.value.bias"),
)


def converted(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Split what is joined (queries, keys, values) and lay the tubelet convolution out as a linear layer."""
    result = {}
    for name, tensor in tensors.items():
        if name.endswith(".qkv.weight"):
            stem = name.removesuffix("qkv.weight")
            result |= {f"{stem}{part}.weight": x for part, x in
                       zip(("query", "key", "value"), tensor.chunk(3), strict=True)}
        elif name.endswith("embed.weight") and tensor.ndim == 5:
            result[name] = tensor.permute(0, 2, 3, 4, 1).flatten(1)
        else:
            result[name] = tensor
    return result


def patches_of(frames: Tensor, tubelet: int, patch: int) -> Tensor:
    """Cut clips (B, T, C, H, W) into tubelets (B, N, tubelet * patch * patch * C), channels last."""
    b, t, c, h, w = frames.shape
    x = frames.reshape(b, t // tubelet, tubelet, c, h // patch, patch, w // patch, patch)
    return x.permute(0, 1, 4, 6, 2, 5, 7, 3).reshape(b, -1, tubelet * patch * patch * c)


def sinusoid(num: int, dim: int) -> Tensor:
    """Return fixed positions (1, num, dim): sines in even columns, cosines in odd ones (Vaswani et al. 2017)."""
    rate = 10_000.0 ** -(torch.arange(dim, dtype=torch.float64) // 2 * 2 / dim)
    angle = torch.arange(num, dtype=torch.float64)[:, None] * rate
    table = torch.where(torch.arange(dim) % 2 == 0, angle.sin(), angle.cos())
    return table.float()[None]


def layers_config(*, dim: int, depth: int, heads: int, dim_mlp: int, **other: Any):
    """Return transformers' description of a stack of layers."""
    from transformers import VideoMAEConfig

    return VideoMAEConfig(hidden_size=dim, num_hidden_layers=depth, num_attention_heads=heads,
                          intermediate_size=dim_mlp, layer_norm_eps=EPS, **other)


def init_linear(module: nn.Module) -> None:
    """Initialise linear layers as the paper's pretraining does: Glorot's uniform weights, no bias."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _vit(about: str, dim: int, depth: int, heads: int, *, published: Published, release: str = V1,
         **options: Any) -> Preset:
    weights = f"videomae or videomae-pretrained: {release}; transformers: MCG-NJU/videomae-* on the hub"
    return Preset(about, INPUT, {"dim": dim, "depth": depth, "heads": heads, **options}, views=(5, 3),
                  licence=NON_COMMERCIAL if release == V1 else "MIT (code of the release)",
                  weights=weights if release == V1 else f"videomae or videomae-pretrained: {release}",
                  published=published)


class VideoMAE(VideoEncoder):
    """A vision transformer over tubelets of 2 frames and 16x16 pixels; each token is one tubelet.

    Args:
        dim: D.
        depth: number of layers; 0 leaves the embedded tubelets as they are.
        heads: of attention.
        dim_mlp: width inside a layer's perceptron; 4 * dim by default.
        patch: pixels on a side of a token.
        tubelet: frames in a token.
        norm_first: normalise every token, then take the mean (as pretraining leaves the network), instead of
            normalising the mean (as fine-tuning does).
        dropout: before the classifier.
        attention: "sdpa", torch's fused attention, or "eager", plain matrix products (faster on a CPU for few tokens).

    Raises:
        InvalidInput: a clip that tubelets do not tile.
    """

    PRESETS: ClassVar = {
        "videomae-s": _vit("ViT-S", 384, 12, 6, published=Published(
            PAPER, 22, 57, top1=79.0, top1_on="Kinetics-400")),
        "videomae-b": _vit("ViT-B, the network of the paper's studies", 768, 12, 12, published=Published(
            PAPER, 87, 180, top1=81.5, top1_on="Kinetics-400",
            difference="the source rounds 86.5 M parameters up to whole millions")),
        "videomae-l": _vit("ViT-L", 1024, 24, 16, published=Published(
            PAPER, 305, 597, top1=85.2, top1_on="Kinetics-400")),
        "videomae-h": _vit("ViT-H", 1280, 32, 16, published=Published(
            PAPER, 633, 1192, top1=86.6, top1_on="Kinetics-400")),
        "videomae-g": _vit("ViT-g of VideoMAE V2, with patches of 14x14 pixels", 1408, 40, 16, release=V2,
                           dim_mlp=6144, patch=14, published=Published(
                               PAPER_V2, 1013, 2544, top1=88.4, top1_on="Kinetics-400, after Kinetics-710")),
        "videomae-tiny": Preset("small enough to train in minutes", Input(16, 64, 64),
                                {"dim": 192, "depth": 5, "heads": 4, "attention": "eager"}, num_classes=10,
                                views=(1, 1)),
    }
    averages: ClassVar[str] = "probabilities"
    CHECKPOINTS: ClassVar = {
        "videomae": Format(
            f"{V1} and {V2}: fine-tuned or distilled networks",
            rename=((r"^blocks\.", "layers.layer."), (r"^fc_norm\.", "norm."), *OFFICIAL_LAYERS), convert=converted),
        "videomae-pretrained": Format(
            f"{V1} and {V2}: the encoder of a pretrained network (num_classes=0, norm_first=True)",
            rename=((r"^(decoder\.|encoder_to_decoder\.|mask_token$)", None), (r"^encoder\.blocks\.", "layers.layer."),
                    (r"^encoder\.", ""), *OFFICIAL_LAYERS), convert=converted),
        "transformers": Format(
            "VideoMAEForVideoClassification of https://github.com/huggingface/transformers",
            rename=((r"^videomae\.encoder\.", "layers."), (r"^videomae\.", ""), (r"^fc_norm\.", "norm."),
                    (r"^classifier\.", "head."), *TRANSFORMERS_LAYERS), convert=converted),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, dim: int = 768, depth: int = 12, heads: int = 12,
                 dim_mlp: int = 0, patch: int = 16, tubelet: int = 2, norm_first: bool = False, dropout: float = 0.0,
                 attention: str = "sdpa"):
        super().__init__(input=input, num_classes=num_classes)
        from transformers.models.videomae.modeling_videomae import VideoMAEEncoder

        self.dim, self.patch, self.tubelet, self.norm_first = dim, patch, tubelet, norm_first
        if input.num_frames % tubelet or input.height % patch or input.width % patch:
            raise InvalidInput(f"Tubelets of {tubelet} frames and {patch}x{patch} pixels do not tile clips of "
                               f"{input.num_frames} frames of {input.height}x{input.width}.")
        self.grid = (input.num_frames // tubelet, input.height // patch, input.width // patch)
        num = self.grid[0] * self.grid[1] * self.grid[2]
        self.embed = nn.Linear(tubelet * patch * patch * len(input.mean), dim)
        self.register_buffer("position", sinusoid(num, dim), persistent=False)
        self.layers = VideoMAEEncoder(layers_config(
            dim=dim, depth=depth, heads=heads, dim_mlp=dim_mlp or 4 * dim, attn_implementation=attention))
        self.norm = nn.LayerNorm(dim, eps=EPS)
        self.head = linear_head(dim, num_classes, dropout=dropout)
        self.apply(init_linear)

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: one token for a tubelet."""
        self.check(num_frames, height, width)
        t, h, w = self.grid
        return t * h * w

    def forward(self, frames: Tensor, gone: Tensor | None = None) -> Features:
        """Encode clips.

        Args:
            frames: (B, T, C, H, W), uint8 in [0, 255] or float in [0, 1].
            gone: bool (B, t * h * w), as many in every row: tubelets that are not looked at; their tokens are filled
                in with the ones last seen at their places.

        Raises:
            InvalidInput: a clip that does not fit; says what does.
        """
        if gone is None:
            return super().forward(frames)
        seen = self.tokens(patches_of(self.prepare(frames), self.tubelet, self.patch), ~gone)
        return self.features(refilled(seen, gone, self.grid))

    def encode(self, frames: Tensor) -> Features:
        """Encode checked and normalised clips, float (B, T, C, H, W)."""
        return self.features(self.tokens(patches_of(frames, self.tubelet, self.patch)))

    def tokens(self, patches: Tensor, visible: Tensor | None = None) -> Tensor:
        """Run the network on tubelets, before the last normalisation.

        Args:
            patches: (B, N, K), as `patches_of` cuts them.
            visible: bool (B, N), as many in every row: the tubelets to look at, all by default; others cost nothing.

        Returns:
            (B, N or the number of visible tubelets, D).
        """
        position = self.position.to(patches.dtype)
        if visible is not None:
            b, n, k = patches.shape
            patches = patches[visible].view(b, -1, k)
            position = position.expand(b, n, -1)[visible].view(b, -1, self.dim)
        return self.layers(self.embed(patches) + position).last_hidden_state

    def features(self, x: Tensor) -> Features:
        """Normalise and pool tokens of the whole grid."""
        if self.norm_first:
            x = self.norm(x)
        pooled = x.mean(1)
        return Features(tokens=x, grid=self.grid, pooled=pooled if self.norm_first else self.norm(pooled))

    def for_finetuning(self, *, num_classes: int = 0, labels: tuple[str, ...] = (), **options: Any) -> Self:
        """Return a copy of a pretrained network that normalises the mean, with a new norm and a new classifier.

        Args:
            num_classes: width of the classifier.
            labels: names of the classes; sets `num_classes`.
            options: changes of the options, such as dropout.
        """
        kept = {k: v for k, v in self.config.items() if k not in {"num_classes", "labels", "input", "norm_first"}}
        new = type(self).create(**{**kept, **options}, num_classes=num_classes, labels=labels, input=self.input)
        new.embed.load_state_dict(self.embed.state_dict())
        new.layers.load_state_dict(self.layers.state_dict())
        return new
