"""What a run does anew, what it keeps and why; said before any work, and rows that leave are not lost."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import quick as clips_that_speak
from safetensors.torch import load_file, save_file

from mmvideo import Pipeline, weights
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.jobs import JobOptions, JobPlan, run_job
from mmvideo.jobs.options import weights_hash
from mmvideo.recipes import Recipe, StageSpec

pytestmark = [pytest.mark.usefixtures("quick"), pytest.mark.filterwarnings("ignore:Done anew")]
write = clips_that_speak.write


def _rows(folder: Path, pattern: str = "results.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob(pattern)) for line in path.read_text().splitlines()]


def _with(pipeline: Any, **options: Any) -> Any:
    """Return what a job needs of a pipeline whose last stage has other options, and takes a prompt."""
    *rest, last = pipeline.recipe.stages
    recipe = Recipe(**{**vars(pipeline.recipe), "stages": (*rest, StageSpec(last.name, {**last.options, **options}))})
    return SimpleNamespace(recipe=recipe, stages=[("caption", SimpleNamespace(request=""))], model=pipeline.model)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Eight good clips, and two that are damaged."""
    for number in range(8):
        write(tmp_path / "films" / f"{number}.mp4", f"film {number}")
    for number in (8, 9):
        write(tmp_path / "films" / f"{number}.mp4", f"damaged: film {number}")
    write(tmp_path / "films" / "bug.mp4", "bug")
    return tmp_path / "films"


def test_a_changed_prompt_keeps_the_rows_of_the_old_one(captioning: Pipeline, tmp_path: Path) -> None:
    pipe, clip = _with(captioning), write(tmp_path / "one.mp4", "a ball")
    run_job(pipe, clip, tmp_path / "job", prompt="Who?")
    (old,) = _rows(tmp_path / "job")
    run_job(pipe, clip, tmp_path / "job", prompt="Where?")
    assert [row["prompt"] for row in _rows(tmp_path / "job")] == ["Where?"]
    assert _rows(tmp_path / "job", "results.*.jsonl") == [old]
    back = run_job(pipe, clip, tmp_path / "job", prompt="Who?")
    assert (back.done_now, _rows(tmp_path / "job")) == (0, [old]), "it is still known"
    run_job(pipe, clip, tmp_path / "job")
    assert [row["prompt"] for row in _rows(tmp_path / "job", "results.*.jsonl")] == ["Who?", "Where?"]


def test_rows_are_kept_whatever_made_them_leave(captioning: Pipeline, answering: Pipeline, tmp_path: Path) -> None:
    clip, other = write(tmp_path / "one.mp4", "a ball"), write(tmp_path / "two.mp4", "a cube")

    def leaves(pipe: Any, name: str, *runs: Any, **options: Any) -> None:
        for inputs, questions in runs:
            run_job(pipe, inputs, tmp_path / name, JobOptions(**options), questions=questions)
            options = {}
        kept = _rows(tmp_path / name, "results.*.jsonl")
        assert [(row["id"], row["text"]) for row in kept] == [("one.mp4", "a ball")], name

    leaves(answering, "question", (clip, ("who?",)), (clip, ("where?",)))
    leaves(captioning, "named no more", ([clip, other], ()), ([other], ()))
    item = {"id": "one.mp4", "path": str(clip), "end": 1}
    leaves(captioning, "span", ([item], ()), ([{**item, "end": 2}], ()))
    run_job(captioning, clip, tmp_path / "file")
    clip.write_text("a cone")
    run_job(captioning, clip, tmp_path / "file")
    assert [row["text"] for row in _rows(tmp_path / "file", "results.*.jsonl")] == ["a ball"]


def test_kept_rows_are_never_written_over(captioning: Pipeline, tmp_path: Path) -> None:
    """Back and forth between two configurations, with other clips each time."""
    first, second = _with(captioning, max_new_tokens=6), _with(captioning, max_new_tokens=7)
    clips = [write(tmp_path / f"{n}.mp4", f"film {n}") for n in range(4)]
    for pipe, clip in zip((first, second, first, second), clips, strict=True):
        run_job(pipe, clip, tmp_path / "job")
    kept = _rows(tmp_path / "job", "results.*.jsonl")
    assert sorted(row["text"] for row in kept) == ["film 0", "film 1", "film 2"]
    assert len({row["config"] for row in kept}) == 2
    mine = write(tmp_path / "job" / f"results.{_rows(tmp_path / 'job')[0]['config'][:8]}.jsonl", "{}")
    run_job(first, clips[0], tmp_path / "other")
    other = write(tmp_path / "other" / f"results.{_rows(tmp_path / 'other')[0]['config'][:8]}.jsonl", "mine")
    run_job(first, clips[1], tmp_path / "other")
    assert (mine.exists(), other.read_text()) == (True, "mine"), "a file of the user is not replaced"
    assert [row["text"] for row in _rows(tmp_path / "other", "results.*.2.jsonl")] == ["film 0"]


