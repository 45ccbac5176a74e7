"""Benchmarks of other replies: words (ActivityNet-QA), captions (MSVD, MSR-VTT), spans of time, and classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmvideo.benchmarks.base import (
    BenchmarkItem,
    Scored,
    VideoBenchmark,
    first_file,
    read_json,
    read_table,
    value,
    video_file,
)
from mmvideo.errors import InvalidInput
from mmvideo.evaluation.caption_metrics import Cider, bleu

Span = tuple[float, float]
_CLOCK = re.compile(r"(?<![\d.])(?:(\d+):)?(\d{1,2}):(\d{2}(?:\.\d+)?)|(\d+(?:\.\d+)?)")
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def plain_answer(text: str) -> str:
    """Return an answer as it is compared: lower case, without articles, marks and a closing sentence."""
    line = text.strip().splitlines()[0] if text.strip() else ""
    return " ".join(re.findall(r"[a-z0-9]+", _ARTICLES.sub(" ", line.lower())))


class ActivityNetQA(VideoBenchmark):
    """ActivityNet-QA: short open answers, compared word for word (no judge)."""

    about = "ActivityNet-QA: open answers of a word or two, exact match"
    source = "https://github.com/MILVLG/activitynet-qa (Yu et al. 2019)"

    def read(self, data: Path, *, subtitles: bool = False) -> list[BenchmarkItem]:
        """Read test_q.json and test_a.json."""
        answers = {row["question_id"]: row for row in read_json(data, "test_a.json", "val_a.json")}
        found = []
        for row in read_json(data, "test_q.json", "val_q.json"):
            name = str(value(row, "question_id"))
            if name not in answers:
                raise InvalidInput(f"{data}: the question {name} has no answer in test_a.json.")
            told = answers[name]
            found.append(BenchmarkItem(
                name, video_file(data, f"v_{row['video_name']}", "videos", "all_test"),
                f"{str(value(row, 'question')).rstrip('?').capitalize()}?", answer=str(value(told, "answer")),
                tags={"type": str(told.get("type", ""))}))
        return found

    def prompt(self, item: BenchmarkItem) -> str:
        """Return the question, for a short answer."""
        return f"{item.question} Answer with a single word or short phrase."

    def score(self, item: BenchmarkItem, parsed: str) -> float:
        """Return 1 for the same words."""
        return float(plain_answer(parsed) == plain_answer(item.answer))


class CaptionBenchmark(VideoBenchmark):
    """Captions against what people wrote: BLEU and CIDEr-D over all clips."""

    recipe = "video-qa"
    max_new_tokens = 48

    def prompt(self, item: BenchmarkItem) -> str:
        """Return the request."""
        return "Describe what happens in this video in one sentence."

    def score(self, item: BenchmarkItem, parsed: str) -> float:
        """Return BLEU-1 of one clip, as a rough figure a clip; the summary holds the published ones."""
        return bleu([parsed], [item.answer])[0]

    def summary(self, scored: Sequence[Scored]) -> dict[str, float]:
        """Return BLEU-1 to BLEU-4 and CIDEr-D (times 10, as published)."""
        if not scored:
            return {}
        told = {one.item.id: one.item.answer for one in scored}
        said = {one.item.id: one.reply for one in scored}
        blues = bleu([said[name] for name in told], list(told.values()))
        return {**{f"bleu{n}": share for n, share in enumerate(blues, 1)}, "cider": Cider(told).mean(said)}


class MSVD(CaptionBenchmark):
    """MSVD: annotations.txt with a caption a line, testing_list.txt with the clips of the test."""

    about = "MSVD captions: BLEU and CIDEr-D"
    source = "https://www.cs.utexas.edu/users/ml/clamp/videoDescription/ (Chen & Dolan 2011)"

    def read(self, data: Path, *, subtitles: bool = False) -> list[BenchmarkItem]:
        """Read annotations.txt ("CLIP words ...") and, where it is there, testing_list.txt."""
        told: dict[str, list[str]] = {}
        for line in first_file(data, "annotations.txt").read_text(encoding="utf-8").splitlines():
            name, _, words = line.strip().partition(" ")
            if words:
                told.setdefault(name, []).append(words)
        chosen = (data / "testing_list.txt")
        names = [line.split()[0] for line in chosen.read_text().splitlines() if line.strip()] if chosen.is_file() else (
            sorted(told))
        return [BenchmarkItem(name, video_file(data, name, "YouTubeClips", "videos"), "", answer=told.get(name, []))
                for name in names if told.get(name)]


class MSRVTT(CaptionBenchmark):
    """MSR-VTT: test_videodatainfo.json with videos and sentences."""

    about = "MSR-VTT captions: BLEU and CIDEr-D"
    source = "https://www.microsoft.com/research/publication/msr-vtt (Xu et al. 2016)"

    def read(self, data: Path, *, subtitles: bool = False) -> list[BenchmarkItem]:
        """Read test_videodatainfo.json, else MSRVTT_data.json, of which the test split is taken."""
        given = read_json(data, "test_videodatainfo.json", "MSRVTT_data.json", "*.json")
        told: dict[str, list[str]] = {}
        for row in value(given, "sentences"):
            told.setdefault(str(value(row, "video_id")), []).append(str(value(row, "caption")))
        names = [str(row["video_id"]) for row in value(given, "videos") if row.get("split", "test") == "test"]
        return [BenchmarkItem(name, video_file(data, name, "TestVideo", "videos"), "", answer=told[name])
                for name in names if name in told]


class SpanBenchmark(VideoBenchmark):
    """When something happens: recall at overlaps of 0.3, 0.5 and 0.7, and the mean overlap."""

    max_new_tokens = 32

    def prompt(self, item: BenchmarkItem) -> str:
        """Return the request."""
        return (f"When does this happen in the video: {item.question.rstrip('.')}? Answer with the start and the end "
                "in seconds, as in: 3.0 - 7.5 seconds.")

    def parse(self, item: BenchmarkItem, reply: str) -> Span | None:
        """Return the first two times of a reply, start before end."""
        times = [float(plain) if plain else float(h or 0) * 3600 + float(m) * 60 + float(s)
                 for h, m, s, plain in _CLOCK.findall(reply)][:2]
        return (times[0], times[1]) if len(times) == 2 and times[0] < times[1] else None

    def score(self, item: BenchmarkItem, parsed: Span) -> float:
        """Return the best overlap (intersection over union) with what is right."""
        return max((span_overlap(parsed, one) for one in item.answer), default=0.0)

    def summary(self, scored: Sequence[Scored]) -> dict[str, float]:
        """Return R1@IoU of 0.3, 0.5 and 0.7, and the mean IoU."""
        count = max(1, len(scored))
        recalls = {f"r1@{at:g}": sum(one.score >= at for one in scored) / count for at in (0.3, 0.5, 0.7)}
        return {**recalls, "miou": sum(one.score for one in scored) / count}


def span_overlap(one: Span, other: Span) -> float:
    """Return intersection over union of two spans."""
    both = min(one[1], other[1]) - max(one[0], other[0])
    return max(0.0, both) / max(1e-9, max(one[1], other[1]) - min(one[0], other[0])) if both > 0 else 0.0


class CharadesSTA(SpanBenchmark):
    """Charades-STA: lines "VIDEO start end##sentence."."""

    about = "Charades-STA: when a sentence is true; R1@IoU and mIoU"
    source = "https://github.com/jiyanggao/TALL (Gao et al. 2017)"

    def read(self, data: Path, *, subtitles: bool = False) -> list[BenchmarkItem]:
        """Read charades_sta_test.txt."""
        found = []
        path = first_file(data, "charades_sta_test.txt", "*.txt")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
            if not line.strip():
                continue
            about, marks, sentence = line.partition("##")
            parts = about.split()
            if not marks or len(parts) != 3:
                raise InvalidInput(f"{path.name}, line {number + 1}: not in the form VIDEO START END##SENTENCE.")
            found.append(BenchmarkItem(f"{parts[0]}-{number}", video_file(data, parts[0], "videos", "Charades_v1"),
                                       sentence.strip(), answer=((float(parts[1]), float(parts[2])),)))
        return found


class QVHighlights(SpanBenchmark):
    """QVHighlights: highlight_val_release.jsonl with relevant_windows."""

    about = "QVHighlights, moment retrieval: R1@IoU and mIoU"
    source = "https://github.com/jayleicn/moment_detr (Lei et al. 2021)"

    def read(self, data: Path, *, subtitles: bool = False) -> list[BenchmarkItem]:
        """Read highlight_val_release.jsonl."""
        return [BenchmarkItem(str(value(row, "qid")), video_file(data, str(value(row, "vid")), "videos"),
                              value(row, "query"),
                              answer=tuple((float(a), float(b)) for a, b in value(row, "relevant_windows")))
                for row in read_json(data, "highlight_val_release.jsonl", "*.jsonl")]


class ClassBenchmark(VideoBenchmark):
    """Classes of a classifier: top-1, and top-5 where labels are given."""

    recipe = "video-classification"

    def parse(self, item: BenchmarkItem, reply: str) -> str | None:
        """Return the label."""
        return plain_answer(reply) or None

    def score(self, item: BenchmarkItem, parsed: str) -> float:
        """Return 1 for the right label."""
        return float(parsed == plain_answer(item.answer))


class Kinetics(ClassBenchmark):
    """Kinetics: validate.csv with label, youtube_id, time_start, time_end."""

    about = "Kinetics lists: top-1 of a classifier"
    source = "https://github.com/cvdfoundation/kinetics-dataset (Kay et al. 2017)"

    def read(self, data: Path, *, subtitles: bool = False) -> list[BenchmarkItem]:
        """Read validate.csv, val.csv or test.csv."""
        found = []
        for row in read_table(data, "validate.csv", "val.csv", "test.csv"):
            name = f"{row['youtube_id']}_{int(row['time_start']):06}_{int(row['time_end']):06}"
            video = video_file(data, name, "val", "videos", row["label"])
            found.append(BenchmarkItem(name, video, "", answer=row["label"]))
        return found


class SSv2(ClassBenchmark):
    """Something-Something v2: validation.json with a template a clip."""

    about = "Something-Something v2: top-1 of a classifier"
    source = "https://www.qualcomm.com/developer/software/something-something-v-2-dataset (Goyal et al. 2017)"

    def read(self, data: Path, *, subtitles: bool = False) -> list[BenchmarkItem]:
        """Read validation.json ("id", "template" with marks in brackets), names of classes without the brackets."""
        return [BenchmarkItem(str(value(row, "id")), video_file(data, str(row["id"]), "20bn-something-something-v2",
                                                                "videos"), "",
                              answer=str(value(row, "template", "label")).replace("[", "").replace("]", ""))
                for row in _rows(read_json(data, "validation.json", "something-something-v2-validation.json"))]


def _rows(given: Sequence[Mapping[str, str]]) -> Sequence[Mapping[str, str]]:
    if not isinstance(given, list):
        raise InvalidInput("validation.json must hold a list of clips.")
    return given


__all__ = [
    "MSRVTT",
    "MSVD",
    "ActivityNetQA",
    "CaptionBenchmark",
    "CharadesSTA",
    "ClassBenchmark",
    "Kinetics",
    "QVHighlights",
    "SSv2",
    "SpanBenchmark",
    "plain_answer",
    "span_overlap",
]
