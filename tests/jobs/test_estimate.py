"""What is known of a job before and while it runs: an estimate, memory, metrics, lines of JSON."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import quick as clips_that_speak
import torch

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput, OutOfMemory
from mmvideo.jobs import JobEstimate, JobOptions, fit, run_job
from mmvideo.jobs.coordinator import JobProgress
from mmvideo.jobs.estimate import sample_of
from mmvideo.jobs.inference_worker import Meters
from mmvideo.jobs.inputs import read_inputs
from mmvideo.jobs.metrics import metrics_address, prometheus_text, serving_metrics

write = clips_that_speak.write


@pytest.mark.usefixtures("quick")
def test_an_estimate_tries_ten_of_the_clips_to_do_and_keeps_nothing(captioning: Pipeline, tmp_path: Path) -> None:
    films, job = tmp_path / "films", tmp_path / "job"
    for number in range(40):
        write(films / f"{number:02}.mp4", "x" * (number + 1))
    found = run_job(captioning, films, job, JobOptions(estimate=True))
    assert isinstance(found, JobEstimate)
    assert not job.exists()
    told = found.to_dict()
    assert (told["clips"], told["to_do"], told["sampled"], told["sample_failed"]) == (40, 40, 10, 0)
    assert told["result_bytes"] > 40 * 500
    assert found.seconds >= 0
    assert "for 40" in str(found)
    sizes = [len(Path(item.source).read_bytes()) for item in sample_of(list(read_inputs(films)))]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (3, 39), "spread over all sizes"
    run_job(captioning, films, job)
    before = (job / "results.jsonl").read_bytes()
    write(films / "new.mp4", "another")
    again = run_job(captioning, films, job, JobOptions(estimate=True))
    assert isinstance(again, JobEstimate)
    assert (again.plan.kept, again.plan.to_do, again.sampled) == (40, 1, 1)
    assert (job / "results.jsonl").read_bytes() == before
    (films / "new.mp4").unlink()
    nothing = run_job(captioning, films, job, JobOptions(estimate=True))
    assert isinstance(nothing, JobEstimate)
    assert (nothing.sampled, nothing.seconds) == (0, 0.0)


CONFIG = SimpleNamespace(num_hidden_layers=10, hidden_size=64, num_attention_heads=8, num_key_value_heads=2,
                         intermediate_size=128, vocab_size=1000)


def test_memory_is_reckoned_from_the_configuration() -> None:
    need = fit.memory_need(CONFIG, tokens=100, rows=3, item_bytes=2)
    assert need is not None
    assert need.cache_bytes == 2 * 10 * 2 * 8 * 100 * 3 * 2
    assert need.activation_bytes == 3 * 100 * (6 * 64 + 3 * 128) * 2 + 3 * 1000 * 4
    assert fit.memory_need(SimpleNamespace(), 100, 1, 2) is None


def test_a_batch_that_cannot_fit_is_refused_with_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    chat = SimpleNamespace(model=SimpleNamespace(config=CONFIG, dtype=torch.float32))
    tail: list[tuple[str, Any]] = [("read", SimpleNamespace(reader=SimpleNamespace(chat=chat))),
                                   ("answer", SimpleNamespace(max_new_tokens=56))]
    fields = [{"prepared": SimpleNamespace(first=SimpleNamespace(tensors={"input_ids": torch.zeros(1, length)}))}
              for length in (200, 944)]
    monkeypatch.setattr(fit, "free_memory", lambda device: 10_000_000)
    need = fit.memory_need(CONFIG, 1000, 2, 4)
    assert need is not None
    assert 8_000_000 < need.num_bytes < 10_000_000
    fit.check_batch_fits(tail, fields, 2, torch.device("cpu"))
    monkeypatch.setattr(fit, "free_memory", lambda device: 5_000_000)
    with pytest.raises(OutOfMemory, match=r"2 x 1000 tokens need 8\.7 MB .* and 5\.0 MB of cpu are free"):
        fit.check_batch_fits(tail, fields, 2, torch.device("cpu"))
    fit.check_batch_fits(tail, fields[:1], 2, torch.device("cpu"))
    fit.check_batch_fits(tail[1:], fields, 2, torch.device("cpu"))
    fit.check_batch_fits(tail, [{}], 2, torch.device("cpu"))


def test_metrics_can_be_read_while_a_job_runs() -> None:
    progress = JobProgress(total=9, done_before=2, done=3, failed=1, meters=Meters(stages={"read": 1.5}))
    with serving_metrics(progress, "0") as address:
        assert address is not None
        with urllib.request.urlopen(address) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            said = answer.read().decode()
    lines = dict(line.rsplit(" ", 1) for line in said.splitlines() if not line.startswith("#"))
    assert (lines["mmvideo_job_done_total"], lines["mmvideo_job_left"], lines["mmvideo_job_clips"]) == ("3", "3", "9")
    assert lines['mmvideo_job_stage_seconds_total{stage="read"}'] == "1.5"
    assert set(lines) == {line.rsplit(" ", 1)[0] for line in prometheus_text(progress).splitlines() if line[0] != "#"}
    for given, found in (("9100", ("127.0.0.1", 9100)), ("0.0.0.0:1", ("0.0.0.0", 1)), ("[::1]:2", ("::1", 2))):
        assert metrics_address(given) == found
    with pytest.raises(InvalidInput, match="PORT or HOST:PORT"):
        metrics_address("host")


@pytest.mark.usefixtures("quick")
def test_progress_as_lines_of_json(captioning: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "one.mp4", "a ball")
    run_job(captioning, tmp_path / "one.mp4", tmp_path / "job", JobOptions(progress_json=True, metrics="0"))
    last = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert (last["mmvideo"], last["clips"], last["done"], last["left"]) == ("progress", 1, 1, 0)


