"""Masked pretraining of VideoMAE and VideoMAE V2: most of a clip is hidden, and its pixels are to be told.

- the encoder sees the visible tubelets only (a tenth of them or less): nothing else is embedded or computed.
- a narrow decoder gets the encoder's tokens and, for each hidden tubelet, one learned token with its position.
- the targets are pixels, normalised inside each tubelet and channel (Tong et al. 2022, section 3.3).
- V2 (Wang et al. 2023) also hides tubelets from the decoder, which then predicts the others alone.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from mmvideo.encoders.preset import Input
from mmvideo.encoders.videomae import (
    EPS,
    OFFICIAL_LAYERS,
    TRANSFORMERS_LAYERS,
    V1,
    V2,
    VideoMAE,
    converted,
    init_linear,
    layers_config,
    patches_of,
    sinusoid,
)
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.nn import checkpoints
from mmvideo.nn.checkpoints import Format
from mmvideo.nn.pretrained import Pretrained

DECODERS = {"videomae-s": (192, 3), "videomae-b": (384, 6), "videomae-l": (512, 8), "videomae-h": (640, 8),
            "videomae-g": (512, 8), "videomae-tiny": (96, 3)}
"""Width and heads of the decoder that the releases give each encoder, four layers deep; V2 gives ViT-H (512, 8)."""


class MaskedAutoencoder(Pretrained):
    """An encoder of the `videomae` family with the decoder that teaches it; `encoder` is what is kept.

    Args:
        encoder: a preset of the family.
        input: another clip than the preset's.
        depth_decoder: layers of the decoder.
        dim_decoder: its width; what the release gives the preset by default.
        heads_decoder: its heads, likewise.
        options: changes of the encoder's options.

    Raises:
        UnknownName: no such preset.
    """

    CHECKPOINTS: ClassVar = {
        "videomae": Format(
            f"{V1} and {V2}: pretrained networks",
            rename=((r"^encoder\.blocks\.", "encoder.layers.layer."),
                    (r"^decoder\.blocks\.", "decoder.decoder_layers."), (r"^encoder_to_decoder\.", "bridge."),
                    *OFFICIAL_LAYERS), convert=converted),
        "transformers": Format(
            "VideoMAEForPreTraining of https://github.com/huggingface/transformers",
            rename=((r"^videomae\.encoder\.", "encoder.layers."), (r"^videomae\.layernorm\.", "encoder.norm."),
                    (r"^videomae\.", "encoder."), (r"^encoder_to_decoder\.", "bridge."), *TRANSFORMERS_LAYERS),
            convert=converted),
    }

    def __init__(self, encoder: str, *, input: Input | None = None, depth_decoder: int = 4, dim_decoder: int = 0,
                 heads_decoder: int = 0, **options: Any):
        super().__init__()
        from transformers.models.videomae.modeling_videomae import VideoMAEDecoder

        self.encoder = VideoMAE.create(encoder, num_classes=0, input=input, norm_first=True, **options)
        width, heads = DECODERS[encoder]
        width, heads = dim_decoder or width, heads_decoder or heads
        self.config = {"encoder": encoder, "input": asdict(self.encoder.input), "depth_decoder": depth_decoder,
                       "dim_decoder": width, "heads_decoder": heads, **options}
        self.grid = self.encoder.grid
        num = self.grid[0] * self.grid[1] * self.grid[2]
        self.bridge = nn.Linear(self.encoder.dim, width, bias=False)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        self.register_buffer("position", sinusoid(num, width), persistent=False)
        self.decoder = VideoMAEDecoder(layers_config(
            dim=width, depth=0, heads=heads, dim_mlp=4 * width, decoder_hidden_size=width,
            decoder_num_hidden_layers=depth_decoder, decoder_num_attention_heads=heads,
            decoder_intermediate_size=4 * width, patch_size=self.encoder.patch, tubelet_size=self.encoder.tubelet,
            num_channels=len(self.encoder.input.mean),
            attn_implementation=self.encoder.layers.config._attn_implementation))
        self.decoder.norm.eps = EPS
        self.bridge.apply(init_linear)
        self.decoder.apply(init_linear)

    @classmethod
    def from_config(cls, config: dict) -> Self:
        """Build what `save_pretrained` described."""
        given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v
                                 for name, v in config["input"].items()}
        return cls(**{**config, "input": Input(**given)})

    def load_checkpoint(self, path: str | Path, form: str = "videomae") -> Self:
        """Fill encoder and decoder with the weights of a public checkpoint, strictly.

        Raises:
            UnknownName: no such format.
            WeightsError: the file is damaged, or is of another architecture.
        """
        return self.load_tensors(checkpoints.read_checkpoint(path), form, where=str(path))

    def load_tensors(self, tensors: dict[str, Tensor], form: str = "videomae", *, where: str = "checkpoint") -> Self:
        """Do as `load_checkpoint`, with tensors under the release's names."""
        if form not in self.CHECKPOINTS:
            raise UnknownName("checkpoint format of MaskedAutoencoder", form, self.CHECKPOINTS)
        checkpoints.load_strictly(self, checkpoints.renamed_tensors(tensors, self.CHECKPOINTS[form]), where=where)
        return self.eval()

    def forward(self, frames: Tensor, mask: Tensor, decoder_mask: Tensor | None = None) -> Tensor:
        """Predict hidden tubelets.

        Args:
            frames: clips (B, T, C, H, W), uint8 in [0, 255] or float in [0, 1].
            mask: bool (B, N), True where the encoder sees nothing; as many in every row.
            decoder_mask: bool (B, N), True where the decoder predicts nothing; by default what the encoder sees.

        Returns:
            float (B, M, K): the tubelets that the decoder predicts, in the order of the grid; all N where `mask` hides
            nothing.

        Raises:
            InvalidInput: a clip or a mask that does not fit.
        """
        return self._predict(self._patches(frames), *self._masks(mask, decoder_mask))

    def loss(self, frames: Tensor, mask: Tensor, decoder_mask: Tensor | None = None) -> Tensor:
        """Return the mean squared error over the tubelets that are hidden from the encoder and predicted.

        Where `mask` hides nothing, all tubelets count: an ordinary autoencoder. Arguments and errors are those of
        `forward`.
        """
        patches, (mask, decoder_mask) = self._patches(frames), self._masks(mask, decoder_mask)
        told = self._predict(patches, mask, decoder_mask)
        targets = self.targets(patches)
        if not mask.any():
            return (told.float() - targets).square().mean()
        predicted = mask if decoder_mask is None else ~decoder_mask
        error = (told.float() - targets[predicted].view(told.shape)).square().mean(-1)
        counted = mask[predicted].view(error.shape).to(error.dtype)
        return (error * counted).sum() / counted.sum().clamp_min(1)

    def targets(self, patches: Tensor) -> Tensor:
        """Return what is to be told of normalised tubelets (B, N, K): their pixels, of zero mean and unit deviation."""
        with torch.no_grad():
            mean, std = self.encoder.mean.view(-1), self.encoder.std.view(-1)
            pixels = patches.float().unflatten(-1, (-1, len(mean))) * std + mean
            centred = pixels - pixels.mean(-2, keepdim=True)
            return (centred / (pixels.var(-2, keepdim=True).sqrt() + 1e-6)).flatten(-2)

    def _patches(self, frames: Tensor) -> Tensor:
        return patches_of(self.encoder.prepare(frames), self.encoder.tubelet, self.encoder.patch)

    def _masks(self, mask: Tensor, decoder_mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Check masks and bring them to the device of the weights."""
        t, h, w = self.grid
        for name, given in (("mask", mask), ("decoder_mask", decoder_mask)):
            if given is None:
                continue
            if given.dtype != torch.bool or given.ndim != 2 or given.shape[1] != t * h * w:
                raise InvalidInput(f"{name} must be bool (B, {t * h * w}) over a grid of {t}x{h}x{w}, "
                                   f"not {given.dtype} {tuple(given.shape)}.")
            counts = given.sum(1)
            if (counts != counts[0]).any() or counts[0] == t * h * w:
                raise InvalidInput(f"{name} must hide as many of the {t * h * w} tokens in every clip, and not all; "
                                   f"it hides {counts.tolist()}.")
        device = self.mask_token.device
        return mask.to(device), None if decoder_mask is None else decoder_mask.to(device)

    def _predict(self, patches: Tensor, mask: Tensor, decoder_mask: Tensor | None) -> Tensor:
        if len(mask) != len(patches):
            raise InvalidInput(f"mask is for {len(mask)} clips, and there are {len(patches)}.")
        seen = self.bridge(self.encoder.norm(self.encoder.tokens(patches, ~mask)))
        b, _, width = seen.shape
        position = self.position.to(seen.dtype).expand(b, -1, -1)
        predicted = mask if decoder_mask is None else ~decoder_mask
        hidden = self.mask_token + position[predicted].view(b, -1, width)
        both = torch.cat((seen + position[~mask].view(b, -1, width), hidden.to(seen.dtype)), 1)
        # With nothing to predict this is all tokens: transformers cuts the last 0, which is the whole.
        return self.decoder(both, hidden.shape[1]).logits
