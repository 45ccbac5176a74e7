"""A bug of the package ends a job in order; what a library, a plug-in or the system raises fails that clip alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import unruly

from mmvideo import Pipeline
from mmvideo.errors import InternalError, MediaNotFound, OutOfMemory
from mmvideo.jobs import JobOptions, run_job, status
from mmvideo.jobs.failures import Origin, UnusableResult, describe_failure, origin_of
from mmvideo.jobs.rows import Outcome, make_row
from mmvideo.jobs.rpc import from_json, to_json
from mmvideo.results import Caption
from mmvideo.types import Domain


def _raised(module: str, line: str) -> BaseException:
    """Return what a line of code raises in a module of this name."""
    names = {"__name__": module}
    exec(f"def run():\n    {line}", names)
    with pytest.raises((Exception, SystemExit)) as caught:
        names["run"]()
    return caught.value


OURS, THEIRS = "mmvideo.invented", "plugin.stages"


@pytest.mark.parametrize(("module", "line", "origin"), [
    (OURS, "raise AssertionError", Origin.BUG),
    (OURS, "raise TypeError('no')", Origin.BUG),
    (OURS, "raise SystemExit(3)", Origin.BUG),
    (OURS, "import json; json.loads(None)", Origin.BUG),
    (OURS, "import torch; torch.nn.Linear(2, 2)(torch.zeros(3))", Origin.BUG),
    (OURS, "import numpy; numpy.zeros(2) + numpy.zeros(3)", Origin.BUG),
    (OURS, "from mmvideo.media.seeking import CannotSeek; raise CannotSeek", Origin.BUG),
    (THEIRS, "from mmvideo.wording import plural; plural(2, None)", Origin.BUG),
    (THEIRS, "raise ValueError('two frames are needed')", Origin.EXTERNAL),
    (THEIRS, "raise SystemExit(3)", Origin.EXTERNAL),
    (THEIRS, "import torch; torch.nn.Linear(2, 2)(torch.zeros(3))", Origin.EXTERNAL),
    (OURS, "import cv2; cv2.cvtColor(None, 0)", Origin.EXTERNAL),
    (OURS, "import av; av.open(b'')", Origin.EXTERNAL),
    (OURS, "from PIL import Image; Image.new('none', (1, 1))", Origin.EXTERNAL),
    (OURS, "open('/no/such/file')", Origin.EXTERNAL),
    (OURS, "from mmvideo.errors import VideoDecodeError; raise VideoDecodeError('cut')", Origin.CLIP),
    (OURS, "raise MemoryError", Origin.CLIP),
    (OURS, "import torch; raise torch.OutOfMemoryError('CUDA')", Origin.CLIP),
    (OURS, "raise RuntimeError(\"DefaultCPUAllocator: can't allocate memory\")", Origin.CLIP)])
def test_whose_fault_an_exception_is(module: str, line: str, origin: Origin) -> None:
    error = _raised(module, line)
    assert origin_of(error) == origin, error


def test_a_lack_of_memory_has_one_name() -> None:
    for error in (MemoryError(), RuntimeError("can't allocate memory"), OutOfMemory("too large")):
        assert describe_failure(error, "a.mp4")[0] == "OutOfMemory"


def test_a_result_that_is_no_json_is_not_the_clips_fault() -> None:
    """Weights that give NaN do so on every clip: the job stops after the first few."""
    from mmvideo.jobs import Item

    result = Caption(text="a ball", confidence=float("nan"), seconds_looked_at=(0.0,), in_domain=Domain(True))
    with pytest.raises(UnusableResult, match="written as JSON") as caught:
        make_row(Item("a.mp4", "a.mp4"), result, {}, {})
    assert origin_of(caught.value) == Origin.EXTERNAL


@pytest.mark.parametrize("origin", Origin)
def test_ranks_tell_whose_fault_a_failure_was(origin: Origin) -> None:
    told = json.loads(json.dumps(to_json(Outcome(1, error=("KeyError", "a.mp4: sizes"), origin=origin))))
    assert from_json(told).origin is origin


def _films(clips: Path, home: Path, *names: str) -> Path:
    home.mkdir()
    for number, name in enumerate(names):
        shutil.copy(clips / f"clip{number:04}.mp4", home / f"{name}.mp4")
    return home


def test_a_bug_in_a_worker_ends_the_job_which_then_goes_on(captioning: Pipeline, clips: Path, tmp_path: Path,
                                                            capfd: pytest.CaptureFixture[str]) -> None:
    names = ("a-1", "b-2", "bug-3", *(f"c-{number}" for number in range(4, 12)))
    home, out = _films(clips, tmp_path / "films", *names), tmp_path / "job"
    options = {"workers": 1, "batch_size": 1, "thumbnails": 0, "long_first": False}
    with unruly.unruly():
        with pytest.raises(InternalError, match=r"A bug ended the job: AttributeError: .*bug-3\.mp4: .*wording\.py, "
                                                r"line \d+.*same command again.*--retry AttributeError") as caught:
            run_job(captioning, home, out, JobOptions(**options))
        assert caught.value.exit_code == 70
        assert "Traceback (most recent call last)" in capfd.readouterr().err
        before = (out / "results.jsonl").read_text().splitlines()
        assert {json.loads(row)["id"] for row in before} >= {"a-1.mp4", "b-2.mp4"}
        (failure,) = map(json.loads, (out / "failures.jsonl").read_text().splitlines())
        assert (failure["id"], failure["class"]) == ("bug-3.mp4", "AttributeError")
        assert status(out)["counts"]["pending"] > 0, "it takes nothing new"
        summary = run_job(captioning, home, out, JobOptions(**options))
        assert (summary.counts["done"], summary.counts["failed"]) == (10, 1)
    again = run_job(captioning, home, out, JobOptions(**options, retry=("AttributeError",)))
    assert (again.counts["done"], again.done_now) == (11, 1)
    assert set(before) < set((out / "results.jsonl").read_text().splitlines())


def test_a_bug_beside_the_networks_ends_the_job(captioning: Pipeline, clips: Path, tmp_path: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    stage = type(dict(captioning.stages)["caption"])
    names = {"__name__": OURS}
    exec("def broken(self, given, *, size):\n    assert not given", names)
    with monkeypatch.context() as patch:
        patch.setattr(stage, "batch", names["broken"])
        with pytest.raises(InternalError, match="AssertionError"):
            run_job(captioning, clips, tmp_path / "job", JobOptions(workers=1, batch_size=2, thumbnails=0))
    counts = status(tmp_path / "job")["counts"]
    assert counts["done"] == 0
    assert 1 <= counts["failed"] < 12
    summary = run_job(captioning, clips, tmp_path / "job", JobOptions(retry_failed=True, thumbnails=0))
    assert summary.counts["done"] == 12


def test_an_error_of_a_plugin_fails_its_clip_under_its_class(captioning: Pipeline, clips: Path, tmp_path: Path) -> None:
    home = _films(clips, tmp_path / "films", "a-1", "value-2", "c-3")
    with unruly.unruly():
        summary = run_job(captioning, home, tmp_path / "job", JobOptions(workers=1))
    assert summary.counts["done"] == 2
    (failure,) = summary.failures
    assert failure[:3] == ("value-2.mp4", "failed", "ValueError")


def test_a_clip_that_is_not_there_is_not_a_bug() -> None:
    assert origin_of(MediaNotFound("a.mp4: no such file.")) == Origin.CLIP
