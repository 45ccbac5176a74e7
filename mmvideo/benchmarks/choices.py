"""Benchmarks of questions with options: MVBench, NExT-QA, TempCompass, LongVideoBench, MLVU, CameraBench, Video-MME."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmvideo.benchmarks.base import (
    BenchmarkItem,
    Scored,
    VideoBenchmark,
    first_file,
    letter_of,
    option_index,
    read_json,
    read_parquet,
    read_table,
    subtitles_text,
    value,
    video_file,
    without_letter,
)


class VideoMME(VideoBenchmark):
    """Video-MME: 2,700 questions with four options; with and without subtitles."""

    about = "Video-MME: four options, short, medium and long videos"
    source = "https://huggingface.co/datasets/lmms-lab/Video-MME (Fu et al. 2024)"

    def read(self, data: Path, *, subtitles: bool = False) -> list[BenchmarkItem]:
        """Read videomme/*.parquet, or the same rows as JSON."""
        tables = sorted(data.glob("**/*.parquet"))
        rows = [row for path in tables for row in read_parquet(path)] if tables else read_json(
            data, "*.jsonl", "*.json")
        found = []
        for row in rows:
            options = without_letter(value(row, "options"))
            name = str(value(row, "videoID", "video_id"))
            said = subtitles_text(data / "subtitle" / f"{name}.srt") if subtitles else ""
            found.append(BenchmarkItem(
                str(value(row, "question_id")), video_file(data, name, "data", "videos"), value(row, "question"),
                options, option_index(value(row, "answer"), options, str(row.get("question_id"))), subtitles=said,
                tags={key: str(row[key]) for key in ("duration", "domain", "task_type") if row.get(key)}))
        return found


class MVBench(VideoBenchmark):
    """MVBench: twenty tasks of short clips; json/TASK.json, videos below video/."""

    about = "MVBench: twenty temporal tasks, two to five options"
    source = "https://huggingface.co/datasets/OpenGVLab/MVBench (Li et al. 2023)"

    def read(self, data: Path, *, subtitles: bool = False) -> list[BenchmarkItem]:
        """Read json/*.json, one file a task."""
        first_file(data, "json/*.json")
        found = []
        for path in sorted((data / "json").glob("*.json")):
            for number, row in enumerate(read_json(data, f"json/{path.name}")):
                options = tuple(map(str, value(row, "candidates")))
                where = f"{path.stem}-{number}"
                found.append(BenchmarkItem(
                    where, _below(data / "video", str(value(row, "video"))), value(row, "question"), options,
                    option_index(value(row, "answer"), options, where), tags={"task": path.stem},
                    start_seconds=row.get("start"), end_seconds=row.get("end")))
        return found

    def summary(self, scored: Sequence[Scored]) -> dict[str, float]:
        """Return the mean over tasks, as published."""
        return {"mean_over_tasks": _mean_over(scored, "task")}


class NExTQA(VideoBenchmark):
    """NExT-QA, multiple choice: a CSV with a0 to a4, videos by name or through map_vid_vidorID.json."""

    about = "NExT-QA: five options; causal, temporal and descriptive questions"
    source = "https://github.com/doc-doc/NExT-QA (Xiao et al. 2021)"

    def read(self, data: Path, *, subtitles: bool = False) -> list[BenchmarkItem]:
        """Read test.csv, else val.csv."""
        paths = read_json(data, "map_vid_vidorID.json") if (data / "map_vid_vidorID.json").is_file() else {}
        found = []
        for row in read_table(data, "test.csv", "val.csv", "*.csv"):
            options = tuple(row[f"a{n}"] for n in range(5))
            name = row["video"]
            where = f"{name}-{row['qid']}"
            found.append(BenchmarkItem(
                where, video_file(data, str(paths.get(name, name)), "NExTVideo", "videos"),
                f"{row['question'].rstrip('?').capitalize()}?", options,
                option_index(int(row["answer"]), options, where),
                tags={"type": row["type"], "kind": {"C": "causal", "T": "temporal", "D": "descriptive"}.get(
                    row["type"][:1], row["type"])}))
        return found


