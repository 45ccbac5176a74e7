"""Classifiers of the hub: equal logits on the same frames, with the preprocessing of their own files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mmvideo import Pipeline, read_video
from mmvideo.errors import InvalidInput, UnsupportedModel
from mmvideo.hub import cpu_inference
from mmvideo.hub.cpu_inference import attend, hastened
from mmvideo.nn import autotune, onednn
from tests.hub.checkpoints import byte_level, qwen_tokenizer
from tests.tiny import make_clip

LABELS = {0: "running", 1: "jumping", 2: "falling"}


def _small(**changes: Any) -> dict[str, Any]:
    return {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
            "id2label": LABELS, "label2id": {v: k for k, v in LABELS.items()}, "initializer_range": 0.2, **changes}


def videomae() -> tuple[Any, Any]:
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification, VideoMAEVideoProcessor

    size = {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}, "image_mean": [0.4, 0.5, 0.6]}
    return VideoMAEForVideoClassification(VideoMAEConfig(**_small(image_size=32, num_frames=8))), \
        VideoMAEVideoProcessor(**size)


def timesformer() -> tuple[Any, Any]:
    from transformers import TimesformerConfig, TimesformerForVideoClassification, VideoMAEImageProcessor

    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}  # as most files on the hub
    return TimesformerForVideoClassification(TimesformerConfig(**_small(image_size=32, num_frames=8))), \
        VideoMAEImageProcessor(**size)


def vivit() -> tuple[Any, Any]:
    from transformers import VivitConfig, VivitForVideoClassification, VivitVideoProcessor

    size = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
    return VivitForVideoClassification(VivitConfig(**_small(image_size=32, num_frames=8, tubelet_size=[2, 16, 16]))), \
        VivitVideoProcessor(**size)


def vjepa2() -> tuple[Any, Any]:
    from transformers import VJEPA2Config, VJEPA2ForVideoClassification, VJEPA2VideoProcessor

    config = VJEPA2Config(**_small(crop_size=32, frames_per_clip=8, mlp_ratio=2.0, num_pooler_layers=1,
                                   pred_hidden_size=32, pred_num_hidden_layers=1, pred_num_attention_heads=2))
    return VJEPA2ForVideoClassification(config), VJEPA2VideoProcessor(crop_size=32)


def videoprism() -> tuple[Any, Any]:
    from transformers import LlavaOnevisionVideoProcessor, VideoPrismForVideoClassification, VideoPrismVisionConfig

    config = VideoPrismVisionConfig(**{**_small(image_size=36, num_frames=8), "num_spatial_layers": 2,
                                       "num_temporal_layers": 1})
    return VideoPrismForVideoClassification(config), LlavaOnevisionVideoProcessor(size={"height": 36, "width": 36})


FAMILIES: dict[str, Callable[[], tuple[Any, Any]]] = {
    f.__name__: f for f in (videomae, timesformer, vivit, vjepa2, videoprism)}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=4))


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_transformers_over_the_whole_video(family: str, clip: str, tmp_path: Path) -> None:
    from transformers import AutoModelForVideoClassification

    torch.manual_seed(0)
    model, prepares = FAMILIES[family]()
    model.save_pretrained(tmp_path)
    prepares.save_pretrained(tmp_path)
    pipe = Pipeline("video-classification", model=tmp_path, device="cpu", dtype="float32", num_clips=2)
    result = pipe(clip)
    assert [label.name for label in result.labels] != []
    assert {label.name for label in result.labels} == set(LABELS.values())
    seen = result.seconds_looked_at
    assert seen[0] < 0.5
    assert seen[-1] > 3.4
    video = read_video(clip)
    rows = [int((video.pts_seconds - s).abs().argmin()) for s in seen]
    assert len(rows) == 16
    theirs = AutoModelForVideoClassification.from_pretrained(tmp_path).eval()
    logits = []
    for chosen in (rows[::2], rows[1::2]):
        frames = video.frames[chosen]
        given = prepares([frames], return_tensors="pt") if "Video" in type(prepares).__name__ and family != (
            "timesformer") else prepares(list(frames), return_tensors="pt")
        with torch.inference_mode():
            logits.append(theirs(**given).logits[0].flatten())
    expected = torch.stack(logits).mean(0).softmax(-1)
    found = {label.name: label.confidence for label in result.labels}
    for i, name in LABELS.items():
        assert found[name] == pytest.approx(float(expected[i]), abs=1e-4)
    assert expected.std() > 1e-3


def test_float32_on_a_cpu_runs_through_onednn_and_gives_the_same_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    if not onednn.available():
        pytest.skip("this build of torch has no oneDNN")
    torch.manual_seed(0)
    model = videomae()[0].eval()
    pixels = torch.randn(2, 8, 3, 32, 32)
    with torch.inference_mode():
        expected = model(pixels).logits
    heads: list[torch.Size] = []
    attention = onednn.attention
    ours = {"linear": "packed", "attention": "by-head"}
    monkeypatch.setattr(autotune, "fastest", lambda operation, *_: ours[operation])

    def noting(query: torch.Tensor, *rest: Any) -> torch.Tensor:
        heads.append(query.shape)
        return attention(query, *rest)

    monkeypatch.setitem(cpu_inference._WAYS, "by-head", noting)
    monkeypatch.setattr(cpu_inference, "_FEWEST_SCORES", 0)
    with FlopCounterMode(display=False) as counted, sdpa_kernel(SDPBackend.MATH), torch.inference_mode():
        model(pixels)  # torch does not count its fast attention on a CPU
    parameters = sum(p.numel() for p in model.parameters())
    assert hastened(model, attention=True) is model
    assert sum(isinstance(layer, onednn.PackedLinear) for layer in model.modules()) == 2 * 6 + 1
    with torch.inference_mode():
        torch.testing.assert_close(model(pixels).logits, expected, rtol=1e-5, atol=1e-5)
    assert heads == [torch.Size((2, 2, 16, 16))] * 2
    assert sum(p.numel() for p in model.parameters()) == parameters, "the weights are held once"
    with FlopCounterMode(display=False) as again, torch.inference_mode():
        model(pixels)
    assert again.get_total_flops() == counted.get_total_flops() > 0
    del heads[2:]
    torch.testing.assert_close(model(pixels).logits, expected, rtol=1e-5, atol=1e-5)  # with gradients
    assert len(heads) == 2
    query, key = torch.randn(1, 2, 500, 16), torch.randn(1, 2, 30, 16)
    torch.testing.assert_close(
        attention(query, key, key, 0.3), torch.nn.functional.scaled_dot_product_attention(query, key, key, scale=0.3))
    with torch.inference_mode():
        query, key = query.bfloat16(), key.bfloat16()
        exact = torch.nn.functional.scaled_dot_product_attention(query.double(), key.double(), key.double(), scale=0.3)
        torch.testing.assert_close(attention(query, key, key, 0.3).double(), exact, rtol=2 ** -8, atol=1e-5)
        half = videomae()[0].bfloat16().eval()
        expected = half(pixels.bfloat16()).logits
        hastened(half, attention=True)
        torch.testing.assert_close(half(pixels.bfloat16()).logits, expected, rtol=0.02, atol=0.02)


def test_a_mask_or_another_kind_of_attention_is_left_to_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_inference, "_FEWEST_SCORES", 0)
    for name in cpu_inference._WAYS:
        monkeypatch.setitem(cpu_inference._WAYS, name, lambda *_: pytest.fail("this is not plain attention"))
    module, x = torch.nn.Module(), torch.randn(1, 2, 6, 8)
    mask = torch.ones(6, 6, dtype=torch.bool).tril()
    with torch.inference_mode():
        for given in ({"attention_mask": mask}, {"is_causal": True}):
            found, _ = attend(module, x, x, x, **given)
            torch.testing.assert_close(found.transpose(1, 2), torch.nn.functional.scaled_dot_product_attention(
                x, x, x, is_causal=True))


def test_labels_of_ones_own_with_xclip(clip: str, tmp_path: Path) -> None:
    from transformers import (
        AutoModel,
        CLIPImageProcessor,
        CLIPTokenizer,
        XCLIPConfig,
        XCLIPModel,
        XCLIPProcessor,
        XCLIPTextConfig,
        XCLIPVisionConfig,
    )

    torch.manual_seed(0)
    vocabulary, _ = byte_level([])
    vocabulary |= {f"{piece}</w>": len(vocabulary) + i for i, piece in enumerate(list(vocabulary))}
    vocabulary |= {"<|startoftext|>": len(vocabulary), "<|endoftext|>": len(vocabulary) + 1}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[])
    wide = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = XCLIPConfig(
        text_config=XCLIPTextConfig(**wide, vocab_size=len(vocabulary), eos_token_id=vocabulary["<|endoftext|>"],
                                    projection_dim=16).to_dict(),
        vision_config=XCLIPVisionConfig(**wide, image_size=32, patch_size=16, num_frames=8, mit_hidden_size=16,
                                        mit_intermediate_size=32, mit_num_hidden_layers=1, mit_num_attention_heads=2,
                                        projection_dim=16).to_dict(),
        projection_dim=16, prompt_layers=1, prompt_num_attention_heads=2)
    XCLIPModel(config).save_pretrained(tmp_path)
    image = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    XCLIPProcessor(image, tokenizer).save_pretrained(tmp_path)
    names = ["a dog runs", "a red ball", "rain"]
    result = Pipeline("video-classification", model=tmp_path, device="cpu", dtype="float32", labels=names,
                      num_clips=1)(clip)
    video = read_video(clip)
    frames = video.frames[[int((video.pts_seconds - s).abs().argmin()) for s in result.seconds_looked_at]]
    texts = tokenizer([f"a video of {name}" for name in names], return_tensors="pt", padding=True)
    with torch.inference_mode():
        out = AutoModel.from_pretrained(tmp_path).eval()(
            input_ids=texts["input_ids"], attention_mask=texts["attention_mask"],
            pixel_values=image(list(frames), return_tensors="pt")["pixel_values"][None])
    expected = dict(zip(names, out.logits_per_video.softmax(-1)[0].tolist(), strict=True))
    assert {label.name: label.confidence for label in result.labels} == pytest.approx(expected, abs=1e-4)
    with pytest.raises(InvalidInput, match=r"chooses among labels of yours: give labels="):
        Pipeline("video-classification", model=tmp_path)
    with pytest.raises(InvalidInput, match=r"longest of the labels .* reads 77"):
        Pipeline("video-classification", model=tmp_path, device="cpu", labels=["rain", "a dog runs " * 30])
    with pytest.raises(InvalidInput, match=r"does not take the labels"):
        Pipeline("video-classification", model=tmp_path, device="cpu", labels=["rain", "\ud800"])


def test_labels_of_ones_own_with_perception_encoder(clip: str, tmp_path: Path) -> None:
    from transformers import PeVideoConfig, PeVideoModel, PeVideoProcessor, PeVideoVideoProcessor

    torch.manual_seed(0)
    tokenizer = qwen_tokenizer()
    vision = {"architecture": "vit_pe_core_large_patch14_336", "initializer_range": 0.02, "num_classes": 32,
              "global_pool": "map", "do_pooling": True,
              "model_args": {"embed_dim": 32, "depth": 2, "num_heads": 2, "img_size": [56, 56],
                             "ref_feat_shape": [4, 4]}}
    wide = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = PeVideoConfig(
        text_config={"model_type": "modernbert", **wide, "vocab_size": len(tokenizer), "pad_token_id": 0,
                     "bos_token_id": 0, "eos_token_id": 0, "cls_token_id": 0, "sep_token_id": 0},
        video_config={"vision_config": vision, **wide, "head_dim": 16})
    model = PeVideoModel(config).eval()
    torch.nn.init.constant_(model.text_video_logit_scale, 5.0)
    model.save_pretrained(tmp_path)
    prepares = PeVideoVideoProcessor(size={"height": 56, "width": 56}, do_resize=True, do_rescale=True,
                                     do_normalize=True, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    PeVideoProcessor(prepares, tokenizer).save_pretrained(tmp_path)
    names = ["a dog runs", "a red ball", "rain"]
    result = Pipeline("video-classification", model=tmp_path, device="cpu", dtype="float32", labels=names,
                      num_clips=1, template="{label}")(clip)
    video = read_video(clip)
    frames = video.frames[[int((video.pts_seconds - s).abs().argmin()) for s in result.seconds_looked_at]]
    texts = tokenizer(names, return_tensors="pt", padding=True)
    with torch.inference_mode():
        out = model(input_ids=texts["input_ids"], attention_mask=texts["attention_mask"],
                    **prepares([frames], return_tensors="pt", do_sample_frames=False))
    expected = dict(zip(names, out.logits_video_text.softmax(-1)[0].tolist(), strict=True))
    assert {label.name: label.confidence for label in result.labels} == pytest.approx(expected, abs=1e-4)


def test_what_is_no_classifier_says_so(tmp_path: Path, checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(UnsupportedModel, match=r"has no classes; ask it: Pipeline\('video-qa'"):
        Pipeline("video-classification", model=checkpoint("llava_onevision"))
    model, prepares = videomae()
    model.save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModel, match=r"no preprocessing.*Copy preprocessor_config.json"):
        Pipeline("video-classification", model=tmp_path)
    prepares.save_pretrained(tmp_path)
    with pytest.raises(InvalidInput, match=r"has labels of its own.*xclip"):
        Pipeline("video-classification", model=tmp_path, labels=["a", "b"])
