"""Benchmarks on files fabricated in their published formats, with fake answers and scores worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mmvideo.benchmarks import run
from mmvideo.benchmarks.base import letter_of
from mmvideo.benchmarks.open_ended import span_overlap
from mmvideo.benchmarks.run import BenchmarkOptions, compared, mean_interval, run_benchmark
from mmvideo.cli import main
from mmvideo.errors import InvalidInput, MediaNotFound, UnknownName
from mmvideo.media import open_source, write_video
from mmvideo.media.probes import PROBES, ProbedSource
from mmvideo.registry import find, names
from mmvideo.types import Audio


def _write(home: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else "\n".join(map(json.dumps, content)) if (
            name.endswith(".jsonl")) else json.dumps(content))
    return home


MME = [{"question_id": "001-1", "videoID": "abc", "question": "What is red?", "duration": "short", "domain": "Life",
        "options": ["A. A ball", "B. A car", "C. A hat", "D. A dog"], "answer": "B"},
       {"question_id": "001-2", "videoID": "abc", "question": "Who runs?", "duration": "long", "domain": "Life",
        "options": ["A. Anna", "B. Bob", "C. Cem", "D. Dora"], "answer": "A"},
       {"question_id": "001-3", "videoID": "def", "question": "Why?", "duration": "long", "domain": "Art",
        "options": ["A. Rain", "B. Sun", "C. Wind", "D. Snow"], "answer": "D"}]
FILES: dict[str, dict[str, Any]] = {
    "video-mme": {"test.jsonl": MME, "subtitle/abc.srt": "1\n00:00:01,000 --> 00:00:02,000\nIt is a car\n"},
    "mvbench": {"json/action_order.json": [
        {"video": "1.mp4", "question": "First?", "candidates": ["run", "sit", "eat"], "answer": "sit"},
        {"video": "2.mp4", "question": "Last?", "candidates": ["run", "sit"], "answer": "run", "start": 1.0,
         "end": 2.0}],
        "json/counting.json": [{"video": "1.mp4", "question": "How many?", "candidates": ["1", "2"], "answer": "2"}]},
    "next-qa": {"val.csv": "video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4\n"
                           "7,9,1,1,why did he run,2,4,CW,x,y,z,v,w\n8,9,1,1,what next,0,5,TN,x,y,z,v,w\n",
                "map_vid_vidorID.json": {"7": "1010/7"}},
    "tempcompass": {"questions/multi-choice.json": {"99": {"speed": [
        {"question": "How fast?\nA. slow\nB. fast", "answer": "B. fast"}], "order": [
        {"question": "Which first?\nA. cat\nB. dog\nC. both", "answer": "A. cat"}]}}},
    "longvideobench": {"lvb_val.json": [
        {"id": "v_0", "video_path": "v.mp4", "question": "Where?", "candidates": ["a", "b", "c"], "correct_choice": 2,
         "duration_group": 60, "question_category": "S2E", "subtitle_path": "v.json"}],
        "subtitles/v.json": [{"start": "0", "end": "1", "line": "hello"}]},
    "mlvu": {"json/1_plotQA.json": [{"video": "m.mp4", "question": "Who?", "candidates": ["a", "b"], "answer": "b",
                                      "question_type": "plotQA"}],
             "json/8_sub_scene.json": [{"video": "m.mp4", "question": "Tell", "answer": "words"}]},
    "camerabench": {"vqa.jsonl": [{"video": "c.mp4", "question": "Does it pan?", "answer": "Yes", "skill": "pan"},
                                  {"video": "c.mp4", "question": "Does it zoom?", "answer": "No", "skill": "zoom"}]},
    "vinoground": {"vinoground.csv": "index,major,minor,pos_cap,neg_cap\n0,action,,a then b,b then a\n"
                                     "1,object,,c then d,d then c\n"},
    "activitynet-qa": {"test_q.json": [{"question_id": "q1", "video_name": "x", "question": "is it day"},
                                       {"question_id": "q2", "video_name": "x", "question": "what color"}],
                       "test_a.json": [{"question_id": "q1", "answer": "yes", "type": 3},
                                       {"question_id": "q2", "answer": "dark blue", "type": 4}]},
    "msvd": {"annotations.txt": "aa_0_1 a man runs\naa_0_1 a person is running\nbb_2_3 a cat sleeps\n",
             "testing_list.txt": "aa_0_1\nbb_2_3\n"},
    "msr-vtt": {"test_videodatainfo.json": {
        "videos": [{"video_id": "video1", "split": "test"}, {"video_id": "video0", "split": "train"}],
        "sentences": [{"video_id": "video1", "caption": "a dog barks"}, {"video_id": "video0", "caption": "no"}]}},
    "charades-sta": {"charades_sta_test.txt": "AB12 2.0 6.0##person opens a door.\nAB12 0.0 4.0##person sits.\n"},
    "qvhighlights": {"highlight_val_release.jsonl": [
        {"qid": 5, "vid": "w", "query": "A dog runs", "relevant_windows": [[0, 10], [20, 30]]}]},
    "kinetics": {"validate.csv": "label,youtube_id,time_start,time_end,split\nriding a bike,YT,10,20,validate\n"},
    "ssv2": {"validation.json": [{"id": "74225", "label": "spinning cube", "template": "Spinning [something]"}]},
}
REPLIES: dict[str, tuple[list[str], float, int, dict[str, float]]] = {
    "video-mme": (["B", "The answer is A.", "Because it rains"], 2 / 3, 1, {}),
    "mvbench": (["(B) sit", "sit", "2"], 2 / 3, 0, {"mean_over_tasks": 0.75}),
    "next-qa": (["C.", "F"], 0.5, 1, {}),
    "tempcompass": (["B. fast", "C"], 0.5, 0, {}),
    "longvideobench": (["c"], 1.0, 0, {}),
    "mlvu": (["A or B"], 0.0, 1, {"m_avg": 0.0}),
    "camerabench": (["Yes.", "It does not"], 0.5, 1, {}),
    "vinoground": (["A", "A", "B", "B", "A", "A", "B", "A"], 7 / 8, 0,
                   {"text_score": 1.0, "video_score": 0.5, "group_score": 0.5}),
    "activitynet-qa": (["Yes.", "Blue"], 0.5, 0, {}),
    "msvd": (["a man runs", "a cat sleeps"], 1.0, 0, {"bleu1": 1.0, "bleu3": 1.0}),
    "msr-vtt": (["a dog runs"], 2 / 3, 0, {"bleu1": 2 / 3}),
    "charades-sta": (["From 4.0 to 8.0 seconds", "0:00 - 0:04"], (1 / 3 + 1) / 2, 0,
                     {"r1@0.3": 1.0, "r1@0.5": 0.5, "r1@0.7": 0.5, "miou": 2 / 3}),
    "qvhighlights": (["never"], 0.0, 1, {"miou": 0.0}),
    "kinetics": (["riding a bike"], 1.0, 0, {}),
    "ssv2": (["Spinning something"], 1.0, 0, {}),
}


class _FakePipeline:
    model = "fake"
    made: list[dict[str, Any]]

    def __init__(self, recipe: str, model: str | None, device: str | None, **stages: Any):
        self.stages = stages
        type(self).made.append({"recipe": recipe, **stages})


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], type[_FakePipeline]]:
    """Replace pipeline and job by ones that give a list of replies, in order, and note what was asked."""
    def use(replies: list[str]) -> type[_FakePipeline]:
        left = iter(replies)
        _FakePipeline.made = []

        def job(pipe: Any, entries: list[dict[str, Any]], home: Path, options: Any) -> None:
            home.mkdir(parents=True)
            _FakePipeline.made[-1]["entries"] = entries
            (home / "results.jsonl").write_text("".join(json.dumps(
                {"id": entry["id"], "text": next(left), "frame_times": [0.5]}) + "\n" for entry in entries))

        monkeypatch.setattr(run, "run_job", job)
        monkeypatch.setattr(run, "Pipeline", _FakePipeline)
        monkeypatch.setattr(run, "_hash", lambda path: path.name)
        return _FakePipeline

    return use


@pytest.mark.parametrize("name", sorted(FILES))
def test_annotations_are_read_and_scored(name: str, tmp_path: Path, fake: Callable[[list[str]], Any]) -> None:
    replies, score, unparsed, more = REPLIES[name]
    fake(replies)
    report = run_benchmark(name, _write(tmp_path / "data", FILES[name]), "m", tmp_path / "out")
    assert report["score"] == pytest.approx(score)
    assert (report["unparsed"], report["items"], report["failed"]) == (unparsed, len(replies), 0)
    assert {key: report[key] for key in more} == pytest.approx(more)
    assert report["interval"][0] <= report["score"] <= report["interval"][1]
    receipts = [json.loads(line) for line in (tmp_path / "out" / "receipts.jsonl").read_text().splitlines()]
    assert [r["reply"] for r in receipts] == replies
    assert receipts[0].keys() >= {"sha256", "frame_times", "prompt", "parsed", "answer", "score"}


def test_every_benchmark_is_tried() -> None:
    assert set(names("benchmarks")) == {*FILES, "trust"}
    assert all(find("benchmarks", name).about and find("benchmarks", name).source for name in names("benchmarks"))


def test_a_question_is_put_with_letters_subtitles_and_span(tmp_path: Path, fake: Callable[[list[str]], Any]) -> None:
    made = fake(["B", "A", "D"]).made
    run_benchmark("video-mme", _write(tmp_path / "data", FILES["video-mme"]), "m", tmp_path / "out",
                  BenchmarkOptions(subtitles=True, probe="blind"))
    assert made[0]["read"] == {"probe": "blind"}
    assert made[0]["entries"][0]["question"] == (
        "This video's subtitles are listed below:\n00:00:01 It is a car\nWhat is red?\nA. A ball\nB. A car\nC. A hat\n"
        "D. A dog\nAnswer with the letter of the right option alone.")
    made = fake(["A", "B", "B"]).made
    run_benchmark("mvbench", _write(tmp_path / "mv", FILES["mvbench"]), "m", tmp_path / "mv-out",
                  BenchmarkOptions(answers="likelihood"))
    assert [one["answer"]["choices"] for one in made] == [["A", "B"], ["A", "B", "C"]]
    assert made[0]["entries"][0]["start_seconds"] == 1.0
    with pytest.raises(InvalidInput, match="likelihood"):
        run_benchmark("camerabench", _write(tmp_path / "cb", FILES["camerabench"]), "m", tmp_path / "cb-out",
                      BenchmarkOptions(answers="likelihood"))


def test_runs_are_compared_item_by_item_and_limited(tmp_path: Path, fake: Callable[[list[str]], Any]) -> None:
    data = _write(tmp_path / "data", FILES["video-mme"])
    fake(["B", "A", "D"])
    run_benchmark("video-mme", data, "m", tmp_path / "one")
    fake(["B", "B", "C"])
    report = run_benchmark("video-mme", data, "m", tmp_path / "two", BenchmarkOptions(compare=tmp_path / "one"))
    assert (report["compared"]["difference"], report["compared"]["worse"]) == (pytest.approx(-2 / 3), 2)
    with pytest.raises(MediaNotFound, match="receipts"):
        compared(tmp_path / "two", tmp_path)
    fake(["B"])
    assert run_benchmark("video-mme", data, "m", tmp_path / "three", BenchmarkOptions(limit=1))["items"] == 1
    fake(["A"] * 4)
    short = run_benchmark("vinoground", _write(tmp_path / "v", FILES["vinoground"]), "m", tmp_path / "four",
                          BenchmarkOptions(limit=4))
    assert short["items"] == 4  # whole groups


def test_only_letters_and_options_count() -> None:
    options = ("a red ball", "a car")
    told = {"A": 0, "(b)": 1, "B. a car": 1, "b": 1, "Answer: A": 0, "a red ball.": 0, "C": None, "": None,
            "a ball": None, "It is A": None, "The correct answer is (B).": 1,
            "**B**": 1, "B\nBecause it rolls": 1, "My final choice: A.": 0, "A or B.\nBoth": None,
            "A car": 1, "Both A and B": None, "Bob": None}
    assert {reply: letter_of(reply, options) for reply in told} == told
    assert span_overlap((0, 4), (2, 6)) == pytest.approx(1 / 3)
    assert span_overlap((0, 1), (2, 3)) == 0
    assert mean_interval([]) == (0.0, (0.0, 1.0))
    assert mean_interval([1.0, 1.0])[1][1] == 1.0


def test_wrong_formats_and_names_say_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MediaNotFound, match="charades_sta_test"):
        run_benchmark("charades-sta", tmp_path, "m", tmp_path / "out")
    _write(tmp_path, {"charades_sta_test.txt": "AB12 2.0 ##x"})
    with pytest.raises(InvalidInput, match="line 1"):
        run_benchmark("charades-sta", tmp_path, "m", tmp_path / "out")
    _write(tmp_path / "mme", {"a.json": [{"videoID": "x"}]})
    with pytest.raises(InvalidInput, match="published format"):
        run_benchmark("video-mme", tmp_path / "mme", "m", tmp_path / "out")
    with pytest.raises(UnknownName, match="video-mme"):
        run_benchmark("video-mm", tmp_path, "m", tmp_path / "out")
    with pytest.raises(MediaNotFound, match=r"nowhere: no such folder.*huggingface.co/datasets/OpenGVLab/MVBench"):
        run_benchmark("mvbench", tmp_path / "nowhere", "m", tmp_path / "out")
    for arguments, said in ((["mvbench"], "--data FOLDER"),
                            (["mvbench-", "--data", str(tmp_path), "--limit", "3"], "Did you mean 'mvbench'")):
        with pytest.raises(SystemExit):
            main(["eval", *arguments, "--out", str(tmp_path / "o")])
        assert said in capsys.readouterr().err


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds in which the picture grows brighter, with sound."""
    path = tmp_path_factory.mktemp("clip") / "rise.mp4"
    frames = torch.arange(20).mul(12).view(-1, 1, 1, 1).expand(-1, 3, 32, 32).to(torch.uint8)
    write_video(path, frames, fps=10, audio=Audio(torch.randn(1, 32_000) * 0.1, 16_000))
    return path


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_changes_what_is_seen_and_not_when(probe: str, clip: Path) -> None:
    with open_source(clip) as plain, ProbedSource(open_source(clip), probe) as probed:
        times = [0.05, 0.95, 1.85]
        seen, usual = probed.frames_at(times), plain.frames_at(times)
        assert torch.equal(seen.pts_seconds, usual.pts_seconds)
        light, wanted = seen.frames.float().mean((1, 2, 3)), usual.frames.float().mean((1, 2, 3))
        whole = torch.cat([video.frames for video in probed.stream(batch=7)]).float().mean((1, 2, 3))
        assert len(whole) == 20
        assert probed.has_audio == (probe not in ("blind", "muted"))
        if probe == "muted":
            assert torch.equal(light, wanted)
        elif probe in ("blind", "single-frame", "frozen"):
            assert whole.std() == 0
            assert light[0] == pytest.approx({"blind": 128, "single-frame": 120, "frozen": 0}[probe], abs=8)
        elif probe == "reversed":
            assert (whole.diff() < 0).all()
        else:
            assert sorted(whole.tolist()) != whole.tolist()
            assert torch.allclose(whole.sort().values, torch.cat([v.frames for v in plain.stream()]).float().mean(
                (1, 2, 3)), atol=14)


def test_trust_asks_about_intact_and_changed_twins(clip: Path, tmp_path: Path, fake: Callable[[list[str]], Any]
                                                   ) -> None:
    home = tmp_path / "clips"
    home.mkdir()
    (home / "rise.mp4").write_bytes(clip.read_bytes())
    (home / "rise.json").write_text(json.dumps({"toys": [{}, {}]}))
    made = fake(["A"] * 12).made
    report = run_benchmark("trust", home, "m", tmp_path / "out")
    assert report["items"] == 12
    assert report["both_frozen"] == report["both_reversed"] == report["both_muted"] == 0  # A to all is no sight
    assert report["by"]["state"]["intact"]["score"] > report["by"]["state"]["changed"]["score"] == 0
    videos = {Path(entry["path"]).name for entry in made[0]["entries"]}
    assert videos == {"rise.mp4", *(f"rise-{kind}.mp4" for kind in ("intact", "frozen", "single-frame", "reversed",
                                                                    "shuffled"))}
    with pytest.raises(MediaNotFound, match="toybox make"):
        run_benchmark("trust", tmp_path / "out", "m", tmp_path / "out2")