class TempCompass(VideoBenchmark):
    """TempCompass, multiple choice: questions/multi-choice.json by video and aspect."""

    about = "TempCompass: speed, direction, order, attribute change, action"
    source = "https://github.com/llyx97/TempCompass (Liu et al. 2024)"

    def read(self, data: Path, *, subtitles: bool = False) -> list[BenchmarkItem]:
        """Read questions/multi-choice.json: {video: {aspect: [{question, answer}]}}, options within the question."""
        given = read_json(data, "questions/multi-choice.json", "multi-choice.json")
        found = []
        for name, aspects in given.items():
            for aspect, rows in aspects.items():
                for number, row in enumerate(rows):
                    first, *lines = str(value(row, "question")).split("\n")
                    options = without_letter(line for line in lines if line.strip())
                    where = f"{name}-{aspect}-{number}"
                    answer = str(value(row, "answer"))
                    found.append(BenchmarkItem(
                        where, video_file(data, name, "videos"), first, options,
                        option_index(answer[:1] if answer[1:2] in ".)" else answer, options, where),
                        tags={"aspect": aspect}))
        return found


class LongVideoBench(VideoBenchmark):
    """LongVideoBench: lvb_val.json with candidates and correct_choice; subtitles beside."""

    about = "LongVideoBench: up to an hour, referring questions"
    source = "https://huggingface.co/datasets/longvideobench/LongVideoBench (Wu et al. 2024)"

    def read(self, data: Path, *, subtitles: bool = False) -> list[BenchmarkItem]:
        """Read lvb_val.json."""
        found = []
        for row in read_json(data, "lvb_val.json", "*.json"):
            options = tuple(map(str, value(row, "candidates")))
            where = str(value(row, "id"))
            found.append(BenchmarkItem(
                where, video_file(data, str(value(row, "video_path")), "videos"), value(row, "question"), options,
                option_index(int(value(row, "correct_choice")), options, where),
                subtitles=self._said(data, row.get("subtitle_path")) if subtitles else "",
                tags={"duration": str(row.get("duration_group", "")),
                      "category": str(row.get("question_category", ""))}))
        return found

    @staticmethod
    def _said(data: Path, name: str | None) -> str:
        if not name or not (path := data / "subtitles" / name).is_file():
            return ""
        lines = [str(one.get("line") or one.get("text") or "") for one in read_json(path.parent, path.name)]
        return "This video's subtitles are listed below:\n" + "\n".join(filter(None, lines)) + "\n"


class MLVU(VideoBenchmark):
    """MLVU, multiple choice: json/*.json, one file a task; videos below video/TASK/."""

    about = "MLVU: long videos, seven tasks of choice"
    source = "https://huggingface.co/datasets/MLVU/MVLU (Zhou et al. 2024)"

    def read(self, data: Path, *, subtitles: bool = False) -> list[BenchmarkItem]:
        """Read json/*.json; files of open tasks, without candidates, are left out."""
        first_file(data, "json/*.json")
        found = []
        for path in sorted((data / "json").glob("*.json")):
            for number, row in enumerate(read_json(data, f"json/{path.name}")):
                if not row.get("candidates"):
                    continue
                options = tuple(map(str, row["candidates"]))
                where = f"{path.stem}-{row.get('question_id', number)}"
                found.append(BenchmarkItem(
                    where, _below(data / "video", str(value(row, "video"))), value(row, "question"), options,
                    option_index(value(row, "answer"), options, where),
                    tags={"task": str(row.get("question_type", path.stem))}))
        return found

    def summary(self, scored: Sequence[Scored]) -> dict[str, float]:
        """Return the mean over tasks (M-Avg), as published."""
        return {"m_avg": _mean_over(scored, "task")}


