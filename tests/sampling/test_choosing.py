"""Samplers that choose where to look: events are found, and Adaptive Keyframe Sampling is as its authors have it."""

from __future__ import annotations

import heapq
from pathlib import Path

import numpy as np
import pytest
import torch

from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput, NoAudioTrack, UnknownName, WeightsError
from mmvideo.media import open_source, write_video
from mmvideo.pipeline import Pipeline
from mmvideo.registry import find
from mmvideo.sampling.choose import candidates, covering, highest
from mmvideo.sampling.gather import TimeSpan
from mmvideo.sampling.saliency_head import SaliencyHead, fit_saliency, rank_loss
from mmvideo.sampling.salient import CUES, cues_of, rule_scores
from mmvideo.sounds.audio_preview import window_scores
from mmvideo.types import Audio

FPS, SECONDS = 10, 24
EVENTS = (5, 17)
"""Seconds in which something moves, and is heard."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A still film in which a square crosses the picture twice, each time with a click."""
    torch.manual_seed(0)
    frames = torch.randint(90, 110, (1, 3, 64, 64), dtype=torch.uint8).repeat(FPS * SECONDS, 1, 1, 1)
    sound = torch.randn(1, 16000 * SECONDS) * 1e-4
    for event in EVENTS:
        for step in range(1, FPS - 1):
            frames[event * FPS + step, :, 20:40, 4 * step:4 * step + 20] = 250
        sound[0, event * 16000 + 4000:event * 16000 + 4400] = torch.randn(400) * 0.3
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    write_video(path, frames, fps=FPS, audio=Audio(sound, 16000))
    return path


def _windows(clips: object) -> list[int]:
    return [int(row[0]) for row in clips.pts_seconds]


@pytest.mark.parametrize(("name", "options"), [("salient", {}), ("salient", {"motion": True}),
                                                 ("audio-preview", {})])
def test_the_events_are_found(film: Path, name: str, options: dict[str, bool]) -> None:
    with open_source(film) as source:
        clips = find("samplers", name)(source, num_clips=2, num_frames=3, clip_seconds=1.0, size=32, **options)
    assert clips.frames.shape == (2, 3, 3, 32, 32)
    assert _windows(clips) == list(EVENTS)
    assert f"2 of {SECONDS} windows of 1.00 s" in clips.rule


def test_frames_in_memory_have_no_packets_but_are_chosen_among_too(film: Path) -> None:
    with open_source(film) as source:
        video = next(iter(source.stream(batch=FPS * SECONDS)))
    with open_source(video) as source:
        assert _windows(find("samplers", "salient")(source, num_clips=2, clip_seconds=1.0)) == list(EVENTS)
        with pytest.raises(NoAudioTrack, match="salient"):
            find("samplers", "audio-preview")(source, num_clips=2)


def test_a_span_with_fewer_windows_is_taken_whole(film: Path) -> None:
    with open_source(film) as source:
        clips = find("samplers", "salient")(source, num_clips=9, clip_seconds=1.0, start_seconds=3, end_seconds=6)
    assert _windows(clips) == [3, 4, 5]
    assert "all there are" in clips.rule


def test_motion_vectors_are_long_where_something_moves(film: Path) -> None:
    spans = candidates(TimeSpan(0, SECONDS), 1.0)
    with open_source(film) as source:
        cues = cues_of(source, spans, motion=True)
    longest = cues[:, CUES.index("largest motion")]
    assert set(EVENTS) <= set(longest.topk(4).indices.tolist())
    assert float(longest.max()) >= 1


def test_a_head_learns_what_the_teacher_ranks() -> None:
    torch.manual_seed(0)
    videos = []
    for _ in range(8):
        cues = torch.rand(20, len(CUES)) * 10
        videos.append((cues, cues[:, 3] - cues[:, 0]))  # no rule adds these so
    head = fit_saliency(videos[:6], steps=150)

    def loss(scores: torch.Tensor, teacher: torch.Tensor) -> float:
        best = set(teacher.topk(5).indices.tolist())
        return 1 - len(best & set(scores.topk(5).indices.tolist())) / 5

    learnt = np.mean([loss(head.scores(cues), teacher) for cues, teacher in videos[6:]])
    ruled = np.mean([loss(rule_scores(cues), teacher) for cues, teacher in videos[6:]])
    assert learnt <= 0.3 < ruled


def test_the_rank_loss_is_the_mean_over_pairs() -> None:
    scores, teacher = torch.tensor([0.2, 1.5, -0.3]), torch.tensor([0.5, 0.9, 0.5])
    assert float(rank_loss(scores, teacher)) == pytest.approx((max(0, 1 - 1.3) + max(0, 1 - 1.8)) / 2)
    assert float(rank_loss(-scores, teacher)) == pytest.approx((1 + 1.3 + 1 + 1.8) / 2)
    assert float(rank_loss(scores, torch.ones(3))) == 0
    with pytest.raises(InvalidInput, match="alike"):
        rank_loss(scores, torch.ones(2))


def test_weights_of_a_head_travel_and_wrong_ones_are_refused(film: Path, tmp_path: Path) -> None:
    head = SaliencyHead(len(CUES))
    path = head.save(tmp_path / "head.safetensors")
    cues = torch.rand(5, len(CUES))
    assert torch.equal(SaliencyHead.from_file(path, len(CUES)).scores(cues), head.scores(cues))
    with open_source(film) as source:
        with pytest.raises(WeightsError, match="no scorer of windows"):
            find("samplers", "salient")(source, weights=str(tmp_path / "none.safetensors"))
        SaliencyHead(2).save(path)
        with pytest.raises(WeightsError, match="for 6 cues"):
            find("samplers", "salient")(source, weights=str(path))


