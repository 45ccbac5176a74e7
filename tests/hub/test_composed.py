"""Models put together from parts: every projector, saving, loading, generation, and training them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mmvideo import Pipeline, registry, weights
from mmvideo.errors import InvalidInput, MediaNotFound, ModelUnavailable, UnknownName
from mmvideo.toybox.training import parts as toybox_parts
from mmvideo.training import composed as training
from mmvideo.training import sequence_packing
from mmvideo.training.conversations import Jsonl
from mmvideo.training.loop import Schedule
from mmvideo.types import Features, GenerationOptions
from mmvideo.vlm.composed import ClipSpec, Composed
from mmvideo.vlm.prompt import PLAIN, VIDEO, Prompt
from tests.hub.checkpoints import TEXT, qwen_tokenizer
from tests.tiny import make_clip

GENERAL = ("linear", "mlp2x", "qformer", "pixel-shuffle", "spatio-temporal")
SIZES = toybox_parts.Sizes(dim=32, depth=1, dim_resampler=24, depth_resampler=1, dim_llm=48, depth_llm=1)


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen2 with its own chat template."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    folder, tokenizer = tmp_path_factory.mktemp("language"), qwen_tokenizer()
    tokenizer.chat_template = ("{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
                               "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
    Qwen2ForCausalLM(Qwen2Config(**TEXT, vocab_size=len(tokenizer), initializer_range=0.2)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("eyes")
    toybox_parts.new_encoder(SIZES).save_pretrained(folder / "encoder")
    return folder


def make(eyes: Path, language: Path, projector: str = "mlp2x", **options: int) -> Composed:
    torch.manual_seed(1)
    return training.put_together("toybox-av", str(eyes), projector, options, str(language)).eval()


@pytest.mark.parametrize("name", GENERAL)
def test_every_projector_gives_soft_tokens_of_any_grid(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    bridge = registry.find("projectors", name)(dim_in=24, dim_out=40)
    features = Features(torch.randn(2, 3 * 5 * 4 + 6, 24), (3, 5, 4), torch.randn(2, 24), num_extra=6)
    soft = bridge(features)
    expected = {"qformer": 32, "pixel-shuffle": 3 * 3 * 2 + 6, "spatio-temporal": 2 * 3 * 2 + 6}.get(name, 66)
    assert soft.shape == (2, expected, 40)
    bridge.save_pretrained(tmp_path)
    torch.testing.assert_close(type(bridge).from_pretrained(tmp_path)(features), soft)
    soft.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in bridge.parameters())
    with pytest.raises(InvalidInput, match="dim_out must be 1 or more"):
        registry.find("projectors", name)(dim_in=24, dim_out=0)


def test_pixel_shuffle_puts_neighbours_of_one_frame_together() -> None:
    bridge = registry.find("projectors", "pixel-shuffle")(dim_in=1, dim_out=4)
    bridge.layers = torch.nn.Identity()
    grid = torch.arange(2 * 4 * 4.0).view(1, -1, 1)
    soft = bridge(Features(grid, (2, 4, 4), torch.zeros(1, 1)))
    assert soft[0, 0].tolist() == [0, 1, 4, 5]
    assert soft[0, 5].tolist() == [18, 19, 22, 23]


def test_saved_loaded_and_asked_by_its_folder(eyes: Path, language: Path, tmp_path: Path) -> None:
    home = make(eyes, language, "qformer", num_queries=6, dim=16).save_pretrained(tmp_path / "my-model")
    assert {p.name for p in home.iterdir()} == {"config.json", "encoder", "projector", "language", "recipe.yaml",
                                                "README.md", "SHA256SUMS"}
    assert not weights.verify(home)
    assert 'Pipeline("video-qa", model="./my-model")' in (home / "README.md").read_text()
    clip = str(make_clip(tmp_path / "clip.mp4", seconds=5))
    pipe = Pipeline("video-qa", model=home, device="cpu", max_new_tokens=5)
    first, second = pipe(clip, ["what is it?", "and then?"])
    assert first.question == "what is it?"
    assert len(first.seconds_looked_at) == 40
    assert Pipeline(home / "recipe.yaml", model=home, device="cpu")(clip, "what is it?",
                                                                    max_new_tokens=5).text == first.text
    with pipe.open(clip) as session:
        assert session.ask("and then?").text == second.text
        ranked = session.ask("is it?", choices=["yes", "no", "a dog"])
        assert ranked.text in ("yes", "no", "a dog")
        pieces = session.ask("what is it?", stream=True)
        assert "".join(pieces).strip() == first.text
    words = Pipeline("video-captioning", model=home, device="cpu", max_new_tokens=4)(clip)
    assert words.model == "my-model"


def test_uploaded_as_one_folder(eyes: Path, language: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    sent: list[tuple[str, set[str]]] = []

    class Hub:
        def create_repo(self, name: str, **options: object) -> None:
            if name.startswith("no-one/"):
                raise OSError("401 Client Error")

        def upload_folder(self, *, repo_id: str, folder_path: str) -> str:
            sent.append((repo_id, {path.name for path in Path(folder_path).iterdir()}))
            return f"https://huggingface.co/{repo_id}"

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    model = make(eyes, language)
    assert model.push_to_hub("me/mine", tmp_path / "mine") == "https://huggingface.co/me/mine"
    assert sent[0][0] == "me/mine"
    assert {"config.json", "recipe.yaml", "README.md", "encoder", "projector", "language"} <= sent[0][1]
    with pytest.raises(ModelUnavailable, match=r"could not be uploaded \(401.*hf upload no-one/mine"):
        model.push_to_hub("no-one/mine", tmp_path / "mine")


def test_the_prefix_gives_what_one_whole_reading_gives(eyes: Path, language: Path, tmp_path: Path) -> None:
    model = make(eyes, language)
    model.save_pretrained(tmp_path / "m")
    clip = str(make_clip(tmp_path / "clip.mp4", seconds=3))
    pipe = Pipeline("video-qa", model=tmp_path / "m", device="cpu")
    with pipe.open(clip) as session:
        talk, clips = session._fields["conversation"], session._fields["clips"]
        found = talk.logits("what falls?")
    before, after = model.prompt.around("what falls?")
    words = model.language.get_input_embeddings()
    with torch.no_grad():
        whole = torch.cat((words(torch.tensor([before])), model.visual_tokens(clips), words(torch.tensor([after]))), 1)
        expected = model.language(inputs_embeds=whole).logits[0, -1]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_token_reduction_tokens_on_demand(eyes: Path, language: Path, tmp_path: Path) -> None:
    home = make(eyes, language).save_pretrained(tmp_path / "m")
    picture = torch.randint(0, 255, (1, 3, 64, 64), dtype=torch.uint8).repeat(40, 1, 1, 1)  # a still video of 4 s
    lengths = []
    for options in ({}, {"merge_to": 0.25}, {"drop_below": 0.1}, {"drop_below": 0.1, "merge_to": 0.5}):
        pipe = Pipeline("video-qa", model=home, device="cpu", max_new_tokens=3, **options)
        with pipe.open(picture, fps=10) as session:
            cache = session._fields["conversation"]._cache
            lengths.append(cache.get_seq_length() - len(pipe.stages[1][1].reader.model.prompt.around("?")[0]))
            assert session.ask("what?").question == "what?"
    whole = 2 * (8 * 16 + 25)
    assert lengths == [whole, 2 * round(whole / 8), 2 * (16 + 25), 16 + 25]
    make(eyes, language, "pixel-shuffle").save_pretrained(tmp_path / "grid")
    with pytest.raises(InvalidInput, match="pixel-shuffle needs the whole grid"):
        Pipeline("video-qa", model=tmp_path / "grid", device="cpu", drop_below=0.1)(picture, "what?", fps=10)


def test_parts_that_do_not_fit_are_refused(eyes: Path, language: Path) -> None:
    good = make(eyes, language)
    narrow = registry.find("projectors", "linear")(dim_in=32, dim_out=47)
    with pytest.raises(InvalidInput, match="maps 32 to 47, but toybox-av gives 32 and the language model reads 48"):
        Composed(good.names, {**dict(good.parts.items()), "projector": narrow}, good.tokenizer, good.look)
    with pytest.raises(InvalidInput, match="Name the language model"):
        training.put_together("toybox-av", str(eyes), "linear", {}, "")


def test_sound_through_an_encoder_of_its_own(eyes: Path, language: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    ears = registry.find("audio-encoders", "logmel-cnn")
    ears = ears.create(next(iter(ears.PRESETS)))
    seconds = ears.input.num_samples / ears.input.sample_rate if hasattr(ears.input, "num_samples") else 2.0
    base = make(eyes, language)
    parts = {**dict(base.parts.items()), "audio_encoder": ears,
             "audio_projector": registry.find("projectors", "linear")(dim_in=ears.dim, dim_out=48)}
    names = {**base.names, "audio_encoder": "logmel-cnn", "audio_projector": "linear"}
    model = Composed(names, parts, base.tokenizer, base.look).eval()
    frames = torch.randint(0, 255, (1, 16, 3, 64, 64), dtype=torch.uint8)
    audio = torch.randn(1, int(seconds * 16_000)) * 0.1
    loaded = Composed.from_pretrained(model.save_pretrained(tmp_path / "m"))
    with torch.no_grad():
        with_sound = loaded.embed(frames, audio, torch.ones(1, dtype=torch.bool))
        assert with_sound.shape[1] > base.embed(frames, audio, torch.ones(1, dtype=torch.bool)).shape[1]
        torch.testing.assert_close(with_sound, model.embed(frames, audio, torch.ones(1, dtype=torch.bool)))


def test_rows_hold_the_loss_to_answers(language: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(language)
    prompt = Prompt(tokenizer, PLAIN)
    asked = sequence_packing.Asked("what?", "a ball", (("who?", "a dog"),))
    (rows,) = sequence_packing.lay_out([[asked]], prompt, buckets=1)
    kept = rows.targets[0][rows.targets[0] != sequence_packing.IGNORED]
    assert tokenizer.decode(kept) == "a ball" + tokenizer.eos_token
    whole = tokenizer.decode(rows.ids[0][rows.mask[0].bool()])
    assert whole.replace(" ", "").count("adog") == 1
    assert VIDEO not in whole


def test_packed_loss_is_that_of_single_questions(eyes: Path, language: Path) -> None:
    model = make(eyes, language)
    soft = torch.randn(2, 5, 48)
    asked = [[sequence_packing.Asked("what color?", "red"), sequence_packing.Asked("how many balls are there?", "two")],
             [sequence_packing.Asked("does it fall?", "no")]]
    before, _ = model.prompt.around("?")
    found, _ = sequence_packing.packed_loss(model.language, soft, before, sequence_packing.lay_out(asked, model.prompt))
    words, total, count = model.language.get_input_embeddings(), 0.0, 0
    for clip, row in enumerate(asked):
        for one in row:
            _, after = model.prompt.around(one.question)
            answer = [*model.tokenizer(one.answer)["input_ids"], model.tokenizer.eos_token_id]
            ids = torch.tensor([[*after, *answer]])
            whole = torch.cat((words(torch.tensor([before])), soft[clip:clip + 1], words(ids)), 1)
            logits = model.language(inputs_embeds=whole).logits[0, -len(answer) - 1:-1]
            total += torch.nn.functional.cross_entropy(logits, torch.tensor(answer), reduction="sum")
            count += len(answer)
    torch.testing.assert_close(found, total / count, atol=1e-5, rtol=1e-4)


def lines(folder: Path, num: int = 3) -> Path:
    """Write clips, and two conversations about each."""
    rows = []
    for i in range(num):
        make_clip(folder / f"{i}.mp4", seconds=1, sound=i > 0)
        for words in (("what is it?", f"number {i}"), ("where?", "left")):
            rows.append({"id": str(i), "video": f"{i}.mp4", "conversations": [
                {"from": "human", "value": f"<video>\n{words[0]}"}, {"from": "gpt", "value": words[1]},
                {"from": "human", "value": "are you sure?"}, {"from": "gpt", "value": "yes"}]})
    path = folder / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_both_stages_run_resume_exactly_and_ask(eyes: Path, language: Path, tmp_path: Path) -> None:
    data = str(lines(tmp_path))
    common = {"projector": "mlp2x", "encoder_weights": str(eyes), "language": str(language), "data": data,
              "evaluate_every": 2, "samples": 1}
    plan = {"steps": 4, "batch_size": 2, "learning_rate": 1e-3, "warmup": 1, "log_every": 1, "save_every": 2,
            "precision": "no", "optimizer": "adamw"}
    training.train_composed(tmp_path / "whole", schedule=Schedule(**plan), learn=["projector"], **common)

    class Stop(Exception):
        pass

    def stop(*_: object) -> None:
        raise Stop

    stopped = training.ComposedTraining.evaluate
    training.ComposedTraining.evaluate = stop  # stops after step 2, whose checkpoint has been written
    try:
        with pytest.raises(Stop):
            training.train_composed(tmp_path / "halves", schedule=Schedule(**plan), learn=["projector"], **common)
    finally:
        training.ComposedTraining.evaluate = stopped
    training.train_composed(tmp_path / "halves", schedule=Schedule(**plan), learn=["projector"], **common)
    whole, halves = (Composed.from_pretrained(tmp_path / run / "model") for run in ("whole", "halves"))
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(halves.state_dict()[name], value, rtol=0, atol=0, msg=name)
    start = make(eyes, language)
    for part, changed in (("encoder", False), ("language", False), ("projector", True)):
        pairs = zip(start.parts[part].parameters(), whole.parts[part].parameters(), strict=True)
        assert any(not torch.equal(a, b) for a, b in pairs) == changed, part
    log = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    last = [line["evaluation"] for line in log if "evaluation" in line][-1]
    assert {"macro", "all", "samples"} <= set(last)
    assert "(true:" in last["samples"][0]

    training.train_composed(tmp_path / "two", schedule=Schedule(**plan), learn=["projector", "lora"], lora_rank=2,
                            model=str(tmp_path / "whole" / "model"), data=data, samples=0)
    tuned = Composed.from_pretrained(tmp_path / "two" / "model")
    moved = [not torch.equal(a, b) for a, b in zip(whole.language.parameters(), tuned.language.parameters(),
                                                   strict=True)]
    assert any(moved)
    answer = Pipeline("video-qa", model=tmp_path / "two" / "model", device="cpu")(str(tmp_path / "1.mp4"), "where?",
                                                                               max_new_tokens=3)
    assert answer.confidence > 0


def test_the_toybox_with_dense_facts(eyes: Path, tmp_path: Path) -> None:
    words = toybox_parts.new_language(SIZES)
    words.save_pretrained(tmp_path / "language")
    toybox_parts.new_concepts(SIZES).save_pretrained(tmp_path / "concepts")
    plan = {"steps": 2, "batch_size": 2, "learning_rate": 1e-3, "warmup": 1, "log_every": 1, "precision": "no"}
    training.train_composed(tmp_path / "one", schedule=Schedule(**plan), learn=["projector"], encoder_weights=str(eyes),
                            projector="resampler", projector_options={"dim": 24, "depth": 1, "heads": 6},
                            language=str(tmp_path / "language"), concepts=str(tmp_path / "concepts"), facts_weight=1.0,
                            data_options={"num_held_out": 2, "num_questions": 4}, samples=1)
    training.train_composed(tmp_path / "two", schedule=Schedule(**plan), learn=["projector", "language"],
                            facts_weight=0.05, model=str(tmp_path / "one" / "model"), data_options={"num_held_out": 2},
                            samples=0)
    log = [json.loads(line) for line in (tmp_path / "two" / "log.jsonl").read_text().splitlines()]
    assert {"answers", "facts", "exact"} <= set(log[0])
    answer = Pipeline("video-qa", model=tmp_path / "two" / "model", device="cpu")(
        str(make_clip(tmp_path / "clip.mp4")), "What color is the ball?")
    assert answer.question == "What color is the ball?"


def test_choices_over_what_they_have_without_the_video(eyes: Path, language: Path, tmp_path: Path) -> None:
    folder = make(eyes, language).save_pretrained(tmp_path / "model")
    clip, choices = make_clip(tmp_path / "clip.mp4"), ["yes", "no", "a dog"]
    with Pipeline("video-qa", model=folder, device="cpu").open(clip) as session:
        talk = session._fields["conversation"]
        seen, blind = ({one.text: one.confidence for one in asked.choose(
            "is it?", GenerationOptions(choices=tuple(choices)))} for asked in (talk, talk.blind()))
    assert talk.blind().num_read < talk.num_read
    pipe = Pipeline("video-qa", model=folder, device="cpu", answer={"choices": choices, "without_prior": True})
    answer = pipe(clip, "is it?")
    ratios = {text: seen[text] / blind[text] for text in choices}
    assert answer.text == max(ratios, key=lambda text: ratios[text])
    assert answer.confidence == pytest.approx(max(ratios.values()) / sum(ratios.values()), rel=1e-3)
    with pytest.raises(InvalidInput, match="without_prior is for choices"):
        Pipeline("video-qa", model=folder, device="cpu", answer={"without_prior": True})(clip, "is it?")


def test_paths_of_videos_may_be_absolute(tmp_path: Path) -> None:
    (tmp_path / "lines").mkdir()
    clips = [make_clip(tmp_path / name) for name in ("a.mp4", "b.mp4")]
    file = tmp_path / "lines" / "data.jsonl"
    file.write_text("\n".join(json.dumps({"video": str(clip), "conversations": [
        {"from": "human", "value": "what?"}, {"from": "gpt", "value": "that"}]}) for clip in clips))
    data = Jsonl(file, ClipSpec(4, 32, 32, 1.0), validation_share=0.5)
    assert data.train(0, 1).frames.shape == (1, 4, 3, 32, 32)
    assert [len(shown.asked) for shown in data.held_out()] == [1]


def test_bad_data_is_named(tmp_path: Path, eyes: Path, language: Path) -> None:
    look = ClipSpec(4, 32, 32, 1.0)
    with pytest.raises(MediaNotFound, match="No file"):
        Jsonl(tmp_path / "none.jsonl", look)
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"video": "a.mp4", "conversations": [{"from": "human", "value": "hm?"}]}')
    with pytest.raises(InvalidInput, match=r"bad.jsonl, line 1: turns come in pairs"):
        Jsonl(bad, look)
    bad.write_text('{"video": "a.mp4", "conversations": [{"from": "human", "value": "hm?"}, '
                   '{"from": "gpt", "value": "a"}]}')
    with pytest.raises(MediaNotFound, match=r"1 videos that are absent"):
        Jsonl(bad, look)
    plan = Schedule(steps=1, batch_size=1, learning_rate=1e-3)
    with pytest.raises(UnknownName, match="part that learns 'ears'"):
        training.train_composed(tmp_path / "run", schedule=plan, learn=["ears"], language=str(language))
    with pytest.raises(InvalidInput, match="facts_weight is for a projector that reads facts"):
        training.train_composed(tmp_path / "run", schedule=plan, learn=["projector"], encoder_weights=str(eyes),
                                language=str(language), facts_weight=1.0)
