"""Toybox training: data by step, exact resume, and a loss that falls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mmvideo import Pipeline
from mmvideo.errors import UnknownName, WeightsError
from mmvideo.heads.domain import DomainHead
from mmvideo.toybox.encoder import ToyboxAV
from mmvideo.toybox.training import joint as toybox_joint
from mmvideo.toybox.training import language as toybox_language
from mmvideo.toybox.training import perception as toybox_perception
from mmvideo.toybox.training.batches import CAPTION_TYPE, draw_batch, tokenize_questions
from mmvideo.toybox.training.parts import (
    Sizes,
    answers,
    grown_resampler,
    load_parts,
    new_concepts,
    new_language,
    new_resampler,
)
from mmvideo.training import recipes
from mmvideo.training.loop import Schedule
from mmvideo.vlm.language_model import LanguageModel
from mmvideo.vlm.projectors.resampler import Resampler

LEVELS = {"easy": 1.0}
TINY = Sizes(dim=32, depth=1, dim_resampler=24, depth_resampler=1, dim_llm=24, depth_llm=1)


@pytest.fixture(autouse=True)
def _few_validation_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure every eighth part: what these tests ask does not depend on how exact the figures are."""
    def fewer(indices: range, *, split: str, **options):
        return draw_batch(indices[:len(indices) // 8] if split == "validation" else indices, split=split, **options)

    for trainer in (toybox_language, toybox_perception, toybox_joint):
        monkeypatch.setattr(trainer, "draw_batch", fewer)


def schedule(steps: int, **other) -> Schedule:
    return Schedule(**{"steps": steps, "batch_size": 4, "learning_rate": 0.003, "warmup": 2, "log_every": 2,
                       "save_every": 2, "precision": "no"} | other)


def test_a_batch_depends_on_its_numbers_alone() -> None:
    first, again = (draw_batch(range(380, 390), split="train", levels=LEVELS, num_questions=4) for _ in range(2))
    assert torch.equal(first.frames, again.frames)
    assert torch.equal(first.audio, again.audio)
    assert first.questions == again.questions
    part = draw_batch(range(382, 384), split="train", levels=LEVELS)
    assert [s.seed for s in part.world.specs] == [s.seed for s in first.world.specs[2:4]]
    test = draw_batch(range(4), split="test", levels=LEVELS)
    assert not {s.seed for s in test.world.specs} & {s.seed for s in first.world.specs}


def test_a_baseline_sees_or_hears_less() -> None:
    batch = draw_batch(range(6), split="train", levels=LEVELS, single_frame=True, deaf=True)
    assert (batch.frames == batch.frames[:, :1]).all()
    assert batch.audio.abs().max() == 0
    assert not batch.has_sound.any()


@torch.no_grad()
def test_teacher_forcing_marks_exactly_the_answer() -> None:
    language, concepts = new_language(TINY), new_concepts(TINY)
    batch = draw_batch(range(5), split="train", levels=LEVELS, rendered=False, num_questions=6, caption_share=1.0)
    dialogues = tokenize_questions(batch.questions, language.tokenizer)
    assert sum(len(d.questions) for d in dialogues) == sum(map(len, batch.questions))
    for d in dialogues:
        for row, question in enumerate(d.questions):
            target = d.targets[row][d.targets[row] != -100]
            assert target[-1] == language.tokenizer.eos_token_id
            said = language.tokenizer.decode(target[:-1])
            assert said.split() == language.tokenizer.decode(
                language.tokenizer(question.answer, add_special_tokens=False)["input_ids"]).split()
    assert any(q.type == CAPTION_TYPE for d in dialogues for q in d.questions)
    probabilities = torch.randn(5, 63, TINY.dim_llm)
    loss, right = answers(language.model, probabilities, dialogues)
    assert 4 < loss < 7, "an untrained model is about as unsure as the vocabulary is large"
    assert [len(r) for r in right] == [len(d.questions) for d in dialogues]
    assert concepts.config["dim_out"] == TINY.dim_llm


def losses(folder: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines if "loss" in line}


def test_a_resumed_run_equals_one_that_was_not_stopped(tmp_path) -> None:
    options = {"levels": LEVELS, "num_questions": 3, "sizes": TINY}
    toybox_language.train_language(tmp_path / "whole", schedule=schedule(6), **options)
    # Stopped after 4 steps: the schedule is that of 6, so run to 4 by hand of the same length.
    halted = schedule(6)
    with pytest.raises(KeyboardInterrupt):
        _stop_after(4, lambda: toybox_language.train_language(tmp_path / "halves", schedule=halted, **options))
    toybox_language.train_language(tmp_path / "halves", schedule=schedule(6), **options)
    whole, halves = losses(tmp_path / "whole"), losses(tmp_path / "halves")
    assert whole == halves
    states = [torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["modules"]
              for name in ("whole", "halves")]
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name


def test_the_first_line_after_a_resume_is_a_mean_over_the_steps_since(tmp_path) -> None:
    options = {"levels": LEVELS, "num_questions": 3, "sizes": TINY}
    toybox_language.train_language(tmp_path / "whole", schedule=schedule(6, log_every=1), **options)
    sparse = schedule(6, log_every=3)
    with pytest.raises(KeyboardInterrupt):
        _stop_after(4, lambda: toybox_language.train_language(tmp_path / "halves", schedule=sparse, **options))
    toybox_language.train_language(tmp_path / "halves", schedule=sparse, **options)
    each = losses(tmp_path / "whole")
    means = {3: (each[1] + each[2] + each[3]) / 3, 6: (each[5] + each[6]) / 2}
    assert losses(tmp_path / "halves") == pytest.approx(means, rel=1e-4)


def _stop_after(step: int, run) -> None:
    from mmvideo.training.loop import TrainingRun

    save = TrainingRun._save

    def save_then_stop(self, done: int) -> None:
        save(self, done)
        if done == step:
            raise KeyboardInterrupt

    TrainingRun._save = save_then_stop
    try:
        run()
    finally:
        TrainingRun._save = save


def test_the_three_steps_make_a_model_that_loads(tmp_path) -> None:
    toybox_language.train_language(tmp_path / "language", schedule=schedule(2), levels=LEVELS, num_questions=3,
                                   sizes=TINY)
    toybox_perception.train_perception(tmp_path / "perception", schedule=schedule(2), levels=LEVELS, sizes=TINY)
    toybox_joint.train_joint(tmp_path / "joint", schedule=schedule(2), levels=LEVELS, num_questions=3,
                             perception=str(tmp_path / "perception"), language=str(tmp_path / "language"),
                             domain_scenes=96)
    encoder, resampler, language = load_parts(tmp_path / "joint" / "model")
    batch = draw_batch(range(2), split="test", levels=LEVELS)
    tokens = resampler(encoder(batch.frames, batch.audio, batch.has_sound))
    whole = str(tmp_path / "joint" / "model")
    for trainer, options in ((toybox_language, {"num_questions": 2}), (toybox_perception, {})):
        trainer.TRAINER.train(tmp_path / trainer.__name__, schedule=schedule(2), levels=LEVELS, init=whole, **options)
    toybox_language.train_language(tmp_path / "on", schedule=schedule(2), levels=LEVELS, num_questions=2,
                                   init=str(tmp_path / "language"))
    before, after = (LanguageModel.from_pretrained(tmp_path / run / "language") for run in ("language", "on"))
    moved = max(float((a - b).abs().max()) for a, b in zip(before.model.parameters(), after.model.parameters(),
                                                           strict=True))
    assert 0 < moved < 0.1, "a language run is where the next one goes on"
    again = ToyboxAV.from_pretrained(tmp_path / toybox_perception.__name__ / "encoder")
    assert torch.dist(again.sound.merge.weight, encoder.sound.merge.weight) < 0.5 * encoder.sound.merge.weight.norm()
    head = DomainHead.from_pretrained(tmp_path / "joint" / "model" / "domain")
    assert head(encoder(batch.frames, batch.audio))[1].dtype == torch.bool
    assert len(language.open(tokens).replies(["what happens next?"] * 2)) == 2
    clip = Path(__file__).parents[2] / "mmvideo" / "embedded" / "demo" / "toybox.mp4"
    answer = Pipeline("video-qa", model=whole, device="cpu", max_new_tokens=4)(clip, "what happens next?")
    assert answer.in_domain.judged, "the border of the domain is a part of the composed model"


def test_perception_learns_within_a_few_steps(tmp_path) -> None:
    toybox_perception.train_perception(tmp_path, schedule=schedule(24, batch_size=8, log_every=6), levels=LEVELS,
                                       sizes=TINY)
    told = list(losses(tmp_path).values())
    assert told[-1] < 0.8 * told[0]


def test_a_checkpoint_of_another_model_is_refused(tmp_path) -> None:
    options = {"levels": LEVELS, "num_questions": 2}
    toybox_language.train_language(tmp_path, schedule=schedule(2), sizes=TINY, **options)
    with pytest.raises(WeightsError, match="--out"):
        toybox_language.train_language(tmp_path, schedule=schedule(4), sizes=Sizes(dim_llm=48, depth_llm=1), **options)


def test_recipes_refuse_unknown_keys(tmp_path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("trainer: toybox-language\nlevls: {easy: 1.0}\n")
    with pytest.raises(UnknownName, match="levels"):
        recipes.run_training(config, out=tmp_path)
    config.write_text("trainer: toybox-language\nschedule: {stps: 3}\n")
    with pytest.raises(UnknownName, match="steps"):
        recipes.run_training(config, out=tmp_path)
    config.write_text("trainer: toybox-langage\n")
    with pytest.raises(UnknownName, match="toybox-language"):
        recipes.run_training(config, out=tmp_path)


@torch.no_grad()
def test_a_resampler_of_older_fields_grows_and_says_what_it_said() -> None:
    now = [f.to_dict() for f in new_resampler(TINY).fields]
    older = [{**f, "waves": 0} for f in now if f["name"] not in ("told", "ahead", "sets_out")]
    old = Resampler.from_config({**new_resampler(TINY).config, "fields": older}).eval()
    new = grown_resampler(old)
    assert {f.name for f in new.fields} > {f.name for f in old.fields}
    batch = draw_batch(range(3), split="train", levels=LEVELS)
    features = ToyboxAV(dim=TINY.dim, depth=TINY.depth).eval()(batch.frames, batch.audio)
    assert torch.allclose(old(features), new(features), atol=1e-5)
    for name, read in old.look(features).logits.items():
        assert torch.allclose(read, new.look(features).logits[name], atol=1e-5), name
    assert grown_resampler(new) is new