def _reference_aks(scores: list[float], most: int, t1: float = 0.8, depth: int = 5) -> list[int]:
    """Choose as the authors' script does: lists of parts, level by level; shares are rounded down."""
    values = np.array(scores)
    todo = [((values - values.min()) / (values.max() - values.min()), list(range(len(values))), 0)]
    done = []
    while todo:
        following = []
        for part, names, level in todo:
            best = heapq.nlargest(most, range(len(part)), part.__getitem__)
            if np.mean([part[b] for b in best]) - np.mean(part) > t1 or level >= depth:
                done.append((part, names, level))
            else:
                half = len(part) // 2
                following += [(part[:half], names[:half], level + 1), (part[half:], names[half:], level + 1)]
        todo = following
    out = []
    for part, names, level in done:
        out += [names[b] for b in heapq.nlargest(int(most / 2**level), range(len(part)), part.__getitem__)]
    return sorted(out)


@pytest.mark.parametrize("kind", ["flat", "peaked"])
def test_coverage_is_that_of_the_authors(kind: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        scores = rng.random(256) * (0.05 if kind == "peaked" else 1)
        if kind == "peaked":
            scores[rng.choice(256, 64, replace=False)] += rng.random(64)
        expected = _reference_aks(scores.tolist(), 64)
        found = covering(scores.tolist(), 64)
        assert len(found) == 64
        assert set(expected) <= set(found)
        if len(expected) == 64:
            assert found == expected


def test_coverage_spreads_over_equal_scores_and_follows_a_peak() -> None:
    assert [number // 64 for number in covering([0.5] * 256, 4, max_depth=2)] == [0, 1, 2, 3]
    assert covering([0.0] * 50 + [1.0] * 4 + [0.0] * 50, 4) == [50, 51, 52, 53]
    assert covering([0.1, 0.2], 5) == [0, 1]
    assert highest([1.0, 3.0, 3.0, 0.0], 2) == [1, 2]


def test_the_question_sampler_follows_relevance(film: Path) -> None:
    def bright(frames: torch.Tensor, text: str) -> torch.Tensor:
        assert text == "a white square"
        return (frames > 200).float().mean((1, 2, 3))

    with open_source(film) as source:
        clips = find("samplers", "question")(source, text="a white square", relevance=bright, num_clips=2)
        assert _windows(clips) == list(EVENTS)
        with pytest.raises(InvalidInput, match="relevance_model"):
            find("samplers", "question")(source, num_clips=2)


def test_onsets_stand_where_sound_begins() -> None:
    sound = torch.zeros(16000)
    sound[8000:12000] = torch.sin(torch.arange(4000) * 0.3)
    spans = candidates(TimeSpan(0, 1), 0.1)
    scores = window_scores(Audio(sound[None], 16000), spans, speech=0)
    assert abs(int(scores.argmax()) - 5) <= 1
    assert not window_scores(Audio(torch.zeros(1, 16000), 16000), spans, speech=0).any()
    assert not window_scores(Audio(torch.zeros(1, 9), 16000), spans, speech=0).any(), "shorter than one spectrum"


def test_a_classifier_looks_where_the_sampler_says(film: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    zoo.create("c3d-tiny", labels=["a", "b"]).save_pretrained(tmp_path)
    pipe = Pipeline("video-classification", tmp_path, sampler="salient", num_clips=2, clip_seconds=1.0)
    seen = pipe(film).seconds_looked_at
    assert {int(second) for second in seen} == set(EVENTS)
    with pytest.raises(UnknownName, match="salient"):
        Pipeline("video-classification", tmp_path, sampler="salint")
    with pytest.raises(InvalidInput, match="with sampler="):
        Pipeline("video-classification", tmp_path, clip_seconds=1.0)
    with pytest.raises(InvalidInput, match="takes no sampler"):
        Pipeline("video-classification", sampler="salient")


def test_all_frames_of_one_clip_are_chosen_for_chat_models(film: Path) -> None:
    from mmvideo.stages.chosen_frames import chosen_frames

    with open_source(film) as source:
        clips = chosen_frames(source, "salient", 4, sample_rate=16000, size=(32, 32), start_seconds=None,
                              end_seconds=None)
    assert clips.frames.shape == (1, 4, 3, 32, 32)
    assert clips.audio is not None
    assert set(EVENTS) <= {int(second) for second in clips.pts_seconds[0].tolist()}, "nothing moves in the other two"


def test_what_happens_at_the_end_of_a_window_counts_for_it(film: Path) -> None:
    """The square vanishes at 5.9 s; the frame that is coded next after that one is shown at 6.1 s."""
    spans = candidates(TimeSpan(0, SECONDS), 1.0)
    with open_source(film) as source:
        cues = cues_of(source, spans, motion=True)
    for name in ("bytes", "largest packet", "change", "largest change", "motion"):
        assert set(cues[:, CUES.index(name)].topk(2).indices.tolist()) == set(EVENTS), name
    assert not cues[[event + 1 for event in EVENTS], CUES.index("largest change")].any()
