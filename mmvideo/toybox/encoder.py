"""The embedded audio-visual encoder: a small VideoMAE over a convolutional stem, and a log-mel CNN beside it.

Features:
- transformers' VideoMAE layers (Tong et al. 2022); its patch projection is replaced by a light convolutional stem
  (Xiao et al. 2021, "Early convolutions help transformers see better") that sees each frame with the one before it.
- tubelets of 2 frames: 16 frames of 64x64 become an 8 x 4 x 4 grid of tokens.
- the sound becomes one token per 80 ms, from a log-mel spectrogram through three strided convolutions; a learned
  token stands in where the source has no sound track.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvideo.encoders.preset import Input, Preset
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.nn.attention import unit_init
from mmvideo.nn.pretrained import Pretrained
from mmvideo.nn.token_reduction import refilled
from mmvideo.types import Features

PATCH = 16
"""Pixels on a side of a token; the stem reaches it by three strided convolutions and a 2 x 2 merge."""
NUM_MELS, HOP, WINDOW = 48, 320, 640
"""50 spectrogram frames a second of 40 ms windows at 16 kHz."""


class ResidualConv(nn.Module):
    """Two 3x3 convolutions beside the identity (He et al. 2016), which is all it is at the start."""

    def __init__(self, width: int):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(2))
        nn.init.zeros_(self.norms[1].weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        y = F.relu(self.norms[0](self.convs[0](x)))
        return F.relu(x + self.norms[1](self.convs[1](y)))


class ConvStem(nn.Module):
    """Frames (B, T, 3, H, W) in [-1, 1] to VideoMAE tokens (B, T/2 * H/16 * W/16, D)."""

    def __init__(self, dim: int, *, num_frames: int, image_size: int, width: int = 32):
        super().__init__()
        self.grid = (num_frames // 2, image_size // PATCH, image_size // PATCH)
        self.num_patches = self.grid[0] * self.grid[1] * self.grid[2]
        widths = (6, width, 2 * width, 4 * width)
        self.convs = nn.ModuleList(nn.Conv2d(widths[i], widths[i + 1], 3, 2, 1, bias=False) for i in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm2d(w) for w in widths[1:])
        self.refine = ResidualConv(widths[-1])  # without it a toy is larger than what a feature sees
        self.merge = nn.Linear(2 * 2 * 2 * widths[-1], dim)
        t, h, w = self.grid
        self.position = nn.ParameterList(
            nn.Parameter(torch.zeros(shape)) for shape in ((t, 1, 1, dim), (1, h, 1, dim), (1, 1, w, dim)))
        for p in self.position:
            nn.init.normal_(p, std=0.3)

    def forward(self, frames: Tensor) -> Tensor:
        b, t, c, height, width = frames.shape
        before = torch.cat((frames[:, :1], frames[:, :-1]), 1)
        x = torch.cat((frames, frames - before), 2).view(b * t, 2 * c, height, width)
        x = x.contiguous(memory_format=torch.channels_last)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(norm(conv(x)))
        x = self.refine(x)
        gt, gh, gw = self.grid
        x = x.permute(0, 2, 3, 1).reshape(b, gt, 2, gh, 2, gw, 2, -1).permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(-4)
        x = self.merge(x) + self.position[0] + self.position[1] + self.position[2]
        return x.flatten(1, 3)


class MelEncoder(nn.Module):
    """Mono waveform (B, S) at 16 kHz to tokens (B, S / 1280, D)."""

    def __init__(self, dim: int, *, sample_rate: int, seconds: float, width: int = 32):
        super().__init__()
        with torch.device("cpu"):  # on the meta device its constants would lose their values for good
            from torchaudio.functional import melscale_fbanks

        self.num_tokens = round(seconds * sample_rate / HOP / 4)
        with torch.device("cpu"):  # it looks at what it has computed, which the meta device cannot
            filters = melscale_fbanks(WINDOW // 2 + 1, 40.0, sample_rate / 2, NUM_MELS, sample_rate)
        self.register_buffer("filters", filters.to(torch.get_default_device()), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.convs = nn.ModuleList((
            nn.Conv2d(1, width, 3, (1, 2), 1), nn.Conv2d(width, 2 * width, 3, 2, 1),
            nn.Conv2d(2 * width, 3 * width, 3, 2, 1)))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width * i) for i in (1, 2, 3))
        self.merge = nn.Linear(3 * width * (NUM_MELS // 8), dim)
        self.position = nn.Parameter(torch.zeros(1, self.num_tokens, dim))
        nn.init.normal_(self.position, std=0.3)
        self.absent = nn.Parameter(torch.zeros(1, 1, dim))

    def log_mel(self, audio: Tensor) -> Tensor:
        """Return the log-mel spectrogram (B, frames, NUM_MELS), float32, about zero mean."""
        spectrum = torch.stft(audio.float(), WINDOW, HOP, WINDOW, self.window, return_complex=True, center=True)
        power = spectrum.real.square() + spectrum.imag.square()
        return torch.log10((power.transpose(1, 2) @ self.filters).clamp_min(1e-6)) * 0.4 + 0.6

    def forward(self, audio: Tensor, has_audio: Tensor) -> Tensor:
        kind = audio.device.type
        with torch.autocast("cpu" if kind == "meta" else kind, enabled=False):
            x = self.log_mel(audio)[:, : self.num_tokens * 4, None].transpose(1, 2)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(norm(conv(x)))
        x = self.merge(x.permute(0, 2, 1, 3).flatten(2))
        keep = has_audio.to(x.dtype)[:, None, None]
        return x * keep + self.absent * (1 - keep) + self.position


class ToyboxAV(Pretrained):
    """Clips of two seconds with their sound -> Features: an (8, 4, 4) grid and 25 sound tokens."""

    PRESETS: ClassVar = {
        "toybox-av": Preset("two seconds of toybox with its sound", Input(16, 64, 64, fps=8.0), num_classes=0,
                            weights="embedded: toybox-qa/encoder"),
    }

    def __init__(self, *, dim: int = 256, depth: int = 4, heads: int = 4, num_frames: int = 16, image_size: int = 64,
                 sample_rate: int = 16_000, seconds: float = 2.0, stem_width: int = 32):
        super().__init__()
        from transformers import VideoMAEConfig
        from transformers.models.videomae.modeling_videomae import VideoMAEModel

        self.config = {"dim": dim, "depth": depth, "heads": heads, "num_frames": num_frames, "image_size": image_size,
                       "sample_rate": sample_rate, "seconds": seconds, "stem_width": stem_width}
        self.dim = self.dim_pooled = dim
        self.sample_rate, self.seconds = sample_rate, seconds
        self.video = VideoMAEModel(VideoMAEConfig(
            image_size=image_size, patch_size=PATCH, num_frames=num_frames, tubelet_size=2, hidden_size=dim,
            num_hidden_layers=depth, num_attention_heads=heads, intermediate_size=4 * dim, use_mean_pooling=False,
            attn_implementation="eager",  # at 128 tokens plain matmuls beat the fused kernel's backward on CPU
            attention_probs_dropout_prob=0.0, hidden_dropout_prob=0.0, initializer_range=0.04))
        # The stem adds learned positions of its own: the sinusoid over the flattened grid would only blur them.
        stem = ConvStem(dim, num_frames=num_frames, image_size=image_size, width=stem_width)
        self.video.embeddings.patch_embeddings = stem
        self.video.embeddings.position_embeddings = torch.zeros(1, stem.num_patches, dim)
        self.grid = stem.grid
        self.sound = MelEncoder(dim, sample_rate=sample_rate, seconds=seconds)
        self.sound.apply(unit_init)

    @classmethod
    def create(cls, preset: str) -> ToyboxAV:
        """Build a preset with random weights.

        Raises:
            UnknownName: no such preset.
        """
        if preset not in cls.PRESETS:
            raise UnknownName("toybox-av preset", preset, cls.PRESETS)
        return cls()

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return how many video tokens a clip gives (sound tokens come on top)."""
        return (num_frames // 2) * (height // PATCH) * (width // PATCH)

    def forward(self, frames: Tensor, audio: Tensor | None = None, has_audio: Tensor | None = None,
                gone: Tensor | None = None) -> Features:
        """Encode clips.

        Args:
            frames: uint8 (B, T, 3, H, W) of the configured size.
            audio: float32 (B, S) mono at the configured rate, the clip's span; None for silence without a track.
            has_audio: bool (B,); by default whether `audio` was given.
            gone: bool (B, t * h * w), as many in every row: tokens of the picture that the layers do not see; each is
                filled in with the one last seen at its place.

        Raises:
            InvalidInput: the frames have another size or number than the model was built for.
        """
        b = frames.shape[0]
        expected = (self.config["num_frames"], 3, self.config["image_size"], self.config["image_size"])
        if tuple(frames.shape[1:]) != expected:
            raise InvalidInput(f"toybox-av takes clips of {expected} (T, C, H, W), not {tuple(frames.shape[1:])}.")
        samples = round(self.seconds * self.sample_rate)
        if audio is None:
            audio = torch.zeros(b, samples, device=frames.device)
            has_audio = torch.zeros(b, dtype=torch.bool, device=frames.device)
        elif has_audio is None:
            has_audio = torch.ones(b, dtype=torch.bool, device=frames.device)
        video = self.video(frames.float() / 127.5 - 1, bool_masked_pos=gone).last_hidden_state
        if gone is not None:
            video = refilled(video, gone, self.grid)
        sound = self.sound(F.pad(audio, (0, max(0, samples - audio.shape[1])))[:, :samples], has_audio)
        return Features(tokens=torch.cat((video, sound.to(video.dtype)), 1), grid=self.grid, pooled=video.mean(1),
                        num_extra=sound.shape[1])
