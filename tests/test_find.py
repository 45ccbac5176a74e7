"""Vectors of videos, an index as a batch job, and what is found in it by clip, by words and as near-duplicates."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from mmvideo import Pipeline
from mmvideo.cli import main
from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput, MediaNotFound, UnsupportedModel
from mmvideo.media import write_video
from mmvideo.results import Embedding
from mmvideo.retrieval.index import ClipIndex
from mmvideo.retrieval.words import WordIndex, asked_terms, stem


def _clip(path: Path, seed: int, noise: int = 0) -> Path:
    """Write a second of blocks that move; another seed moves others, noise changes the same ones a little."""
    random = np.random.default_rng(seed)
    coarse = torch.from_numpy(random.integers(0, 255, (3, 8, 8), dtype=np.uint8))
    whole = coarse.repeat_interleave(8, 1).repeat_interleave(8, 2)
    frames = torch.stack([whole.roll(2 * t, 2) for t in range(12)]).int()
    frames += torch.from_numpy(np.random.default_rng(1000 + noise).integers(-noise, noise + 1, frames.shape))
    write_video(path, frames.clamp(0, 255).to(torch.uint8), fps=12)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    zoo.create("single-frame-tiny", num_classes=0).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name, seed, noise in (("a", 1, 0), ("a-again", 1, 2), ("b", 2, 0), ("c", 3, 0)):
        _clip(folder / f"{name}.mp4", seed, noise)
    return folder


@pytest.fixture(scope="module")
def index(model: Path, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("index") / "x"
    with pytest.raises(SystemExit) as ended:
        main(["index", str(clips), "--out", str(out), "--model", str(model), "--workers", "1"])
    assert not ended.value.code
    return out


def _found(capsys: pytest.CaptureFixture, *arguments: str) -> tuple[int, list[Any], str]:
    with pytest.raises(SystemExit) as ended:
        main(["find", *arguments, "--json"])
    said = capsys.readouterr()
    return int(ended.value.code or 0), [json.loads(line) for line in said.out.splitlines()], said.err


def test_any_encoder_gives_a_vector_of_length_one(model: Path, clips: Path) -> None:
    pipe = Pipeline("video-embedding", model, device="cpu", num_clips=2)
    found, again, other = (pipe(clips / f"{name}.mp4") for name in ("a", "a-again", "b"))
    assert isinstance(found, Embedding)
    assert np.linalg.norm(found.vector) == pytest.approx(1.0, abs=1e-5)
    assert np.dot(found.vector, again.vector) > np.dot(found.vector, other.vector)
    assert found.headline == f"a vector of {len(found.vector)} values"
    assert found.to_dict()["vector"][:2] == pytest.approx(found.vector[:2], abs=1e-5)


def test_a_model_without_vectors_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="gives no vectors"):
        Pipeline("video-embedding", "sounds", device="cpu")


def test_an_index_is_a_job_that_keeps_vectors_as_parquet(index: Path, model: Path, clips: Path) -> None:
    opened = ClipIndex(index)
    assert len(opened) == 4
    assert opened.about["model"] == str(model)
    vector = Pipeline("video-embedding", model, device="cpu")(clips / "b.mp4").vector
    place = next(i for i, source in enumerate(opened.sources) if source.endswith("b.mp4"))
    assert opened.vectors[place] == pytest.approx(vector, abs=1e-4)
    (index / "results.parquet").rename(index / "away")  # while a job runs there are lines alone
    try:
        assert ClipIndex(index).sources == opened.sources
    finally:
        (index / "away").rename(index / "results.parquet")


def test_a_clip_finds_its_like(capsys: pytest.CaptureFixture, index: Path, clips: Path) -> None:
    code, found, _ = _found(capsys, str(index), str(clips / "a.mp4"), "--top", "3", "--device", "cpu")
    assert code == 0
    assert [Path(one["source"]).stem for one in found][:2] == ["a", "a-again"]
    assert found[0]["score"] == pytest.approx(1.0, abs=1e-3)
    assert len(found) == 3


def test_near_duplicates_are_groups(capsys: pytest.CaptureFixture, index: Path) -> None:
    opened = ClipIndex(index)
    names = [Path(source).stem for source in opened.sources]
    a, again = names.index("a"), names.index("a-again")
    cosine = float(opened.vectors[a] @ opened.vectors[again])
    code, found, err = _found(capsys, str(index), "--duplicates", "--threshold", f"{cosine - 1e-4:.6f}")
    assert code == 0
    assert "among 4 clips" in err
    assert sorted(Path(source).stem for source in found[0]["sources"]) == ["a", "a-again"]
    assert opened.duplicates(1.0) == [] or cosine > 0.999
    with pytest.raises(InvalidInput, match=r"in \(0, 1\]"):
        opened.duplicates(0)


def test_faults_of_a_search_are_told(capsys: pytest.CaptureFixture, index: Path, clips: Path, tmp_path: Path) -> None:
    for arguments, words in ((("nowhere", "a dog"), "is no index"), ((str(index),), "or --duplicates"),
                             ((str(index), "a dog"), "vectors without words"),
                             ((str(index), "  "), "Give words"), ((str(index), "a", "--duplicates"), "not both")):
        code, _, err = _found(capsys, *arguments)
        assert code in (2, 3), err
        assert words in err
    with pytest.raises(MediaNotFound, match="mmvideo index"):
        ClipIndex(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["index", str(clips), "--out", str(index), "--model", "lite0"])
    assert ended.value.code == 2
    assert "index made with" in capsys.readouterr().err


def test_words_are_found_by_stem_and_by_kind() -> None:
    assert [stem(word) for word in ("kicks", "kicking", "kicked", "running", "glass", "dances", "dancing")] == [
        "kick", "kick", "kick", "run", "glass", "danc", "danc"]
    index = WordIndex(["a man is kicking a ball\nobjects: person, sports ball", "a dog sleeps", "",
                       "objects: person, car\nsounds: dog bark"])
    assert index.scores("a person kicks a ball").argmax() == 0
    assert index.scores("woman")[0] > 0 == index.scores("woman")[1]  # by her kind, a person
    assert index.scores("barking")[3] > 0
    assert not index.scores("helicopter").any()
    assert index.scores("dog")[1] > index.scores("dog")[3]  # of a shorter text it says more
    assert asked_terms("the man")["person"] < asked_terms("the man")["man"]


def test_an_index_of_words_is_searched_in_words(tmp_path: Path) -> None:
    folder = tmp_path / "words"
    folder.mkdir()
    (folder / "index.json").write_text('{"model": "everyday"}')
    rows = [{"source": "a.mp4", "text": "a man kicks a ball", "embedding": [1.0, 0.0]},
            {"source": "b.mp4", "text": "rain", "embedding": [0.0, 2.0]},
            {"source": "c.mp4", "text": "", "embedding": []}]
    (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    opened = ClipIndex(folder)
    assert [match.source for match in opened.by_text("a person kicking")] == ["a.mp4"]
    assert opened.by_text("snow") == []
    assert np.linalg.norm(opened.vectors, axis=1).tolist() == [1.0, 1.0]
    assert "a man kicks" in str(opened.by_text("man")[0])


def test_a_model_of_the_hub_compares_words_with_clips(tmp_path: Path, clips: Path) -> None:
    from transformers import (
        CLIPImageProcessor,
        PreTrainedTokenizerFast,
        SiglipConfig,
        SiglipModel,
        SiglipTextConfig,
        SiglipVisionConfig,
    )

    wide = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(0)
    config = SiglipConfig(text_config=SiglipTextConfig(**wide, vocab_size=8, max_position_embeddings=8, bos_token_id=1,
                                                       eos_token_id=1, pad_token_id=0).to_dict(),
                          vision_config=SiglipVisionConfig(**wide, image_size=32, patch_size=16).to_dict())
    SiglipModel(config).save_pretrained(tmp_path)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"[PAD]": 0, "[EOS]": 1, "[UNK]": 2, "a": 3, "dog": 4, "ball": 5}, "[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", eos_token="[EOS]",
                            unk_token="[UNK]").save_pretrained(tmp_path)
    pipe = Pipeline("video-embedding", tmp_path, device="cpu", dtype="float32", num_clips=1)
    found = pipe(clips / "a.mp4")
    assert len(found.vector) == 32
    stage = dict(pipe.stages)["embed"]
    texts = stage.texts(["a dog", "a ball"])
    assert texts.norm(dim=1).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
    assert not torch.equal(texts[0], texts[1])
    folder = tmp_path / "index"
    folder.mkdir()
    (folder / "index.json").write_text(json.dumps({"model": str(tmp_path), "embed": {"dtype": "float32"}}))
    (folder / "results.jsonl").write_text(json.dumps({"source": "a.mp4", "text": "", "embedding": found.vector}) + "\n")
    (match,) = ClipIndex(folder, device="cpu").by_text("a dog")
    assert match.score == pytest.approx(float(texts[0] @ torch.tensor(found.vector)), abs=1e-4)
    with pytest.raises(InvalidInput, match="reads 8"):
        stage.texts(["a dog " * 9])


def test_the_everyday_model_indexes_clips_without_sound(tmp_path: Path) -> None:
    silent = tiny.make_clip(tmp_path / "silent.mp4")
    found = Pipeline("video-embedding", device="cpu")(silent)
    assert len(found.vector) == 1280
    assert found.text
    assert "sounds:" not in found.text


def test_what_is_said_is_found(model: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("a", "b"):
        shutil.copy(clips / f"{name}.mp4", tmp_path / f"{name}.mp4")
    (tmp_path / "b.srt").write_text("1\n00:00:00,000 --> 00:00:00,900\nThe rover is landing now.\n")
    out = tmp_path / "index"
    with pytest.raises(SystemExit) as ended:
        main(["index", str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4"), "--out", str(out), "--model", str(model),
              "--workers", "1", "--speech", "auto"])
    assert not ended.value.code
    (match,) = ClipIndex(out).by_text("rovers land")
    assert match.source.endswith("b.mp4")
    assert match.text == "said: The rover is landing now."
    with pytest.raises(InvalidInput, match="speech_model="):
        Pipeline("video-embedding", str(model), embed={"speech_model": "x"})
