"""Mean average precision against ActivityNet's published algorithm, Soft-NMS, grouping."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mmvideo.errors import InvalidInput
from mmvideo.localization.grouping import actionness_groups, grouped, grouped_spans, likely_runs
from mmvideo.localization.measures import THRESHOLDS, localization_score
from mmvideo.localization.spans import LocatedSpan, joined_spans, soft_nms, tiou
from mmvideo.types import Segment


def activitynet_map(truth: dict[str, list[Segment]], found: dict[str, list[LocatedSpan]], at: float) -> float:
    """The rules of ActivityNet's eval_detection.py, a threshold at a time, written out."""
    labels = sorted({one.text for spans in truth.values() for one in spans})
    total = 0.0
    for label in labels:
        real = [(film, one.start_seconds, one.end_seconds) for film, spans in truth.items() for one in spans
                if one.text == label]
        lock = [False] * len(real)
        rows = sorted(((one.score, film, one.start_seconds, one.end_seconds) for film, spans in found.items()
                       for one in spans if one.label == label), reverse=True)
        tp, fp = [], []
        for _, film, start, end in rows:
            overlaps = []
            for number, (other, s, e) in enumerate(real):
                if other == film:
                    inner = max(0.0, min(e, end) - max(s, start))
                    overlaps.append((inner / ((end - start) + (e - s) - inner), number))
            hit = False
            for overlap, number in sorted(overlaps, reverse=True):
                if overlap < at:
                    break
                if not lock[number]:
                    lock[number] = hit = True
                    break
            tp.append(float(hit))
            fp.append(float(not hit))
        tps, fps = np.cumsum(tp), np.cumsum(fp)
        recall, precision = tps / len(real), tps / np.maximum(tps + fps, 1e-12)
        mprec, mrec = np.hstack([[0], precision, [0]]), np.hstack([[0], recall, [1]])
        for i in range(len(mprec) - 1)[::-1]:
            mprec[i] = max(mprec[i], mprec[i + 1])
        idx = np.where(mrec[1::] != mrec[0:-1])[0] + 1
        total += float(np.sum((mrec[idx] - mrec[idx - 1]) * mprec[idx]))
    return total / len(labels)


@pytest.mark.parametrize("seed", range(6))
def test_map_is_that_of_activitynet(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth: dict[str, list[Segment]] = {}
    found: dict[str, list[LocatedSpan]] = {}
    for film in "abcd":
        truth[film] = [Segment(s, s + d, str(rng.choice(["run", "jump", "sit"]))) for s, d in
                       zip(rng.uniform(0, 50, 6), rng.uniform(0.5, 8, 6), strict=True)] if film != "d" else []
        found[film] = [LocatedSpan(max(0.0, one.start_seconds + e), one.end_seconds + f, one.text, float(rng.random()))
                       for one in truth[film] for e, f in rng.normal(0, 0.8, (3, 2))
                       if one.end_seconds + f > max(0.0, one.start_seconds + e)]
        found[film] += [LocatedSpan(s, s + 2, "run", float(rng.random())) for s in rng.uniform(0, 50, 4)]
    score = localization_score(truth, found)
    for at in THRESHOLDS:
        assert score.by_threshold[at] == pytest.approx(activitynet_map(truth, found, at), abs=1e-6)
    assert score.mean == pytest.approx(np.mean(list(score.by_threshold.values())))


def test_edges_of_the_measure() -> None:
    truth = {"a": [Segment(0, 1, "run")], "b": []}
    assert localization_score(truth, {}).mean == 0.0
    assert localization_score(truth, {"a": [LocatedSpan(0, 1, "run", 0.5)]}).mean == 1.0
    assert localization_score(truth, {"a": [LocatedSpan(0, 1, "sit", 0.5)]}).mean == 0.0
    with pytest.raises(InvalidInput, match="no true span"):
        localization_score({"a": []}, {})
    with pytest.raises(InvalidInput, match=r"ends at 1 s and starts at 2 s"):
        localization_score({"a": [Segment(2, 1, "run")]}, {})
    with pytest.raises(InvalidInput, match="no truth"):
        localization_score(truth, {"c": [LocatedSpan(0, 1, "run", 0.5)]})


def test_soft_nms_lowers_scores_within_a_label() -> None:
    spans = [LocatedSpan(0, 10, "run", 0.9), LocatedSpan(1, 10, "run", 0.8), LocatedSpan(1, 10, "sit", 0.7),
             LocatedSpan(20, 30, "run", 0.6)]
    gaussian = {(one.start_seconds, one.label): one.score for one in soft_nms(spans)}
    assert gaussian[0, "run"] == 0.9
    assert gaussian[1, "run"] == pytest.approx(0.8 * math.exp(-0.9**2 / 0.5))
    assert gaussian[1, "sit"] == 0.7
    assert gaussian[20, "run"] == 0.6
    linear = {(one.start_seconds, one.label): one.score for one in soft_nms(spans, method="linear")}
    assert linear[1, "run"] == pytest.approx(0.8 * (1 - 0.9))
    assert len(soft_nms(spans, method="hard")) == 3
    assert [one.score for one in soft_nms(spans, most=2)] == [0.9, 0.7]
    assert soft_nms([]) == []
    with pytest.raises(InvalidInput):
        soft_nms(spans, method="softest")
    assert tiou(np.array([1.0, 1.0]), np.array([[1.0, 1.0]])).tolist() == [0.0]


def test_neighbours_are_joined_across_short_gaps() -> None:
    spans = [LocatedSpan(0, 1, "dog", 0.5, "object"), LocatedSpan(1.5, 2, "dog", 0.9, "object"),
             LocatedSpan(1.2, 3, "dog", 0.9, "sound"), LocatedSpan(4, 5, "dog", 0.1, "object")]
    assert joined_spans(spans, 0.6) == [LocatedSpan(0, 2, "dog", 0.9, "object"), spans[2], spans[3]]


def test_likely_steps_are_grouped_as_in_tag() -> None:
    shares = np.array([0.0, 0.9, 0.9, 0.2, 0.9, 0.0, 0.0, 0.0, 0.6, 0.0])
    assert likely_runs(shares, 0.5) == [(1, 3), (4, 5), (8, 9)]
    assert grouped(likely_runs(shares, 0.5), 0.7) == [(1, 5), (4, 5), (8, 9)]  # 3 of 4 are likely; 4 of 8 are not
    assert grouped(likely_runs(shares, 0.5), 1.0) == [(1, 3), (4, 5), (8, 9)]
    assert {(1, 5), (1, 3), (8, 9)} <= set(actionness_groups(shares))
    found = grouped_spans(shares[:, None], ["run"], start_seconds=10.0, step_seconds=0.5)
    assert (found[0].start_seconds, found[0].end_seconds) == (10.5, 11.5)
    assert grouped_spans(np.zeros((4, 1)), ["run"], start_seconds=0.0, step_seconds=1.0) == []
