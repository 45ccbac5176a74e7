"""The toybox evaluation: it counts as it should, on a real (untrained, tiny) model and on the truth itself."""

from __future__ import annotations

import pytest
import torch

from mmvideo.errors import RecipeError, UnknownName
from mmvideo.toybox.evaluation import accuracy as toybox
from mmvideo.toybox.evaluation.accuracy import Model, Score
from mmvideo.toybox.questions import FAMILIES
from mmvideo.toybox.training.parts import Sizes, new_encoder, new_language, new_resampler, save_parts

TINY = Sizes(dim=32, depth=1, dim_resampler=24, depth_resampler=1, dim_llm=24, depth_llm=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    save_parts(folder, new_encoder(TINY), new_resampler(TINY), new_language(TINY))
    return folder


def test_a_score_is_the_share_right() -> None:
    score, kind = Score(), FAMILIES["camera"][0]
    for right in (True, True, False, True):
        score.add(kind, right)
    assert score.by_type() == {kind: 0.75}
    assert score.by_family() == {"camera": 0.75}
    for kind in ("hum_heard", "beep_heard", "knock_heard"):  # beeps flash and knocks are seen: only the hum needs sound
        score.add(kind, kind != "hum_heard")
    assert score.by_need() == {"needs_time": 0.75, "needs_sound": 0.0}


def test_every_question_is_counted_once_per_view(folder, tmp_path) -> None:
    raw = {"weights": str(folder), "levels": ["easy"], "num": 5, "num_questions": 4, "views": ["full", "deaf", "blind"]}
    reports = list(toybox.evaluate_accuracy(raw, out=tmp_path, where="test"))
    assert [r["view"] for r in reports] == ["full", "deaf", "blind"]
    model = Model.load(str(folder))
    score = toybox.measure_accuracy(model, level="easy", split="test", num=5, num_questions=4)
    assert score.asked.total() == 5 * (4 + 2), "four questions for each scene, and a caption marked in two ways"
    assert sum(score.right.values()) < 5, "an untrained model knows next to nothing"
    assert (tmp_path / "toybox.json").exists()


def test_the_truth_scores_one(folder, monkeypatch) -> None:
    model = Model.load(str(folder))
    asked = []
    monkeypatch.setattr(toybox, "_ask", lambda world, num, ask=toybox._ask: asked.append(ask(world, num)) or asked[-1])
    worlds = []
    monkeypatch.setattr(toybox, "render_world", lambda world,
                        render=toybox.render_world: worlds.append(world) or render(world))

    def told(self, frames, audio, questions, *, longest):
        from mmvideo.toybox.captions import scene_caption

        if questions[0] == [toybox.CAPTION_REQUEST]:
            return [[scene_caption(worlds[-1].scene(b), None)] for b in range(len(questions))]
        return [[q.answer for q in row] for row in asked[-1]]

    monkeypatch.setattr(Model, "reply", told)
    score = toybox.measure_accuracy(model, level="standard", split="test", num=6, num_questions=8)
    assert set(score.by_type().values()) == {1.0}
    assert score.asked["caption"] == 6


def test_bad_options_are_named(folder, tmp_path) -> None:
    with pytest.raises(RecipeError, match="levels"):
        next(toybox.evaluate_accuracy({"levls": ["easy"]}, out=tmp_path, where="mine.yaml"))
    with pytest.raises(UnknownName, match="single-frame"):
        toybox.measure_accuracy(Model.load(str(folder)), level="easy", split="test", num=1, view="singleframe")
