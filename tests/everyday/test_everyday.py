"""The default of questions and captions, on a filmed clip and on what people give it by mistake."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput, NoVideoTrack
from mmvideo.media.api import open_source
from mmvideo.media.write import write_audio, write_video
from mmvideo.types import Audio, GenerationOptions
from mmvideo.weights import weights_root

CLIP = weights_root() / "demo" / "nasa.mp4"


@pytest.fixture(autouse=True)
def usual_models(monkeypatch):
    for pipeline in ("VIDEO_QA", "VIDEO_CAPTIONING"):
        monkeypatch.delenv(f"MMVIDEO_MODEL_{pipeline}")


@pytest.fixture(scope="module")
def qa() -> Pipeline:
    return Pipeline("video-qa", model="everyday", device="cpu")


@pytest.fixture(scope="module")
def asked(qa):
    """The clip with its answers: it is read once."""
    with qa.open(CLIP) as session:
        yield session


def test_it_is_the_default():
    assert Pipeline("video-qa", device="cpu").model == "everyday"
    assert Pipeline("video-captioning", device="cpu").model == "everyday"


def test_answers_show_what_they_rest_on(asked, tmp_path):
    answer = asked.ask("Is there a person?")
    assert answer.text == "yes"
    assert answer.in_domain
    assert {box.label for box in answer.evidence.boxes} == {"person"}
    for box in answer.evidence.boxes:
        assert 0 <= box.box[0] < box.box[2] <= 1
        assert any(start <= box.seconds <= end for start, end in answer.evidence.intervals)
    told = json.loads(answer.save(tmp_path / "answer.json").read_text())
    assert told["evidence"]["boxes"][0]["label"] == "person"
    assert answer.save(tmp_path / "answer.png").stat().st_size > 10_000


@pytest.mark.parametrize(("question", "wanted"), [
    ("does anyone speak?", "yes"), ("Is there a giraffe?", "no"), ("do you see any elephants", "no"),
    ("is there sound?", "yes"), ("how long is the video?", "13"),
])
def test_what_facts_tell(asked, question, wanted):
    assert asked.ask(question).text.lower().startswith(wanted) or wanted in asked.ask(question).text


@pytest.mark.parametrize("question", ["what is her name?", "why does he do that?", "what does the sign say?"])
def test_what_no_picture_tells_is_not_answered(asked, question):
    answer = asked.ask(question)
    assert answer.text.startswith("I cannot tell from this video:")
    assert answer.confidence < 0.5


@pytest.mark.parametrize("question", ["Was ist auf dem Video zu sehen?", "word " * 2000, "何が見えますか"])
def test_questions_that_cannot_be_read_say_so(asked, question):
    answer = asked.ask(question)
    assert answer.text
    assert answer.confidence < 0.5


def test_no_word_of_a_question_is_unknown(asked):
    answer = asked.ask("does the xylophonist yodel?")
    assert "never saw" not in answer.in_domain.reason
    assert answer.text


def test_choices_and_their_order(asked):
    answer = asked.ask("is anybody there?", choices=["no", "yes"])
    assert answer.text == "yes"


def test_a_caption_has_every_shot_and_what_was_found():
    caption = Pipeline("video-captioning", device="cpu")(CLIP)
    assert caption.text[0].isupper()
    assert caption.text.endswith(".")
    assert caption.segments[0].start_seconds == pytest.approx(0, abs=0.1)
    assert caption.segments[-1].end_seconds == pytest.approx(13, abs=0.2)
    assert len(caption.segments) >= 2
    assert "speak" in caption.text.lower()


def test_history_and_schema_are_refused(qa):
    with pytest.raises(InvalidInput, match="takes no history"):
        qa(CLIP, "what?", history=[("a?", "b")])
    with pytest.raises(InvalidInput, match="takes no schema"):
        qa(CLIP, "what?", schema={"type": "object"})


def test_two_parts_and_one_give_the_same(qa):
    """A job prepares videos in workers and looks at several together."""
    questions = ("how many people are there?", "what is the person doing?", "describe the video")
    whole = qa(CLIP, list(questions))
    stages = dict(qa.stages)
    first, second = stages["encode_video"].partition()
    first.load(torch.device("cpu"))
    answer = stages["answer"]
    with open_source(CLIP) as media:
        taken = first(media=media)
    other = {**taken}
    seen = second.batch([taken, other], size=4)
    rows = answer.batch([{**one, **took, "text": questions, "generation": GenerationOptions()}
                         for one, took in zip(seen, (taken, other), strict=True)], size=4)
    for row in rows:
        assert [a.text for a in row["answers"]] == [a.text for a in whole]
        assert [a.confidence for a in row["answers"]] == pytest.approx([a.confidence for a in whole], abs=1e-5)


def _noise(count: int, height: int = 90, width: int = 160) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, 3, height, width), dtype=np.uint8)


@pytest.mark.parametrize(("name", "frames"), [
    ("black", np.zeros((30, 3, 90, 160), np.uint8)), ("grey", np.full((30, 3, 90, 160), 128, np.uint8)),
    ("noise", _noise(30)), ("one pixel", np.zeros((10, 3, 1, 1), np.uint8)),
])
def test_what_no_camera_films_is_outside(qa, name, frames):
    answer = qa(torch.from_numpy(frames), "what is in the video?", fps=10)
    assert answer.in_domain.outside
    assert answer.in_domain.reason
    assert "models get" in answer.in_domain.suggestion or "Pipeline" in answer.in_domain.suggestion


def test_toys_are_outside(qa):
    assert qa(weights_root() / "demo" / "toybox.mp4", "what is there?").in_domain.outside


def test_a_still_and_a_video_without_anything(qa, tmp_path):
    still = tmp_path / "still.mp4"
    write_video(still, np.repeat(_noise(1), 2, 0), fps=2)
    answer = qa(still, "how many people are there?")
    assert answer.text in ("0", "none", "no people", "nobody") or answer.text.startswith(("no", "I cannot"))


def test_sound_alone_is_refused_with_a_next_step(qa, tmp_path):
    path = tmp_path / "sound.wav"
    write_audio(path, Audio(torch.zeros(1, 16000), 16000))
    with pytest.raises(NoVideoTrack):
        qa(path, "what is heard?")


def test_options_of_other_models_are_refused():
    with pytest.raises(InvalidInput, match="num_frames"):
        Pipeline("video-qa", model="everyday", device="cpu", num_frames=4)
