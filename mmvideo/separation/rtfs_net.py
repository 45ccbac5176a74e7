"""RTFS-Net: recurrent units along frequency and along time, few parameters, one fusion (Pegg et al. 2024).

https://arxiv.org/abs/2309.17189; release https://github.com/spkgyk/RTFS-Net (MIT). The authors publish no weights of
the separator. Its lip network is the one of lip-reading on LRW, frozen; it is not counted in the published size.
"""

from __future__ import annotations

from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from mmvideo.encoders.preset import Published
from mmvideo.nn import checkpoints
from mmvideo.nn.checkpoints import Format
from mmvideo.separation import lip_resnet
from mmvideo.separation.base import Separator, SeparatorPreset
from mmvideo.separation.lip_resnet import LipResNet
from mmvideo.separation.rtfs_blocks import FrameAttention, Fusion, Pyramid, SequenceAttention, Sweep, global_norm
from mmvideo.separation.spectrum import Spectrum, as_channels, as_complex
from mmvideo.types import Cues

PAPER = "Pegg et al. 2024, arXiv:2309.17189, table 1, without the lip network; MACs for 2 s"
RELEASE = "https://github.com/spkgyk/RTFS-Net"
BINS = 64
"""Bins at the coarser scale of a spectrum of 129."""
SHORTEST = 4096
"""Samples to which shorter windows are padded."""


def _table(repeats: int, gmacs: float, about: str, quality: str) -> SeparatorPreset:
    return SeparatorPreset(about, {"repeats": repeats}, licence="MIT (code of the release)", weights=(
        "no weights of the separator are public; the lip network's: load_lips(file), from CTCNet's page"),
        published=Published(PAPER, params_millions=0.74, gflops=gmacs), published_seconds=2.0,
        published_without=("lips",), quality=f"SI-SNRi {quality} dB on LRS2-2Mix, LRS3-2Mix, VoxCeleb2-2Mix")


_SHARED = (
    (r"\.full_layer\.2\.", ".conv."), (r"\.full_layer\.[03]\.(norm\.)?", ".norm."), (r"\.full_layer\.4\.", ".act."),
)
RELEASE_NAMES = (
    (r"^(audio_model|module)\.", ""), (r"^video_model\.", None), (r"\.(pos_enc\.pe|scale_x)$", None), *_SHARED,
    (r"^encoder\.conv\.conv\.", "embed."), (r"^audio_bottleneck\.", "enter."),
    (r"^refinement_module\.audio_net\.blocks\.", "sound."), (r"^refinement_module\.video_net\.blocks\.", "video."),
    (r"^refinement_module\.crossmodal_fusion\.fusion_module\.audio_lstm\.", "fusion."),
    (r"^(fusion\.)(key|value)_embed\.", r"\1\2."), (r"^fusion\.attention_embed\.", "fusion.attend."),
    (r"^mask_generator\.mask_generator\.0\.", "mask.act."), (r"^mask_generator\.mask_generator\.1\.", "mask."),
    (r"^decoder\.decoder\.", "unembed."),
    (r"^(sound|video)\.projection\.", r"\1.squeeze."), (r"^(sound|video)\.downsample_layers\.", r"\1.down."),
    (r"^(sound|video)\.globalatt\.", r"\1.think."), (r"^(sound|video)\.fusion_layers\.", r"\1.inject."),
    (r"^(sound|video)\.concat_layers\.", r"\1.join."), (r"^(sound|video)\.residual_conv\.", r"\1.out."),
    (r"\.local_embedding\.", ".local."), (r"\.global_embedding\.", ".coarse."), (r"\.global_gate\.", ".gate."),
    (r"\.rnn\.rnn_lst\.", ".rnn.layers."), (r"^(sound\.think\.[01])\.linear\.", r"\1.out."),
    (r"\.Queries\.", ".queries."), (r"\.Keys\.", ".keys."), (r"\.Values\.", ".values."),
    (r"\.attn_concat_proj\.", ".out."),
    (r"\.MHSA\.", "."), (r"\.FFN\.encoder\.", ".widen."), (r"\.FFN\.refiner\.", ".refine."),
    (r"\.FFN\.decoder\.", ".narrow."),
)
"""From the names of the release to ours."""