def test_damage_that_is_allowed_leaves_good_rows_alone(captioning: Pipeline, films: Path, tmp_path: Path) -> None:
    first = run_job(captioning, films, tmp_path / "job")
    assert (first.counts["done"], first.counts["failed"]) == (8, 3)
    before = _rows(tmp_path / "job")
    mended = run_job(captioning, films, tmp_path / "job", JobOptions(retry=("VideoDecodeError",), strict=False))
    assert (mended.done_now, mended.plan.kept, mended.plan.anew.total()) == (2, 8, 0)
    assert dict(mended.plan.retried) == {"VideoDecodeError": 2}
    assert dict(mended.plan.left) == {"LookupError": 1}
    rows = {row["id"]: row for row in _rows(tmp_path / "job")}
    assert [rows[row["id"]] for row in before] == before
    assert rows["9.mp4"]["text"] == "damaged: film 9"
    again = run_job(captioning, films, tmp_path / "job", JobOptions(strict=False))
    assert (again.done_now, again.counts["done"]) == (0, 10)
    strict = run_job(captioning, films, tmp_path / "job", JobOptions(dry_run=True))
    assert dict(strict.anew) == {"damage is no longer allowed": 2}
    run_job(captioning, films, tmp_path / "job")
    assert len(_rows(tmp_path / "job")) == 8
    assert sorted(row["id"] for row in _rows(tmp_path / "job", "results.*.jsonl")) == ["8.mp4", "9.mp4"]


def test_all_failed_are_tried_again_where_damage_is_now_allowed(captioning: Pipeline, films: Path,
                                                                tmp_path: Path) -> None:
    run_job(captioning, films, tmp_path / "job")
    summary = run_job(captioning, films, tmp_path / "job", JobOptions(retry_failed=True, strict=False))
    assert (summary.plan.kept, dict(summary.plan.retried)) == (8, {"VideoDecodeError": 2, "LookupError": 1})
    assert (summary.counts["done"], summary.done_now) == (10, 2)


def test_a_retry_of_one_class_leaves_rows_of_other_settings(captioning: Pipeline, films: Path, tmp_path: Path) -> None:
    run_job(captioning, films, tmp_path / "job")
    other = _with(captioning, max_new_tokens=2)
    summary = run_job(other, films, tmp_path / "job", JobOptions(retry=("VideoDecodeError",), strict=False))
    assert (summary.done_now, summary.plan.anew.total()) == (2, 0)
    assert len({row["config"] for row in _rows(tmp_path / "job")}) == 2
    plan = run_job(other, films, tmp_path / "job", JobOptions(dry_run=True, strict=False))
    assert (plan.kept, plan.anew.total()) == (2, 8), "without --retry the settings hold for all"


def test_what_is_done_anew_is_said_before_the_work(captioning: Pipeline, films: Path, tmp_path: Path,
                                                   capsys: pytest.CaptureFixture[str]) -> None:
    def plan(pipe: Any, **options: Any) -> JobPlan:
        files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        found = run_job(pipe, films, tmp_path / "job", JobOptions(dry_run=True, **options))
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
                and not path.name.startswith("ledger.sqlite-")} == files, "a dry run writes nothing"
        return found

    assert str(plan(captioning)) == "11 clips: 11 new"
    run_job(captioning, films, tmp_path / "job")
    kept = plan(captioning)
    assert str(kept).splitlines()[0] == "11 clips: 8 done before and kept, 3 failed before and left alone"
    assert "left alone: 2, VideoDecodeError (--retry-failed or --retry VideoDecodeError tries again)" in str(kept)
    (films / "0.mp4").write_text("film zero")
    (films / "1.mp4").unlink()
    other = _with(captioning, max_new_tokens=2)
    anew = plan(other)
    assert anew.anew == {"the file has changed": 1, "another configuration (caption.max_new_tokens 6 -> 2)": 6}
    assert (anew.leaving, anew.retried.total(), anew.to_do) == (1, 3, 10)
    assert "done anew: 6, another configuration (caption.max_new_tokens 6 -> 2)" in str(anew)
    assert anew.to_dict()["anew"]["the file has changed"] == 1
    capsys.readouterr()
    run_job(other, films, tmp_path / "job", JobOptions(progress=True))
    assert capsys.readouterr().err.startswith(str(anew))
    with pytest.warns(UserWarning, match="Done anew: 7 of 10 clips; another configuration"):
        run_job(_with(captioning, max_new_tokens=3), films, tmp_path / "job")


