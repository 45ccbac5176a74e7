"""A tiny X-CLIP scores windows against phrases."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput
from mmvideo.hub.classifier import HubClassifier
from mmvideo.stages.locate_features import PhraseLocator


@pytest.fixture(scope="module")
def xclip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import (
        CLIPImageProcessor,
        CLIPTokenizer,
        XCLIPConfig,
        XCLIPModel,
        XCLIPProcessor,
        XCLIPTextConfig,
        XCLIPVisionConfig,
    )

    folder = tmp_path_factory.mktemp("xclip")
    torch.manual_seed(0)
    letters = [chr(code) for code in range(97, 123)]
    vocabulary = {piece: number for number, piece in enumerate([*letters, *(f"{one}</w>" for one in letters),
                                                                "<|startoftext|>", "<|endoftext|>"])}
    wide = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = XCLIPConfig(
        text_config=XCLIPTextConfig(**wide, vocab_size=len(vocabulary), eos_token_id=vocabulary["<|endoftext|>"],
                                    projection_dim=16).to_dict(),
        vision_config=XCLIPVisionConfig(**wide, image_size=32, patch_size=16, num_frames=4, mit_hidden_size=16,
                                        mit_intermediate_size=16, mit_num_hidden_layers=1, mit_num_attention_heads=2,
                                        projection_dim=16).to_dict(),
        projection_dim=16, prompt_layers=1, prompt_num_attention_heads=2)
    XCLIPModel(config).save_pretrained(folder)
    image = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    XCLIPProcessor(image, CLIPTokenizer(vocab=vocabulary, merges=[])).save_pretrained(folder)
    return folder


def test_windows_that_fit_a_phrase_become_its_spans(xclip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipeline("temporal-localization", model=xclip, device="cpu", labels=["rain"], window_seconds=2.0)
    stage = pipe.stages[1][1]
    assert isinstance(stage.locator, PhraseLocator)
    assert stage.partition() is None
    frames = torch.zeros(80, 3, 32, 32, dtype=torch.uint8)
    frames[30:60] = 200
    assert all(one.kind == "phrase" for one in pipe(frames, fps=8.0).located)  # random weights: any or none
    monkeypatch.setattr(HubClassifier, "logits", lambda self, clip, source: torch.tensor(
        [[4.0, 0.0] if float(clip.float().mean()) > 100 else [0.0, 4.0]]))
    found = pipe(frames, fps=8.0)
    best = max(found.located, key=lambda one: one.score)
    assert best.label == "rain"
    assert best.start_seconds == pytest.approx(3.75, abs=1.2)
    assert best.end_seconds == pytest.approx(7.5, abs=1.2)


def test_phrases_are_needed(xclip: Path) -> None:
    with pytest.raises(InvalidInput, match="give labels"):
        Pipeline("temporal-localization", model=xclip, device="cpu")
    with pytest.raises(InvalidInput, match="takes no kinds"):
        Pipeline("temporal-localization", model=xclip, device="cpu", labels=["rain"], kinds=["sound"])