class RTFSNet(Separator):
    """Mixture and faces -> one voice a face.

    Args:
        repeats: passes through the one block of recurrent units, R in the paper.
        channels: C of the sound.
        width: channels inside the blocks.
        frozen: keep the lip network as it is in training.
    """

    PRESETS: ClassVar = {
        "rtfs-net-4": _table(4, 21.9, "4 passes", "14.1, 15.5, 11.5"),
        "rtfs-net-6": _table(6, 30.5, "6 passes", "14.6, 16.9, 11.8"),
        "rtfs-net-12": _table(12, 56.4, "12 passes", "14.9, 17.5, 12.4"),
    }
    CHECKPOINTS: ClassVar = {"rtfs-net": Format(RELEASE, RELEASE_NAMES)}
    window_seconds: float = 2.0

    def __init__(self, *, repeats: int = 4, channels: int = 256, width: int = 64, frozen: bool = True):
        super().__init__()
        self.config = {"repeats": repeats, "channels": channels, "width": width, "frozen": frozen}
        self.repeats, self.frozen = repeats, frozen
        self.spectrum = Spectrum(256, 256, 128, pad_mode="reflect")
        self.lips = LipResNet().requires_grad_(not frozen)
        self.embed = nn.Conv2d(2, channels, 3, padding=1, bias=False)
        self.enter = nn.Sequential()
        self.enter.add_module("norm", global_norm(channels))
        self.enter.add_module("act", nn.ReLU())
        self.enter.add_module("conv", nn.Conv2d(channels, channels, 1))
        self.sound = Pyramid(channels, width, 2, 4, dims=2, norm=global_norm, think=(
            Sweep(width, along=3), Sweep(width, along=2), FrameAttention(width, BINS)))
        self.video = Pyramid(LipResNet.width, width, 4, 3, dims=1, norm=nn.BatchNorm1d,
                             think=(SequenceAttention(width),))
        self.fusion = Fusion(channels, LipResNet.width)
        self.mask = nn.Sequential()
        self.mask.add_module("act", nn.PReLU())
        self.mask.add_module("conv", nn.Conv2d(channels, channels, 1))
        self.unembed = nn.ConvTranspose2d(channels, 2, 3, padding=1, bias=False)

    def train(self, mode: bool = True) -> Self:
        """Set training mode; a frozen lip network stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.lips.eval()
        return self

    def forward(self, mixture: Tensor, cues: Cues | None = None) -> Tensor:
        """Separate windows of any length; 2 s is what the network was made for. See `Separator.forward`."""
        cues = self.check(mixture, cues)
        (b, samples), p = mixture.shape, cues.num_faces
        spec = self.spectrum.analyse(pad(mixture, (0, max(0, SHORTEST - samples))))
        seen = self.lips(cues.mouths.flatten(0, 1), cues.valid.flatten(0, 1))
        out = self.separate_spectra(spec.repeat_interleave(p, 0), seen)
        return self.spectrum.synthesise(out, max(samples, SHORTEST))[..., :samples].unflatten(0, (b, p))

    def separate_spectra(self, spec: Tensor, seen: Tensor) -> Tensor:
        """Return the spectra of the voices whose lips are seen.

        Args:
            spec: complex (B, 129, T) of the mixtures.
            seen: features of the lips, float (B, 512, T').

        Returns:
            complex (B, 129, T).
        """
        heard = self.embed(as_channels(spec).transpose(2, 3))
        entered = self.enter(heard)
        x = self.fusion(self.sound(entered), self.video(seen))
        for _ in range(self.repeats - 1):
            x = self.sound(x + entered)
        real, imaginary = self.mask(x).relu().chunk(2, 1)
        heard_real, heard_imaginary = heard.chunk(2, 1)
        masked = torch.cat((heard_real * real - heard_imaginary * imaginary,
                            heard_real * imaginary + heard_imaginary * real), 1)
        return as_complex(self.unembed(masked).transpose(2, 3).contiguous())

    def load_tensors(self, tensors: dict[str, Tensor], form: str | None = None, *, where: str = "checkpoint") -> Self:
        """Do as `load_checkpoint`, with tensors under the release's names; the lip network keeps its weights."""
        own = {f"lips.{name}": t for name, t in self.lips.state_dict().items()}
        named = checkpoints.renamed_tensors(tensors, self.CHECKPOINTS[form or "rtfs-net"])
        checkpoints.load_strictly(self, named | own, where=where)
        return self.eval()

    def load_lips(self, path: str) -> Self:
        """Fill the lip network with a lip-reading checkpoint (ResNet-18 with PReLU, as CTCNet links it), strictly.

        Raises:
            WeightsError: the file is missing, damaged, or of another network.
        """
        named = checkpoints.renamed_tensors(checkpoints.read_checkpoint(path),
                                            Format(RELEASE, lip_resnet.RELEASE_NAMES))
        checkpoints.load_strictly(self.lips, named, where=str(path))
        return self


__all__ = ["RTFSNet"]