def test_a_class_that_nothing_fails_by_is_refused(captioning: Pipeline, films: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"VideoDecodeErorr.* Did you mean 'VideoDecodeError'"):
        run_job(captioning, films, tmp_path / "job", JobOptions(retry=("VideoDecodeErorr",)))
    assert not (tmp_path / "job").exists()
    options = JobOptions(retry=("VideoDecodeError",), strict=False)
    done = [run_job(captioning, films, tmp_path / "job", options).done_now for _ in range(2)]
    assert done == [10, 0], "nothing is left to try"


def test_a_clip_that_comes_back_is_known(captioning: Pipeline, films: Path, tmp_path: Path) -> None:
    run_job(captioning, films, tmp_path / "job")
    run_job(captioning, films / "0.mp4", tmp_path / "job")
    assert len(_rows(tmp_path / "job")) == 1
    back = run_job(captioning, films, tmp_path / "job")
    assert (back.done_now, len(_rows(tmp_path / "job"))) == (0, 8)


@pytest.mark.parametrize("options", [
    {"timeout_seconds": float("nan")}, {"timeout_seconds": 0}, {"timeout_seconds": "5"}, {"max_seconds": -1},
    {"max_seconds": float("inf")}, {"batch_size": 0}, {"batch_size": True}, {"batch_size": 2.0}, {"workers": 0},
    {"workers": "2"}, {"thumbnails": -1}, {"max_redirects": -1}, {"strict": "no"}, {"parquet": 1}, {"sidecars": 3},
    {"sidecars": ("str",)}, {"retry": (3,)}, {"beside": True}, {"retry": ("OutOfMemory",), "retry_failed": True},
    {"engine": None}, {"min_frames": -2}])
def test_options_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=f"{next(iter(options)).rstrip('s')}|engine"):
        JobOptions(**options)


def test_one_name_is_as_good_as_a_list(captioning: Pipeline, tmp_path: Path) -> None:
    assert JobOptions(sidecars="srt", retry="OutOfMemory").sidecars == ("srt",)
    with pytest.raises(UnknownName, match="batch_size"):
        captioning.map([write(tmp_path / "one.mp4", "a ball")], out=tmp_path / "job", batchsize=3)


def test_rows_of_other_weights_carry_another_hash(model: Path, tmp_path: Path) -> None:
    """Whatever SHA256SUMS says: sums that were left as they were, weights that changed places, adapters."""
    import shutil

    def recipe(*stages: dict[str, str]) -> Recipe:
        return Recipe("r", "", ("video",), "caption", tuple(StageSpec(f"s{n}", one) for n, one in enumerate(stages)))

    home, other = tmp_path / "one", tmp_path / "two"
    for place in (home, other):
        shutil.copytree(model, place)
    before = weights_hash(recipe({"weights": str(home)}))
    assert weights_hash(recipe({"weights": str(other)})) == before, "the place does not count"
    path = other / "language" / "model.safetensors"
    save_file({name: values + 1 for name, values in load_file(path).items()}, path)
    assert (home / weights.SUMS).read_bytes() == (other / weights.SUMS).read_bytes()
    assert weights_hash(recipe({"weights": str(other)})) != before
    both = [recipe({"weights": str(a)}, {"weights": str(b)}) for a, b in ((home, other), (other, home))]
    assert weights_hash(both[0]) != weights_hash(both[1])
    adapted = weights_hash(recipe({"weights": str(home), "adapter": str(other)}))
    save_file({name: values + 1 for name, values in load_file(path).items()}, path)
    assert weights_hash(recipe({"weights": str(home), "adapter": str(other)})) != adapted
    (home / "README.md").write_text("another card")
    assert weights_hash(recipe({"weights": str(home)})) == before
