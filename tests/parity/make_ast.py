"""python tests/parity/make_ast.py FOLDER_OF_ast FOLDER_WITH_timm-0.4.5: keep what the reference gives.

Reference: https://github.com/YuanGongND/ast at 31088be, its smallest network cut to two layers, on a spectrogram made
as its loader makes it (src/dataloader.py) from a fabricated sound. It asks for timm 0.4.5 and for wget, which it only
needs to download.
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

import fabricate
import torch
import torchaudio

sys.path[:0] = [sys.argv[2], str(Path(sys.argv[1]) / "src")]
sys.modules["wget"] = types.ModuleType("wget")
ASTModel = importlib.import_module("models.ast_models").ASTModel

FRAMES = 128
network = ASTModel(label_dim=7, input_tdim=FRAMES, imagenet_pretrain=False, model_size="tiny224", verbose=False)
network.v.blocks = network.v.blocks[:2]
network = torch.nn.DataParallel(network)  # the released files begin with "module."
shapes = fabricate.fill(network)
audio = fabricate.clip(2, 16_000, name="sound") - 0.5
banks = []
for sound in audio:
    bank = torchaudio.compliance.kaldi.fbank(
        (sound - sound.mean())[None], htk_compat=True, sample_frequency=16_000, use_energy=False,
        window_type="hanning", num_mel_bins=128, dither=0.0, frame_shift=10)
    banks.append(torch.nn.functional.pad(bank, (0, 0, 0, FRAMES - len(bank))))
spectrogram = (torch.stack(banks) + 4.2677393) / (2 * 4.5689974)
with torch.no_grad():
    logits = network.module(spectrogram)
fabricate.keep("ast", reference="github.com/YuanGongND/ast at 31088be", shapes=shapes,
               outputs={"logits": logits, "spectrogram": spectrogram[:, ::4, ::4]})
