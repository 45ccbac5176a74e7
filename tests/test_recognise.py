"""Multi-clip, multi-crop testing: any classifier of the zoo in the pipeline, equal to averaging by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from mmvideo import Pipeline, media, recipes
from mmvideo.encoders import zoo
from mmvideo.encoders.preset import Input
from mmvideo.errors import InvalidInput, UnknownName, WeightsError
from mmvideo.registry import find
from mmvideo.results import Classification

LABELS = ("juggling", "welding", "bowling", "tai chi", "yodelling", "knitting")


def save(folder: Path, *, fps: float | None = 8.0, labels: tuple[str, ...] = LABELS) -> Path:
    """Write a small C3D whose answers differ from view to view."""
    torch.manual_seed(3)
    encoder = zoo.create("c3d-tiny", labels=labels, input=Input(16, 64, 64, fps=fps))
    with torch.no_grad():
        for layer in (*encoder.convs, encoder.fc6, encoder.fc7, encoder.head[1]):
            layer.weight.mul_(2.2)
    encoder.eval().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("recognise") / "my-model")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_clip(tmp_path_factory.mktemp("clip") / "five.mp4", seconds=5.0)


def test_a_folder_of_an_encoder_runs_in_video_classification(folder: Path, clip: Path) -> None:
    pipe = Pipeline("video-classification", model=folder)
    assert pipe.recipe.name == "video-classification"
    assert pipe.model == "my-model"
    result = pipe(clip)
    assert isinstance(result, Classification)
    assert result.label == result.labels[0].name
    assert result.label in LABELS
    assert len(result.labels) == 5
    assert [x.confidence for x in result.labels] == sorted((x.confidence for x in result.labels), reverse=True)
    assert result.confidence == result.labels[0].confidence
    true_times = media.read_video(clip).pts_seconds.tolist()
    assert all(min(abs(t - s) for t in true_times) < 1e-6 for s in result.seconds_looked_at)
    assert "1 clip of 16 frames over 2.000 s, in the middle of 0.000-5.000 s" in result.rule
    assert "one view" in result.rule
    assert f"then {result.labels[1].name}" in str(result)


def test_averaging_over_views_is_what_it_is_by_hand(folder: Path, clip: Path) -> None:
    network = zoo.load(folder)
    with media.open_source(clip) as source, torch.inference_mode():
        start, end = source.start_seconds, source.end_seconds
        logits = []
        for k in range(4):
            at = start + k * (end - start - 2.0) / 3
            for view in find("samplers", "dense")(source, num_clips=1, num_frames=16, clip_seconds=2.0, crops=3,
                                                  size=(64, 64), start_seconds=at, end_seconds=at + 2.0).frames:
                logits.append(network.logits(view[None])[0])
    logits = torch.stack(logits)
    assert logits.softmax(-1).std(0).max() > 1e-3, "views that do not differ prove nothing"
    views = {"num_clips": 4, "crops": 3}
    for average, expected in (("logits", logits.mean(0).softmax(-1)), ("probabilities", logits.softmax(-1).mean(0))):
        result = Pipeline("video-classification", model=folder,
                          classify={**views, "average": average, "top": None, "batch_size": 5})(clip)
        found = {label.name: label.confidence for label in result.labels}
        assert [found[name] for name in LABELS] == pytest.approx(expected.tolist(), abs=1e-5)
        assert f"4 clips of 16 frames over 2.000 s, starts spread evenly over {start:.3f}-{end:.3f} s" in result.rule
        assert f"three crops each along the longer side; {average} of 12 views averaged" in result.rule


def test_the_three_crops_cover_the_frame(folder: Path, clip: Path) -> None:
    pipe = Pipeline("video-classification", model=folder, classify={"num_clips": 1, "crops": 3})
    stage = dict(pipe.stages)["classify"]
    with media.open_source(clip) as source:
        frames = stage(media=source)["clips"].frames
        main = source.info.main_video
    width = round(main.width * 64 / main.height)
    with media.open_source(clip) as source:
        whole = find("samplers", "dense")(source, num_clips=1, num_frames=16, clip_seconds=2.0, fit="squash",
                                          size=(64, width)).frames[0]
    assert frames.shape == (3, 16, 3, 64, 64)
    assert torch.equal(frames[0], whole[..., :64])
    assert torch.equal(frames[2], whole[..., -64:])
    middle = round((width - 64) / 2)
    assert torch.equal(frames[1], whole[..., middle:middle + 64])
    assert middle <= 64 <= width <= 3 * 64


def test_without_a_rate_clips_span_the_whole_video(tmp_path: Path, clip: Path) -> None:
    pipe = Pipeline("video-classification", model=save(tmp_path / "any-rate", fps=None), classify={"num_clips": 2})
    result = pipe(clip)
    assert "2 clips of 16 frames, each spread evenly over 0.000-5.000 s" in result.rule
    assert max(result.seconds_looked_at) > 4.7
    assert len(result.seconds_looked_at) == 32


@pytest.mark.parametrize("fps", [8.0, None])
def test_a_video_of_one_frame_is_padded_by_the_stated_rule(tmp_path: Path, fps: float | None) -> None:
    model = save(tmp_path / "model", fps=fps)
    frame = torch.randint(0, 256, (1, 3, 70, 90), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pipe = Pipeline("video-classification", model=model, classify={"num_clips": 2, "crops": 3, "top": None})
    result = pipe(frame, fps=25.0)
    assert len(result.seconds_looked_at) == 1
    assert "the last frame is repeated" in result.rule
    assert sum(label.confidence for label in result.labels) == pytest.approx(1, abs=1e-5)


def test_the_preset_says_how_many_views(tmp_path: Path) -> None:
    encoder = zoo.create("c3d-ucf101", labels=LABELS, input=Input(16, 32, 32, fps=8.0), width=0.1, dim_hidden=8)
    encoder.eval().save_pretrained(tmp_path)
    view = dict(Pipeline("video-classification", model=tmp_path).stages)["classify"].classifier.view
    assert (view["num_clips"], view["crops"]) == zoo.preset_of("c3d-ucf101").views


def test_a_single_frame_network_averages_probabilities(tmp_path: Path, clip: Path) -> None:
    zoo.create("single-frame-tiny", labels=LABELS[:3]).save_pretrained(tmp_path)
    result = Pipeline("video-classification", model=tmp_path, classify={"num_clips": 2, "crops": 3})(clip)
    assert "probabilities of 6 views averaged" in result.rule


def _rewrite(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def test_what_cannot_be_recognised_with_says_what_to_do(tmp_path: Path, clip: Path) -> None:
    with pytest.raises(InvalidInput, match="give model=NAME or FOLDER"):
        Pipeline(recipes.load_recipe("video-classification").with_options({"classify": {"weights": None}}))
    with pytest.raises(InvalidInput, match="a classifier of shots, which takes no crops; it takes batch_size"):
        Pipeline("video-classification", model="camera-motion", crops=3)
    nameless = save(tmp_path / "nameless")
    _rewrite(nameless, labels=[])
    with pytest.raises(WeightsError, match="no 'labels'"):
        Pipeline("video-classification", model=nameless)
    unlabelled = tmp_path / "unlabelled"
    zoo.create("c3d-tiny", num_classes=3).save_pretrained(unlabelled)
    with pytest.raises(WeightsError, match="no 'labels', so the 3 classes have no names"):
        Pipeline("video-classification", model=unlabelled)
    blind = tmp_path / "blind"
    zoo.create("c3d-tiny", num_classes=0).save_pretrained(blind)
    with pytest.raises(WeightsError, match="without a classifier"):
        Pipeline("video-classification", model=blind)
    rateless = save(tmp_path / "rateless")
    given = json.loads((rateless / "config.json").read_text())["input"]
    del given["fps"]
    _rewrite(rateless, input=given)
    with pytest.raises(WeightsError, match="no 'fps'"):
        Pipeline("video-classification", model=rateless)
    renamed = save(tmp_path / "renamed")
    _rewrite(renamed, preset="c3d-tinny")
    with pytest.raises(UnknownName, match="Did you mean 'c3d-tiny'"):
        Pipeline("video-classification", model=renamed)
    damaged = save(tmp_path / "damaged")
    tensors = load_file(damaged / "model.safetensors")
    tensors.pop("fc6.bias")
    save_file(tensors, damaged / "model.safetensors")
    with pytest.raises(WeightsError, match=r"fc6\.bias"):
        Pipeline("video-classification", model=damaged)


def test_options_out_of_range_are_refused(folder: Path, clip: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'logits'"):
        Pipeline("video-classification", model=folder, classify={"average": "logit"})
    with pytest.raises(InvalidInput, match="1 or more"):
        Pipeline("video-classification", model=folder, classify={"top": 0})
    with pytest.raises(InvalidInput, match="crops must be 1, or 3"):
        Pipeline("video-classification", model=folder, classify={"crops": 2})(clip)
    with pytest.raises(InvalidInput, match="num_clips must be a positive number"):
        Pipeline("video-classification", model=folder, classify={"num_clips": 0})(clip)
    with pytest.raises(UnknownName, match="Did you mean 'classify'"):
        Pipeline("video-classification", model=folder, clasify={"crops": 3})
