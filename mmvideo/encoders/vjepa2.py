"""V-JEPA 2: a vision transformer trained to predict features of hidden tubelets (Assran et al. 2025).

https://arxiv.org/abs/2506.09985. Encoder and attentive classifier are transformers'; the predictor is left out.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder
from mmvideo.encoders.preset import Input, Preset, Published
from mmvideo.errors import InvalidInput
from mmvideo.nn.checkpoints import Format
from mmvideo.types import Features

PAPER = "README of github.com/facebookresearch/vjepa2 (size of the encoder alone)"
ROUNDED = "the source rounds the encoder's size; the attentive classifier is counted here"
PATCH, TUBELET = 16, 2


def _preset(about: str, input: Input, params_millions: float, dim: int, depth: int, heads: int,
            mlp_ratio: float = 4.0) -> Preset:
    return Preset(about, input, {"dim": dim, "depth": depth, "heads": heads, "mlp_ratio": mlp_ratio}, num_classes=174,
                  views=(2, 3), licence="MIT (code of the release)",
                  weights="transformers: facebook/vjepa2-* on the hub",
                  published=Published(PAPER, params_millions, difference=ROUNDED))


class VJEPA2(VideoEncoder):
    """A vision transformer over tubelets of 2 frames and 16x16 pixels, with rotary positions in t, h and w.

    The pooled vector is the mean of the tokens; the classifier looks at all tokens through an attentive pooler.

    Args:
        dim: D.
        depth: number of layers.
        heads: of attention.
        mlp_ratio: width inside a layer's perceptron, as a multiple of D.
        pooler_depth: layers of self-attention in the pooler.

    Raises:
        InvalidInput: frames that are not square, or a clip that tubelets do not tile.
    """

    PRESETS: ClassVar = {
        "vjepa2-l": _preset("ViT-L, 16 frames of 256x256", Input(16, 256, 256), 300, 1024, 24, 16),
        "vjepa2-h": _preset("ViT-H, 64 frames of 256x256", Input(64, 256, 256), 600, 1280, 32, 16),
        "vjepa2-g": _preset("ViT-g, 64 frames of 256x256", Input(64, 256, 256), 1000, 1408, 40, 22, 48 / 11),
        "vjepa2-g-384": _preset("ViT-g, 64 frames of 384x384", Input(64, 384, 384), 1000, 1408, 40, 22, 48 / 11),
        "vjepa2-tiny": Preset("small enough to train in minutes", Input(16, 64, 64),
                              {"dim": 192, "depth": 4, "heads": 4, "pooler_depth": 1}, num_classes=10, views=(1, 1)),
    }
    CHECKPOINTS: ClassVar = {
        "transformers": Format(
            "VJEPA2ForVideoClassification, or VJEPA2Model with num_classes=0, of "
            "https://github.com/huggingface/transformers",
            rename=((r"^vjepa2\.", ""), (r"^predictor\.", None), (r"^classifier\.", "head."))),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, dim: int = 1024, depth: int = 24, heads: int = 16,
                 mlp_ratio: float = 4.0, pooler_depth: int = 3):
        from transformers import VJEPA2Config, VJEPA2ForVideoClassification

        super().__init__(input=input, num_classes=num_classes)
        if input.height != input.width or input.height % PATCH or input.num_frames % TUBELET:
            raise InvalidInput(f"V-JEPA 2 takes square frames whose sides are multiples of {PATCH} and clips of an "
                               f"even number of frames, not {input.num_frames} of {input.height}x{input.width}.")
        network = VJEPA2ForVideoClassification(VJEPA2Config(
            crop_size=input.height, frames_per_clip=input.num_frames, hidden_size=dim, num_hidden_layers=depth,
            num_attention_heads=heads, mlp_ratio=mlp_ratio, num_pooler_layers=pooler_depth, pred_num_hidden_layers=1,
            in_chans=len(input.mean), num_labels=max(num_classes, 1), attn_implementation="sdpa"))
        self.dim = dim
        self.encoder = network.vjepa2.encoder
        self.pooler = network.pooler if num_classes else nn.Identity()
        self.head = network.classifier if num_classes else nn.Identity()

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: a token for each 2 frames and 16x16 pixels."""
        self.check(num_frames, height, width)
        return num_frames // TUBELET * (height // PATCH) * (width // PATCH)

    def encode(self, frames: Tensor) -> Features:
        t, h, w = frames.shape[1] // TUBELET, frames.shape[3] // PATCH, frames.shape[4] // PATCH
        tokens = self.encoder(frames).last_hidden_state
        return Features(tokens=tokens, grid=(t, h, w), pooled=tokens.mean(1))

    def classify(self, features: Features) -> Tensor:
        return self.head(self.pooler(features.tokens))