class CameraBench(VideoBenchmark):
    """CameraBench, yes or no questions about camera motion: rows of video, question, label."""

    about = "CameraBench: does the camera move so? yes or no"
    source = "https://github.com/sy77777en/CameraBench (Lin et al. 2025)"

    def read(self, data: Path, *, subtitles: bool = False) -> list[BenchmarkItem]:
        """Read *.jsonl or *.json with "video" (or "path"), "question" and "answer" ("Yes" or "No")."""
        found = []
        for number, row in enumerate(read_json(data, "*.jsonl", "*.json")):
            where = str(row.get("id", number))
            found.append(BenchmarkItem(
                where, video_file(data, str(value(row, "video", "path")), "videos"), value(row, "question"),
                ("Yes", "No"), option_index(str(value(row, "answer", "label")).capitalize(), ("Yes", "No"), where),
                tags={"skill": str(row.get("skill", row.get("task", "")))}))
        return found

    def prompt(self, item: BenchmarkItem) -> str:
        """Return the question as it is published, for a word."""
        return f"{item.question} Please only answer Yes or No."

    def parse(self, item: BenchmarkItem, reply: str) -> int | None:
        """Return 0 for yes, 1 for no."""
        word = reply.strip().strip(".!").lower()
        return {"yes": 0, "no": 1}.get(word)


class Vinoground(VideoBenchmark):
    """Vinoground: pairs of captions and clips of the same words in another order; text, video and group score."""

    about = "Vinoground: temporal counterfactuals; text, video and group score"
    source = "https://huggingface.co/datasets/HanSolo9682/Vinoground (Zhang et al. 2024)"

    def read(self, data: Path, *, subtitles: bool = False) -> list[BenchmarkItem]:
        """Read vinoground.csv (index, major, minor, pos_cap, neg_cap) with the clips of vinoground_videos and, both one
        after the other, of vinoground_videos_concated."""
        found = []
        for row in read_table(data, "vinoground.csv"):
            index, captions = row["index"], (row["pos_cap"], row["neg_cap"])
            tags = {"major": row.get("major", "")}
            for place, kind in enumerate(("pos", "neg")):
                found.append(BenchmarkItem(
                    f"{index}_{kind}_text", video_file(data, f"{index}_{kind}", "vinoground_videos"),
                    "Which caption best describes this video?", captions, place, group=index,
                    tags={"part": "text", **tags}))
                found.append(BenchmarkItem(
                    f"{index}_{kind}_video", video_file(data, f"{index}", "vinoground_videos_concated"),
                    "Which video segment matches this caption? Note: the video contains two segments separated by a "
                    f"2-second black frame. Caption: {captions[place]}",
                    ("the first segment (before the black frame)", "the second segment (after the black frame)"), place,
                    group=index, tags={"part": "video", **tags}))
        return found

    def summary(self, scored: Sequence[Scored]) -> dict[str, float]:
        """Return the three published scores: both questions of a pair right, and all four of them."""
        right: dict[tuple[str, str], list[float]] = {}
        for one in scored:
            right.setdefault((one.item.group, one.item.tags["part"]), []).append(one.score)
        groups = sorted({group for group, _ in right})
        passed = {part: [float(len(right.get((g, part), ())) == 2 and all(right[g, part])) for g in groups]
                  for part in ("text", "video")}
        count = max(1, len(groups))
        return {"text_score": sum(passed["text"]) / count, "video_score": sum(passed["video"]) / count,
                "group_score": sum(a * b for a, b in zip(passed["text"], passed["video"], strict=True)) / count}


def _below(folder: Path, name: str) -> Path:
    """Return a file of a folder, by its path or, wherever below it, by its name."""
    if (folder / name).is_file():
        return folder / name
    return next(iter(sorted(folder.rglob(Path(name).name))), folder / name)


def _mean_over(scored: Sequence[Scored], tag: str) -> float:
    kinds: dict[str, list[float]] = {}
    for one in scored:
        kinds.setdefault(one.item.tags.get(tag, ""), []).append(one.score)
    return sum(sum(scores) / len(scores) for scores in kinds.values()) / max(1, len(kinds))


__all__ = ["MLVU", "CameraBench", "LongVideoBench", "MVBench", "NExTQA", "TempCompass", "VideoMME", "Vinoground",
           "letter_of"]
