"""AST, the Audio Spectrogram Transformer (Gong et al. 2021, https://arxiv.org/abs/2104.01778).

- the network is transformers' own; the log-mel front end is ours, in batches and on the device of the weights.
- patches of 16 bands x 16 frames overlap: a stride of 10 gives 12 x 101 of them for 10.24 s.
- features are the mean of a class token and a distillation token, as in DeiT, from which AST is initialised.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from mmvideo.encoders.audio_base import AudioEncoder, features_of_spectrum
from mmvideo.encoders.preset import AudioInput, Preset, Published
from mmvideo.errors import InvalidInput
from mmvideo.nn.checkpoints import Format
from mmvideo.types import Features

PATCH, EPS = 16, 1e-6
RELEASE = "https://github.com/YuanGongND/ast"
LICENCE = "BSD-3-Clause (code and weights of the release)"
AUDIOSET = AudioInput(16_000, 10.24)

OFFICIAL = (
    (r"^v\.(head|head_dist)\.", None), (r"^mlp_head\.", "head."), (r"^v\.blocks\.", "net.layers."),
    (r"^v\.norm\.", "net.layernorm."), (r"^v\.cls_token$", "net.embeddings.cls_token"),
    (r"^v\.dist_token$", "net.embeddings.distillation_token"),
    (r"^v\.pos_embed$", "net.embeddings.position_embeddings"),
    (r"^v\.patch_embed\.proj\.", "net.embeddings.patch_embeddings.projection."),
    (r"\.norm1\.", ".layernorm_before."), (r"\.norm2\.", ".layernorm_after."),
    (r"\.attn\.proj\.", ".attention.o_proj."), (r"\.attn\.qkv\.", ".attention.qkv."),
)
HUB = (
    (r"^audio_spectrogram_transformer\.", "net."), (r"^classifier\.layernorm\.", "head.0."),
    (r"^classifier\.dense\.", "head.1."),
    # Files on the hub keep the names of older versions of transformers, which renames them while it loads.
    (r"^net\.encoder\.layer\.", "net.layers."), (r"\.attention\.attention\.query\.", ".attention.q_proj."),
    (r"\.attention\.attention\.key\.", ".attention.k_proj."),
    (r"\.attention\.attention\.value\.", ".attention.v_proj."),
    (r"\.attention\.output\.dense\.", ".attention.o_proj."), (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"(layers\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
)


def _split(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Split queries, keys and values, which the release keeps in one matrix."""
    result: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if ".attention.qkv." in name:
            result |= {name.replace(".qkv.", f".{part}_proj."): x for part, x in
                       zip("qkv", tensor.chunk(3), strict=True)}
        else:
            result[name] = tensor
    return result


def _audioset(stride: int, precision: float) -> Preset:
    size = Published("Chen et al. 2022, arXiv:2202.00874, comparison on AudioSet (the paper of AST states no size)",
                     params_millions=87, top1=precision, top1_on="AudioSet (mean average precision)",
                     difference="" if stride == 10 else "the figure is that of stride 10, which has more positions")
    return Preset(f"sounds of AudioSet, patches every {stride} frames and bands", AUDIOSET, {"stride": stride},
                  num_classes=527, views=(1, 1), licence=LICENCE,
                  weights=f"ast: {RELEASE}; transformers: MIT/ast-finetuned-audioset-{stride}-{stride}-* on the hub",
                  published=size)


class AST(AudioEncoder):
    """A vision transformer over overlapping patches of a log-mel spectrogram.

    Features are tokens on a grid (t, 1, f), time first, then the class and the distillation token; pooled is the mean
    of these two.

    Args:
        dim: D.
        depth: number of layers; 0 leaves the embedded patches as they are.
        heads: of attention.
        stride: frames and bands from patch to patch; 16 is no overlap.
        num_mels: bands of the spectrogram.
        attention: "sdpa", torch's fused attention, or "eager", plain matrix products (faster on a CPU for few tokens).

    Raises:
        InvalidInput: sound shorter than a patch.
    """

    PRESETS: ClassVar = {
        "ast-audioset": _audioset(10, 45.9),
        "ast-audioset-12": _audioset(12, 44.7),
        "ast-audioset-14": _audioset(14, 44.3),
        "ast-audioset-16": _audioset(16, 44.2),
        "ast-speechcommands": Preset(
            "35 spoken words", AudioInput(16_000, 1.28, mean=-6.845978, std=5.5654526), {"stride": 10}, num_classes=35,
            views=(1, 1), licence=LICENCE,
            weights=f"ast: {RELEASE}; transformers: MIT/ast-finetuned-speech-commands-v2 on the hub",
            published=Published("Gong et al. 2021, arXiv:2104.01778, abstract", top1=98.1,
                                top1_on="Speech Commands V2")),
        "ast-tiny": Preset("small enough to train in minutes", AudioInput(16_000, 2.0),
                           {"dim": 128, "depth": 4, "heads": 4, "stride": 16, "num_mels": 64, "attention": "eager"},
                           num_classes=10, views=(1, 1)),
    }
    CHECKPOINTS: ClassVar = {
        "ast": Format(f"{RELEASE}: networks of DeiT's base size", rename=OFFICIAL, convert=_split),
        "transformers": Format("ASTForAudioClassification of https://github.com/huggingface/transformers", rename=HUB),
    }

    def __init__(self, *, input: AudioInput, num_classes: int = 0, dim: int = 768, depth: int = 12, heads: int = 12,
                 stride: int = 10, num_mels: int = 128, attention: str = "sdpa"):
        super().__init__(input=input, num_classes=num_classes, num_mels=num_mels)
        from transformers import ASTConfig
        from transformers.models.audio_spectrogram_transformer.modeling_audio_spectrogram_transformer import ASTModel

        if self.num_frames < PATCH or num_mels < PATCH:
            raise InvalidInput(f"A patch of AST is {PATCH} frames (of 10 ms) x {PATCH} bands; {self.num_frames} x "
                               f"{num_mels} hold none.")
        self.dim = dim
        self.bands, self.steps = (num_mels - PATCH) // stride + 1, (self.num_frames - PATCH) // stride + 1
        self.net = ASTModel(ASTConfig(
            hidden_size=dim, num_hidden_layers=depth, num_attention_heads=heads, intermediate_size=4 * dim,
            layer_norm_eps=EPS, frequency_stride=stride, time_stride=stride, max_length=self.num_frames,
            num_mel_bins=num_mels, attn_implementation=attention))
        for parameter in (self.net.embeddings.position_embeddings, self.net.embeddings.cls_token,
                          self.net.embeddings.distillation_token):
            nn.init.trunc_normal_(parameter, std=0.02)
        for module in self.net.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
        projection = self.net.embeddings.patch_embeddings.projection
        nn.init.xavier_uniform_(projection.weight.view(dim, -1))
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, num_classes)) if num_classes else nn.Identity()

    @property
    def num_tokens(self) -> int:
        """N: patches and two tokens more."""
        return self.steps * self.bands + 2

    def encode(self, spectrogram: Tensor) -> Features:
        """Encode normalised log-mel spectrograms, float (B, num_frames, num_mels)."""
        seen = self.net(spectrogram)
        x = seen.last_hidden_state
        maps = x[:, 2:].transpose(1, 2).unflatten(2, (self.bands, self.steps))
        return features_of_spectrum(maps, pooled=seen.pooler_output, extra=x[:, :2])
