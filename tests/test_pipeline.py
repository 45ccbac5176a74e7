"""Pipelines: checked, run, mapped over many files, opened for many questions, watched by hooks."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import load_file

from mmvideo import Pipeline, Recipe, media, recipes
from mmvideo.errors import (
    InvalidInput,
    MediaNotFound,
    MmvideoError,
    RecipeError,
    UnknownName,
    VideoDecodeError,
    WeightsError,
)
from mmvideo.hooks import Hook, Hooks, SaveIntermediates, Timing
from mmvideo.media import open_source
from mmvideo.pipeline import choose_device
from mmvideo.results import Answer, Caption, Classification
from mmvideo.sampling import windows
from mmvideo.stages.answer import RULE_NEXT, RULE_SURE, pick
from mmvideo.stages.encode import Encode
from mmvideo.types import Features

NEXT = "what happens next?"
INSIDE = {"domain": "test-inside"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pipeline")


@pytest.fixture(scope="module")
def qa(folder: Path) -> Pipeline:
    return Pipeline("video-qa", model=tiny.make_qa(folder / "qa"), device="cpu", encode_video=INSIDE)


@pytest.fixture(scope="module")
def camera(folder: Path) -> Path:
    return tiny.make_camera(folder / "camera")


@pytest.fixture(scope="module")
def clip(folder: Path) -> Path:
    return tiny.make_clip(folder / "five.mp4", seconds=5.0)


def test_an_answer_says_what_was_looked_at(qa: Pipeline, clip: Path) -> None:
    answer = qa(clip, NEXT)
    assert isinstance(answer, Answer)
    assert answer.question == NEXT
    assert 0 < answer.confidence <= 1
    true_times = media.read_video(clip).pts_seconds.tolist()
    assert all(min(abs(t - s) for t in true_times) < 1e-6 for s in answer.seconds_looked_at)
    assert len(answer.seconds_looked_at) == 40
    assert [(s.start_seconds, s.end_seconds) for s in answer.segments] == [
        (0.0, 2.0), (2.0, pytest.approx(3.4)), (pytest.approx(3.4), 5.0)]
    assert answer.in_domain
    assert (answer.model, answer.source, answer.duration_seconds) == ("qa", str(clip), 5.0)
    assert [stage for stage, _ in answer.timings.stages] == [spec.name for spec in qa.recipe.stages]
    assert RULE_NEXT in answer.rule


def test_several_questions_share_one_encoding_and_equal_single_ones(qa: Pipeline, clip: Path) -> None:
    questions = ["what color is the ball?", NEXT, "does the ball bounce?"]
    together = qa(clip, questions)
    assert [answer.question for answer in together] == questions
    for question, answer in zip(questions, together, strict=True):
        alone = qa(clip, question)
        assert alone.text == answer.text
        assert alone.confidence == pytest.approx(answer.confidence, rel=1e-4)


def test_a_session_encodes_once(qa: Pipeline, clip: Path) -> None:
    counter = Timing()
    with qa.open(clip, hook=counter) as session:
        first, again = session.ask(NEXT), session.ask([NEXT, "what color is the ball?"])
    assert counter.runs["encode_video"] == 1
    assert counter.runs["answer"] == 2
    assert again[0].text == first.text == qa(clip, NEXT).text


def test_map_goes_on_after_a_bad_file(qa: Pipeline, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"this is not a video" * 40)
    results = qa.map([clip, "nowhere.mp4", broken, clip], NEXT, progress=True)
    assert [type(item) for item in results] == [Answer, MediaNotFound, VideoDecodeError, Answer]
    assert results[0].text == results[3].text
    captured = capsys.readouterr()
    assert captured.err.endswith("4/4 videos, 2 failed\n")
    assert captured.out == ""


def test_map_asks_all_questions_of_every_video_as_a_call_does(qa: Pipeline, clip: Path) -> None:
    asked = [NEXT, "what color is the ball?"]
    answers = qa.map((path for path in (clip, "nowhere.mp4")), asked)
    assert [answer.question for answer in answers[0]] == asked
    assert [answer.text for answer in answers[0]] == [answer.text for answer in qa(clip, asked)]
    assert isinstance(answers[1], MediaNotFound)
    assert [one.question for (one,) in qa.map([clip], [NEXT])] == [NEXT]


def test_map_takes_a_question_a_video_where_told(qa: Pipeline, clip: Path, tmp_path: Path) -> None:
    answers = qa.map([clip, clip], [NEXT, "what color is the ball?"], per_video=True)
    assert [answer.question for answer in answers] == [NEXT, "what color is the ball?"]
    for wrong, words in (([NEXT], "2 videos but 1 question"), (NEXT, "no list of questions")):
        with pytest.raises(InvalidInput, match=words):
            qa.map([clip, clip], wrong, per_video=True)
    with pytest.raises(InvalidInput, match="column 'question'"):
        qa.map([clip, clip], [NEXT, NEXT], per_video=True, out=tmp_path / "job")


@pytest.mark.parametrize("text", [None, "", "  ", [], [NEXT, ""], 7])
def test_a_missing_question_is_an_error_before_anything_is_read(qa: Pipeline, text: object) -> None:
    with pytest.raises(InvalidInput, match="needs a question"):
        qa("nowhere.mp4", text)


def test_a_question_where_none_is_asked_is_an_error(camera: Path, clip: Path) -> None:
    pipe = Pipeline("video-classification", model=camera)
    with pytest.raises(InvalidInput, match="takes no question"):
        pipe(clip, NEXT)
    with pipe.open(clip) as session, pytest.raises(InvalidInput, match="takes no question"):
        session.ask(NEXT)


def test_captions_cover_every_window(qa: Pipeline, clip: Path) -> None:
    pipe = Pipeline("video-captioning", model=_model(qa), encode_video=INSIDE)
    with pipe.open(clip) as session:
        assert len(session._fields["spans"]) == 3
    caption = pipe(clip)
    assert isinstance(caption, Caption)
    assert [(s.start_seconds, s.end_seconds) for s in caption.segments] == [(0.0, 5.0)], "all three say the same"
    assert caption.usage.completion_tokens >= 3
    assert caption.confidence == min(segment.confidence for segment in caption.segments)
    assert caption.in_domain


def _model(pipe: Pipeline) -> str:
    return next(spec.options["weights"] for spec in pipe.recipe.stages if "weights" in spec.options)


def test_classification_has_segments_that_cover_the_video(camera: Path, clip: Path) -> None:
    result = Pipeline("video-classification", model=camera)(clip)
    assert isinstance(result, Classification)
    assert result.label == result.labels[0].name
    assert sum(label.confidence for label in result.labels) == pytest.approx(1.0, abs=1e-4)
    assert result.segments[0].start_seconds == 0.0
    assert result.segments[-1].end_seconds == pytest.approx(5.0)
    for before, after in zip(result.segments[:-1], result.segments[1:], strict=True):
        assert before.end_seconds == pytest.approx(after.start_seconds)


def test_a_moment_is_too_short_to_judge_motion(camera: Path, clip: Path, tmp_path: Path) -> None:
    pipe = Pipeline("video-classification", model=camera)
    assert pipe(clip).in_domain
    moment = pipe(tiny.make_clip(tmp_path / "moment.mp4", seconds=0.3))
    assert not moment.in_domain
    assert "only 0.30 s to look at; the model judges 1 s or more" in moment.in_domain.reason


def test_outside_the_domain_comes_with_a_reason_and_a_line_that_compiles(qa: Pipeline, clip: Path) -> None:
    outside = Pipeline("video-qa", model=_model(qa), encode_video={"domain": "test-outside"})
    unknown = qa(clip, "does the astronaut yodel?")
    for answer in (unknown, outside(clip, NEXT), Pipeline(
            "video-captioning", model=_model(qa), encode_video={"domain": "test-outside"})(clip)):
        assert not answer.in_domain
        assert answer.in_domain.reason
        assert str(clip) in answer.in_domain.suggestion
        compile(answer.in_domain.suggestion, "suggestion", "exec")
    assert "'astronaut', 'yodel'" in unknown.in_domain.reason
    assert "does the astronaut yodel?" in unknown.in_domain.suggestion


@pytest.mark.parametrize(("question", "sure", "inside", "kept"), [
    ("what color is it?", [0.2, 0.9, 0.5], [True, True, True], (1, RULE_SURE)),
    ("what color is it?", [0.2, 0.9, 0.5], [True, False, True], (2, RULE_SURE)),
    ("what color is it?", [0.2, 0.9, 0.5], [False, False, False], (1, RULE_SURE)),
    ("What happens next?", [0.2, 0.9, 0.5], [True, True, True], (2, RULE_NEXT)),
    ("will the ball hit the box?", [0.9, 0.1], [True, False], (1, RULE_NEXT)),
])
def test_which_window_answers(question: str, sure: list[float], inside: list[bool], kept: tuple[int, str]) -> None:
    assert pick(question, sure, inside) == kept


def test_frames_in_memory_need_a_clock_and_answer_alike(qa: Pipeline, clip: Path) -> None:
    video = media.read_video(clip)
    sound = media.read_audio(clip)
    with pytest.raises(InvalidInput, match="fps"):
        qa(video.frames, NEXT)
    answer = qa(video.frames, NEXT, pts_seconds=video.pts_seconds.tolist(), audio=sound)
    from_file = qa(clip, NEXT)
    assert answer.text == from_file.text
    assert answer.seconds_looked_at == pytest.approx(from_file.seconds_looked_at)
    assert answer.source == "<memory>"


def test_a_recipe_a_path_and_a_name_give_the_same_answer(qa: Pipeline, clip: Path, tmp_path: Path) -> None:
    written = recipes.load_recipe("video-qa").save(tmp_path / "mine.yaml")
    by_path = Pipeline(written, model=_model(qa), encode_video=INSIDE)
    by_object = Pipeline(Recipe(**{**vars(recipes.load_recipe("video-qa"))}), model=_model(qa), encode_video=INSIDE)
    assert by_path(clip, NEXT).text == by_object(clip, NEXT).text == qa(clip, NEXT).text


def test_overrides_reach_the_sampler(qa: Pipeline, clip: Path) -> None:
    pipe = Pipeline("video-qa", model=_model(qa), encode_video={**INSIDE, "start_seconds": 1.0, "end_seconds": 3.0})
    answer = pipe(clip, NEXT)
    assert answer.seconds_looked_at[0] == pytest.approx(1.0)
    assert answer.seconds_looked_at[-1] < 3.0
    assert [(s.start_seconds, s.end_seconds) for s in answer.segments] == [(1.0, 3.0)]


def test_errors_of_construction_come_before_weights_are_read(qa: Pipeline) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'encode_video'"):
        Pipeline("video-qa", model=_model(qa), encode_vidoe={"num_frames": 3})
    with pytest.raises(RecipeError, match="Did you mean 'num_frames'"):
        Pipeline("video-qa", model=_model(qa), encode_video={"num_frame": 3})
    with pytest.raises(UnknownName, match='a model of the Hugging Face hub as "owner/name"'):
        Pipeline("video-qa", model="qwen")


def test_weights_of_another_task_are_refused(camera: Path, qa: Pipeline) -> None:
    with pytest.raises(WeightsError):
        Pipeline("video-qa", model=camera, encode_video=INSIDE)
    with pytest.raises(WeightsError):
        Pipeline("video-classification", model=_model(qa))


def test_a_sample_rate_that_the_encoder_does_not_hear_is_an_error(qa: Pipeline, clip: Path) -> None:
    encode = Encode(encoder="toybox-av", weights=_model(qa))
    encode.load(torch.device("cpu"))
    with open_source(clip) as media, pytest.raises(RecipeError, match="hears at 16000 Hz"):
        encode(clips=windows(media, size=64, sample_rate=8000))


def test_options_of_another_kind_of_model_are_refused(qa: Pipeline) -> None:
    with pytest.raises(InvalidInput, match=r"is a composed model, which takes no quantize; it takes batch_size"):
        Pipeline("video-qa", model=_model(qa), quantize="int8")


def test_every_window_is_held_to_the_choices(qa: Pipeline, clip: Path) -> None:
    answer = qa(clip, "what color is the ball?", choices=["red", "green", "blue"])
    assert answer.text in ("red", "green", "blue")
    assert {segment.text for segment in answer.segments} <= {"red", "green", "blue"}
    assert len(answer.segments) == 3
    pieces = qa(clip, NEXT, stream=True)
    assert list(pieces) == [pieces.result.text], "which window answers is known at the end"
    assert pieces.result.text == qa(clip, NEXT).text
    with pytest.raises(InvalidInput, match="takes no history"):
        qa(clip, NEXT, history=[("does it bounce?", "yes")])


def test_still_places_are_not_looked_at_again(qa: Pipeline, clip: Path) -> None:
    def features(**options: object) -> Features:
        encode = Encode(encoder="toybox-av", weights=_model(qa), **options)
        encode.load(torch.device("cpu"))
        with open_source(clip) as media:
            looked = {"clips": windows(media, size=64, sample_rate=16_000)}
        with torch.inference_mode():
            alone = encode(clips=looked["clips"])["features"]
            together = encode.batch([looked, looked], size=4)
        torch.testing.assert_close(together[1]["features"].tokens, alone.tokens)
        return alone

    all_seen, none_dropped, fewer = features(), features(drop_below=0.0), features(drop_below=1.0)
    torch.testing.assert_close(none_dropped.tokens, all_seen.tokens)
    assert fewer.tokens.shape == all_seen.tokens.shape
    grid = fewer.tokens[:, :128].unflatten(1, (8, 16))
    assert torch.equal(grid[:, 1:], grid[:, :1].expand_as(grid[:, 1:])), "nothing in the clip changes by so much"
    with pytest.raises(InvalidInput, match="0 to 1, not 2"):
        features(drop_below=2.0)
    with pytest.raises(InvalidInput, match="c3d looks at whole frames"):
        Encode(encoder="c3d", weights="nowhere", drop_below=0.1).load(torch.device("cpu"))


def test_hooks_see_every_stage_and_the_end(qa: Pipeline, clip: Path) -> None:
    seen: list[str] = []

    class Watch(Hook):
        def before(self, stage: str) -> None:
            seen.append(f"before {stage}")

        def after(self, stage: str, given: object, seconds: float) -> None:
            assert seconds >= 0
            seen.append(f"after {stage}")

        def end(self) -> None:
            seen.append("end")

    qa(clip, NEXT, hook=Hooks(Watch(), Timing()))
    names = [spec.name for spec in qa.recipe.stages]
    assert seen == [f"{word} {name}" for name in names for word in ("before", "after")] + ["end"]
    seen.clear()
    with pytest.raises(MmvideoError):
        qa("nowhere.mp4", NEXT, hook=Watch())
    assert seen == ["before read", "end"]


def test_intermediates_are_saved_as_they_were(qa: Pipeline, clip: Path, tmp_path: Path) -> None:
    qa(clip, NEXT, hook=SaveIntermediates(tmp_path))
    clips = load_file(tmp_path / "encode_video.safetensors")
    assert clips["clips.frames"].shape == (3, 16, 3, 64, 64)
    assert clips["clips.audio"].shape == (3, 32_000)
    assert clips["clips.audio"].abs().max() > 0.2, "the tone is heard"
    assert '"text"' in (tmp_path / "answer.json").read_text()


def test_the_device_is_chosen_or_refused() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(InvalidInput, match="Unknown device 'gpu9'"):
        choose_device("gpu9")
    if not torch.cuda.is_available():
        with pytest.raises(InvalidInput, match="finds no CUDA GPU"):
            choose_device("cuda:0")


def test_the_source_is_closed_even_if_a_stage_fails(qa: Pipeline, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    from mmvideo.media.files import FileSource

    original = FileSource.close
    monkeypatch.setattr(FileSource, "close", lambda self: (closed.append(True), original(self))[1])
    pipe = Pipeline("video-qa", model=_model(qa), encode_video={**INSIDE, "start_seconds": 90.0})
    with pytest.raises(MmvideoError):
        pipe(clip, NEXT)
    assert closed
