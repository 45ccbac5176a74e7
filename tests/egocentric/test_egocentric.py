"""Annotations in the released formats, EPIC's measures, and the pipeline on a network with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mmvideo.egocentric.annotations import read_annotations
from mmvideo.egocentric.scores import action_scores, verb_noun_metrics
from mmvideo.egocentric.training.clips import EgocentricClips
from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput, MediaNotFound, RecipeError, WeightsError
from mmvideo.evaluation.recipes import run_evaluation
from mmvideo.media import write_video
from mmvideo.pipeline import Pipeline

HEADER = ("narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,"
          "stop_frame,narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes\n")
ROW = ("P01_01_{n},P01,P01_01,00:00:01.089,{start},{stop},8,202,{verb} {noun},{verb},3,{noun},3,['{noun}'],[3]\n")


def _epic(path: Path, *rows: tuple[str, str, str, str]) -> Path:
    path.write_text(HEADER + "".join(ROW.format(n=n, start=a, stop=b, verb=v, noun=o)
                                     for n, (a, b, v, o) in enumerate(rows)))
    return path


@pytest.fixture
def kitchen(tmp_path: Path) -> Path:
    """A folder with a video of 4 s and its annotations."""
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "P01_01.mp4", torch.randint(0, 255, (40, 3, 64, 64), dtype=torch.uint8), fps=10)
    _epic(tmp_path / "train.csv", ("00:00:00.00", "00:00:01.50", "take", "knife"),
          ("00:00:01.50", "00:00:03.00", "cut", "onion"), ("00:00:03.00", "00:00:03.90", "cut", "bread"))
    return tmp_path


def test_epic_is_read(kitchen: Path) -> None:
    found = read_annotations(kitchen / "train.csv")
    assert [(one.video, one.start_seconds, one.end_seconds, one.verb, one.noun) for one in found] == [
        ("P01_01", 0.0, 1.5, "take", "knife"), ("P01_01", 1.5, 3.0, "cut", "onion"),
        ("P01_01", 3.0, 3.9, "cut", "bread")]
    assert found[1].narration == "cut onion"


def test_ego4d_is_read(tmp_path: Path) -> None:
    clip = {"video_uid": "v", "clip_uid": "c1", "action_clip_start_sec": 2.5, "action_clip_end_sec": 4,
            "verb": "put_(place,_leave,_drop)", "noun": "cup", "verb_label": 4, "noun_label": 7, "action_idx": 0}
    path = tmp_path / "fho_lta_train.json"
    path.write_text(json.dumps({"version": "v2", "split": "train", "clips": [clip]}))
    assert [(one.video, one.start_seconds, one.end_seconds, one.noun) for one in read_annotations(path)] == [
        ("c1", 2.5, 4.0, "cup")]
    path.write_text(json.dumps({"clips": [clip, {**clip, "action_clip_end_sec": 1.0}]}))
    with pytest.raises(RecipeError, match="entry 2 ends at 1 s"):
        read_annotations(path)
    path.write_text(json.dumps({"clips": [{"clip_uid": "c"}]}))
    with pytest.raises(RecipeError, match="has no 'action_clip_start_sec'"):
        read_annotations(path)


@pytest.mark.parametrize(("row", "words"), [
    (("00:00:02.00", "00:00:01.00", "cut", "onion"), "row 2 ends at 1 s, before"),
    (("00:00:02.00", "00:00:02.00", "cut", "onion"), "row 2 ends at 2 s"),
    (("2 s", "00:00:02.00", "cut", "onion"), "row 2: start_timestamp must be a time"),
    (("00:00:02.00", "00:00:03.00", "", "onion"), "row 2: verb must be a name")])
def test_a_wrong_row_is_named(tmp_path: Path, row: tuple[str, str, str, str], words: str) -> None:
    path = _epic(tmp_path / "a.csv", ("00:00:00.00", "00:00:01.50", "take", "knife"), row)
    with pytest.raises(RecipeError, match=words):
        read_annotations(path)


def test_files_that_are_no_annotations(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(RecipeError, match="no column 'video_id'"):
        read_annotations(path)
    path.write_text(HEADER)
    with pytest.raises(RecipeError, match="holds no action"):
        read_annotations(path)
    with pytest.raises(MediaNotFound):
        read_annotations(tmp_path / "none.csv")


def test_measures_are_those_of_epic() -> None:
    torch.manual_seed(0)
    verbs, nouns = torch.randn(50, 7), torch.randn(50, 9)
    verb_truth, noun_truth = torch.randint(0, 7, (50,)), torch.randint(0, 9, (50,))
    found = verb_noun_metrics(verbs, nouns, verb_truth, noun_truth)
    right = {"verb": 0, "noun": 0, "action": 0, "action5": 0}
    for row in range(50):
        p, q = verbs[row].softmax(0), nouns[row].softmax(0)
        pairs = sorted(((float(p[v] * q[n]), v, n) for v in range(7) for n in range(9)), reverse=True)
        truth = (int(verb_truth[row]), int(noun_truth[row]))
        right["verb"] += int(p.argmax()) == truth[0]
        right["noun"] += int(q.argmax()) == truth[1]
        right["action"] += pairs[0][1:] == truth
        right["action5"] += truth in [pair[1:] for pair in pairs[:5]]
    assert found["verb_top1"] == pytest.approx(right["verb"] / 50)
    assert found["noun_top1"] == pytest.approx(right["noun"] / 50)
    assert found["action_top1"] == pytest.approx(right["action"] / 50)
    assert found["action_top5"] == pytest.approx(right["action5"] / 50)
    assert torch.allclose(action_scores(verbs.softmax(1), nouns.softmax(1)).sum((1, 2)), torch.ones(50))
    with pytest.raises(InvalidInput, match="nothing to measure"):
        verb_noun_metrics(verbs[:0], nouns[:0], verb_truth[:0], noun_truth[:0])


def test_segments_become_clips_of_two_tasks(kitchen: Path) -> None:
    data = EgocentricClips(kitchen / "videos", kitchen / "train.csv", kitchen / "train.csv", num_frames=4, height=32,
                           width=32)
    assert data.labels == {"verb": ("verb:cut", "verb:take"), "noun": ("noun:bread", "noun:knife", "noun:onion")}
    clips = data.draw([0, 1, 2], "validation")
    assert clips.frames.shape == (3, 4, 3, 32, 32)
    assert clips.labels["verb"].tolist() == [1, 0, 0]
    assert clips.labels["noun"].tolist() == [1, 2, 0]
    with pytest.raises(InvalidInput, match="'pan'"):
        EgocentricClips(kitchen / "videos", kitchen / "train.csv",
                        _epic(kitchen / "v.csv", ("00:00:00", "00:00:01", "cut", "pan")))
    (kitchen / "videos" / "P01_01.mp4").unlink()
    with pytest.raises(MediaNotFound, match=r"no file of 1 of 1 annotated videos, as P01_01\.mp4"):
        EgocentricClips(kitchen / "videos", kitchen / "train.csv")


def test_the_pipeline_and_the_evaluator(kitchen: Path) -> None:
    torch.manual_seed(0)
    labels = ["verb:cut", "verb:take", "noun:knife", "noun:onion"]
    zoo.create("c3d-tiny", labels=labels).save_pretrained(kitchen / "model")
    found = Pipeline("egocentric", kitchen / "model")(kitchen / "videos" / "P01_01.mp4")
    assert found.segments[0].start_seconds == 0
    assert found.segments[-1].end_seconds == pytest.approx(4.0, abs=0.11)
    verb, noun = found.segments[0].text.split()
    assert (f"verb:{verb}", f"noun:{noun}") in {(v, n) for v in labels[:2] for n in labels[2:]}
    config = kitchen / "eval.yaml"
    config.write_text(f"evaluator: egocentric\nvideos: {kitchen}/videos\nannotations: {kitchen}/train.csv\n"
                      f"weights: {kitchen}/model\n")
    report = next(iter(run_evaluation(config, out=kitchen / "out")))
    assert report["segments"] == 3
    assert report["noun_top5"] == pytest.approx(2 / 3)  # bread is not known
    assert report["most_frequent"]["verb"] == pytest.approx(2 / 3)
    zoo.create("c3d-tiny", labels=["a", "b"]).save_pretrained(kitchen / "other")
    with pytest.raises(WeightsError, match="begin with 'verb:'"):
        Pipeline("egocentric", kitchen / "other")
    with pytest.raises(InvalidInput, match="model of yours"):
        Pipeline("egocentric")
