"""Run a job: open the ledger, start an engine, write results and report."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.jobs import display, engines, report, schema
from mmvideo.jobs.coordinator import Coordinator, JobProgress, keep_run
from mmvideo.jobs.engines import ranks
from mmvideo.jobs.estimate import JobEstimate, estimate_job
from mmvideo.jobs.files import check_job_folder, refuse, write_whole, writing
from mmvideo.jobs.inputs import Item, read_inputs, videos_of
from mmvideo.jobs.ledger import STATES, Ledger
from mmvideo.jobs.metrics import metrics_address, serving_metrics
from mmvideo.jobs.options import JobOptions, configuration, hash_of, versions, weights_hash
from mmvideo.jobs.plan import JobPlan
from mmvideo.jobs.prepare import FAILURES, FILES, MANIFEST, prepare
from mmvideo.jobs.sinks import line, need_parquet, write_parquet
from mmvideo.jobs.summary import JobSummary
from mmvideo.media import open_source


def run_job(pipeline: Any, inputs: Any, out: str | Path, options: JobOptions | None = None, *,
            questions: tuple[str, ...] = (), prompt: str | None = None) -> JobSummary | JobPlan | JobEstimate:
    """Run a pipeline over many clips; what an earlier run in the same folder has done is not done again.

    Args:
        pipeline: a loaded `Pipeline`.
        inputs: what `mmvideo.jobs.read_inputs` takes.
        out: the job's folder.
        questions: for pipelines that take text, asked of every clip that brings none.
        prompt: for models that take one, used for every clip that brings none.

    Returns:
        How the job stands; with `options.dry_run` what it would do; with `options.estimate` also what that takes.

    Raises:
        InvalidInput: inputs that do not fit the pipeline, a folder in which another process works, or files in the way
            that the job has not written.
        MediaNotFound: no such inputs.
        OutputError: the disk is full, read-only or out of reach; what was done is kept.
        MissingExtra: Parquet without pyarrow.
    """
    options, folder = options or JobOptions(), check_job_folder(out)
    if options.parquet:
        need_parquet()
    if options.metrics is not None:
        metrics_address(options.metrics)
    items = _checked(pipeline, list(read_inputs(inputs, questions=questions, prompt=prompt)))
    weights_sha256 = weights_hash(pipeline.recipe)
    settings = configuration(pipeline.recipe, weights_sha256)
    config = hash_of(settings)
    options = replace(options, files=str(folder.resolve() / FILES / config[:8]))
    job = {"pipeline": pipeline.recipe.name, "model": pipeline.model, "weights_sha256": weights_sha256,
           "config": config, "versions": versions()}
    if options.engine == "accelerate" and ranks.rank() > 0:  # launched beside rank 0, which holds the ledger
        if options.dry_run or options.estimate:
            return JobPlan()
        ranks.run_follower(pipeline, options, job)
        return JobSummary(folder, dict.fromkeys(STATES, 0), 0.0, 0, 0)
    with writing(folder), contextlib.ExitStack() as stack:
        looking = replace(options, dry_run=options.dry_run or options.estimate)
        ledger, plan = prepare(folder, items, looking, config, settings, pipeline.recipe.gives, stack)
        if options.estimate:
            return estimate_job(partial(run_job, pipeline), items, plan, options)
        del items
        if ledger is None or options.dry_run:
            return plan
        _write_manifest(folder, settings, job, options, ledger)
        coordinator = Coordinator(folder, ledger, options, config)
        interrupted = False
        progress = coordinator.progress
        with _interruptible(coordinator), serving_metrics(progress, options.metrics), \
                display.showing(progress, options.progress, as_json=options.progress_json):
            try:
                if coordinator.progress.left or (options.engine == "accelerate" and ranks.is_launched()):
                    engines.find_engine(options.engine)(pipeline, options, job, coordinator)
                interrupted = coordinator.stopping() and coordinator.trouble is None
            finally:
                coordinator.close()
                _write_about(folder, ledger, coordinator, options)
        if coordinator.trouble is not None:
            raise coordinator.trouble
        refuse(coordinator.sidecars.refused)
        return JobSummary(folder, ledger.counts(), progress.seconds, progress.done, progress.reused,
                          tuple(ledger.failures(1000)), interrupted,
                          _busy_seconds(progress, options), plan)


def _busy_seconds(progress: JobProgress, options: JobOptions) -> float:
    meters = progress.meters
    return progress.seconds if meters is None else max(meters.compute, meters.decode / options.num_workers)


class Job:
    """The runner that `Pipeline.map(..., out=...)` finds in the registry."""

    @staticmethod
    def over(pipeline: Any, inputs: Any, out: str | Path, *, questions: tuple[str, ...] = (),
             prompt: str | None = None, **options: Any) -> JobSummary | JobPlan | JobEstimate:
        """Run a job with the options of `JobOptions` given by name.

        Raises:
            UnknownName: an option that no job has.
        """
        known = {f.name for f in fields(JobOptions)}
        for name in options:
            if name not in known:
                raise UnknownName("option of a job", name, known - {"files"})
        return run_job(pipeline, inputs, out, JobOptions(**options), questions=questions, prompt=prompt)

    @staticmethod
    def videos(given: Any, options: Mapping[str, Any]) -> list[Any]:
        """Return the videos of a call of `map` without `out`; one path is one folder of clips, or one video.

        Args:
            options: further options of the call.

        Raises:
            InvalidInput: options or inputs that only a job understands.
        """
        of_media = inspect.signature(open_source).parameters
        ours = [name for name in (*(f.name for f in fields(JobOptions)), "prompt")
                if name in options and name not in of_media]
        if ours:
            raise InvalidInput(f"{', '.join(f'{name}=' for name in ours)}: only a batch job understands "
                               f"{'this' if len(ours) == 1 else 'these'}; add out=FOLDER to run one.")
        if not isinstance(given, str | os.PathLike):
            one = isinstance(given, bytes | bytearray | memoryview | Mapping) or hasattr(given, "read")
            if isinstance(given, Iterable) and not one:
                return list(given)
            raise InvalidInput(f"map takes a list of videos or a folder of clips, not {type(given).__name__}; call the "
                               "pipeline itself for one video.")
        return videos_of(os.fspath(given))


def _checked(pipeline: Any, items: list[Item]) -> list[Item]:
    """Compare what the items bring with what the pipeline takes.

    Raises:
        InvalidInput: a question too many or too few, or a prompt for a model that takes none.
    """
    asks = "text" in pipeline.recipe.takes
    prompts = any("request" in vars(stage) for _, stage in pipeline.stages)
    name = pipeline.recipe.name
    for item in items:
        if asks and not any(question.strip() for question in item.text):
            raise InvalidInput(f"{name} needs a question, and {item.id!r} brings none: add a 'question' column, or "
                               "--question for all.")
        if not asks and item.text:
            raise InvalidInput(f"{name} takes no question, and {item.id!r} brings {item.text[0]!r}; use "
                               "`mmvideo run video-qa`.")
        if item.prompt is not None and not prompts:
            raise InvalidInput(f"{name} with {pipeline.model or 'this model'} takes no prompt, and {item.id!r} brings "
                               f"{item.prompt!r}; a chat model does (--model).")
    return items


def _write_manifest(folder: Path, settings: dict[str, Any], job: dict[str, Any], options: JobOptions,
                    ledger: Ledger) -> None:
    counts = ledger.counts()
    content = {"configuration": settings, **job, "options": {k: v for k, v in vars(options).items()},
               "items": sum(counts.values()), "job_id": ledger.meta("job_id"),
               "schema_version": schema.VERSION}
    write_whole(folder / schema.NAME, [json.dumps(schema.json_schema(), indent=2).encode() + b"\n"])
    write_whole(folder / MANIFEST, [json.dumps(content, indent=2, ensure_ascii=False, default=str).encode() + b"\n"])


def _write_about(folder: Path, ledger: Ledger, coordinator: Coordinator, options: JobOptions) -> None:
    """Write what is made once, at the end of a run."""
    keep_run(ledger, coordinator.progress)
    write_whole(folder / FAILURES, (line({"id": name, "state": state, "class": kind, "message": message})
                                    for name, state, kind, message in ledger.failures()))
    if options.parquet:
        write_parquet(folder, ledger)
    report.write_report(folder, ledger)


@contextmanager
def _interruptible(coordinator: Coordinator) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM end the job in order; the second ends it at once, which loses nothing either."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: Any) -> None:
        if coordinator.stopping():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        coordinator.stop()

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


__all__ = ["Job", "run_job"]
