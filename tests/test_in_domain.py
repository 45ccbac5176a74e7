"""Inside, outside or not judged: in results, words, pictures, rows and reports, for every kind of model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch

from mmvideo import Pipeline, weights
from mmvideo.encoders import zoo
from mmvideo.encoders.preset import Input
from mmvideo.jobs import JobOptions, run_job
from mmvideo.plots import contact_sheet
from mmvideo.results import Result
from mmvideo.stages.answer import whole_domain
from mmvideo.toybox.training import parts as toybox_parts
from mmvideo.training import composed as training
from mmvideo.types import NOT_JUDGED, Domain
from tests.hub import checkpoints
from tests.hub.test_classifiers import videomae

CHAT = {"dtype": "float32", "num_frames": 2, "max_new_tokens": 2}


def zoo_classifier(folder: Path) -> Pipeline:
    torch.manual_seed(3)
    encoder = zoo.create("c3d-tiny", labels=("juggling", "welding"), input=Input(16, 64, 64, fps=8.0))
    encoder.eval().save_pretrained(folder)
    return Pipeline("video-classification", model=folder, device="cpu")


def hub_classifier(folder: Path) -> Pipeline:
    torch.manual_seed(0)
    for part in videomae():
        part.save_pretrained(folder)
    return Pipeline("video-classification", model=folder, device="cpu", num_clips=1)


def hub_answers(folder: Path) -> Pipeline:
    return Pipeline("video-qa", model=checkpoints.make("smolvlm", folder), device="cpu", **CHAT)


def hub_caption(folder: Path) -> Pipeline:
    return Pipeline("video-captioning", model=checkpoints.make("smolvlm", folder), device="cpu", **CHAT)


def composed_answers(folder: Path) -> Pipeline:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    sizes = toybox_parts.Sizes(dim=32, depth=1, dim_resampler=24, depth_resampler=1, dim_llm=48, depth_llm=1)
    toybox_parts.new_encoder(sizes).save_pretrained(folder / "eyes" / "encoder")
    tokenizer = checkpoints.qwen_tokenizer()
    Qwen2ForCausalLM(Qwen2Config(**checkpoints.TEXT, vocab_size=len(tokenizer))).save_pretrained(folder / "language")
    tokenizer.save_pretrained(folder / "language")
    made = training.put_together("toybox-av", str(folder / "eyes"), "mlp2x", {}, str(folder / "language")).eval()
    return Pipeline("video-qa", model=made.save_pretrained(folder / "whole"), device="cpu", max_new_tokens=2)


def camera_without_threshold(folder: Path) -> Pipeline:
    home = tiny.make_camera(folder / "camera")
    config = json.loads((home / "config.json").read_text())
    del config["threshold"]
    (home / "config.json").write_text(json.dumps(config))
    weights.seal(home)
    return Pipeline("video-classification", model=home, device="cpu")


NOBODY_JUDGES = (zoo_classifier, hub_classifier, hub_answers, hub_caption, composed_answers, camera_without_threshold)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_clip(tmp_path_factory.mktemp("clip") / "two.mp4")


def words_of(picture: object) -> str:
    return " ".join(text.get_text() for text in picture.findobj(lambda artist: hasattr(artist, "get_text")))


def run(pipe: Pipeline, clip: Path) -> Result:
    return pipe(clip, "what is it?") if "text" in pipe.recipe.takes else pipe(clip)


@pytest.mark.parametrize("build", NOBODY_JUDGES)
def test_what_nothing_judged_is_neither_inside_nor_outside(build: Callable[[Path], Pipeline], clip: Path,
                                                           tmp_path: Path) -> None:
    result = run(build(tmp_path), clip)
    domain, raw = result.in_domain, json.loads(json.dumps(result.to_dict()))
    assert (domain.inside, domain.judged, domain.outside, bool(domain)) == (None, False, False, False)
    assert raw["in_domain"] is None
    assert raw["domain"]["inside"] is None
    assert "not judged" in raw["domain"]["reason"]
    assert raw["text"] == result.text != ""
    assert "not judged" in str(result)
    assert "outside" not in str(result)
    assert f"{result.confidence:.0%}" in str(result)
    picture = words_of(contact_sheet([result]))
    assert "not judged" in picture
    assert "outside" not in picture


def test_rows_and_the_report_say_that_nothing_was_judged(clip: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    summary = run_job(zoo_classifier(tmp_path / "model"), clip, tmp_path / "job",
                      JobOptions(workers=1, parquet=True))
    (row,) = summary.rows()
    assert row["in_domain"] is None
    assert "not judged" in row["domain_reason"]
    assert row["text"] in ("juggling", "welding")
    assert json.loads((tmp_path / "job" / "results.jsonl").read_text())["in_domain"] is None
    assert parquet.read_table(tmp_path / "job" / "results.parquet")["in_domain"].to_pylist() == [None]
    report = (tmp_path / "job" / "report.html").read_text()
    assert "not judged whether the model knows such clips" in report
    assert "Outside what the model knows" not in report


def test_the_report_of_a_job_gives_the_caveat_first_and_no_percentage(clip: Path, tmp_path: Path) -> None:
    model = tiny.make_qa(tmp_path / "qa")
    pipe = Pipeline("video-captioning", model=model, device="cpu", encode_video={"domain": "test-outside"})
    run_job(pipe, clip, tmp_path / "job", JobOptions(workers=1))
    card = (tmp_path / "job" / "report.html").read_text().split("<div class=card>")[1].split("</div>")[0]
    _, caveat, said = card.partition('"><p class=caveat>Outside what the model knows:</p><p>')
    assert caveat
    assert "<small>two.mp4" in said
    assert "%" not in said


def test_windows_are_outside_if_one_is_and_inside_if_all_are() -> None:
    spans = [type("Span", (), {"start_seconds": float(i), "end_seconds": i + 1.0})() for i in range(3)]
    yes, no = Domain(True, score=0.5), Domain(False, "strange", "try this", 0.1)
    assert whole_domain([yes, yes, yes], spans).inside is True
    assert whole_domain([yes, NOT_JUDGED, yes], spans) == NOT_JUDGED
    assert whole_domain([yes, NOT_JUDGED, no], spans).outside
    assert "1 of 3 windows: 2.0-3.0 s" in whole_domain([yes, NOT_JUDGED, no], spans).reason
