"""Commands `run` and `jobs status`, and what `caption` does with --out: batch jobs over many clips."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from mmvideo.cli.common import Debug, Device, Json, Model, Overrides, Timeout, as_json, note, overrides, say
from mmvideo.errors import InvalidInput

_JOB, _CARE, _OUT = "Batch job", "Batch job: which clips are taken", "Batch job: files"
Out = Annotated[Path | None, typer.Option(
    "--out", metavar="FOLDER", help="Run as a batch job that writes here; run it again to go on where it stopped.",
    rich_help_panel=_JOB)]
Engine = Annotated[str, typer.Option("--engine", help="local, accelerate (GPUs and nodes) or ray (clusters).",
                                     rich_help_panel=_JOB)]
Workers = Annotated[int | None, typer.Option("--workers", help="Decode processes; by default one a core, less one.",
                                             rich_help_panel=_JOB)]
Batch = Annotated[int, typer.Option("--batch-size", help="Clips that go through the networks together.",
                                    rich_help_panel=_JOB)]
Processes = Annotated[int, typer.Option("--processes", help="Processes that compute (accelerate, ray).",
                                        rich_help_panel=_JOB)]
Address = Annotated[str | None, typer.Option("--address", help="Address of a running Ray cluster.",
                                             rich_help_panel=_JOB)]
Retry = Annotated[bool, typer.Option("--retry-failed", help="Try clips again that failed or were quarantined.",
                                     rich_help_panel=_JOB)]
RetryClass = Annotated[list[str] | None, typer.Option(
    "--retry", metavar="CLASS", help="Try only clips again that failed by this class, as in --retry VideoDecodeError; "
    "rows that are there stay, whatever the options. May be given again.", rich_help_panel=_JOB)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many clips would be done, kept, done anew and "
                                      "why.", rich_help_panel=_JOB)]
Reduce = Annotated[bool, typer.Option("--allow-reduce", help="Where a clip does not fit into memory, look at fewer "
                                      "frames; its row says so.", rich_help_panel=_JOB)]
Prompt = Annotated[str | None, typer.Option("--prompt", help="What to ask a chat model for, instead of a description.",
                                            rich_help_panel=_JOB)]
Damaged = Annotated[bool, typer.Option("--allow-damage", help="Take what can be read of a damaged clip, with warnings, "
                                       "instead of failing it.", rich_help_panel=_CARE)]
NeedAudio = Annotated[bool, typer.Option("--need-audio", help="Fail clips without a sound track.",
                                         rich_help_panel=_CARE)]
MinFrames = Annotated[int, typer.Option("--min-frames", help="Fail clips that show fewer frames.",
                                        rich_help_panel=_CARE)]
MaxBytes = Annotated[int, typer.Option("--max-bytes", help="Largest download of one address.", rich_help_panel=_CARE)]
MaxSeconds = Annotated[float, typer.Option("--max-seconds", help="Longest download of one address.",
                                           rich_help_panel=_CARE)]
Parquet = Annotated[bool, typer.Option("--parquet", help="Also write results.parquet.", rich_help_panel=_OUT)]
Sidecar = Annotated[list[str] | None, typer.Option("--sidecar", metavar="KIND", help="Write a file for each clip: txt, "
                                                   "json, srt, vtt, chapters; may be given again.",
                                                   rich_help_panel=_OUT)]
Beside = Annotated[bool, typer.Option("--beside", help="Write sidecars beside the clips, not below the job's folder.",
                                      rich_help_panel=_OUT)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that the job has not written where its own "
                                         "would go.", rich_help_panel=_OUT)]
Question = Annotated[list[str] | None, typer.Option("--question", help="Ask this of every clip that brings no "
                                                    "question; may be given again.", rich_help_panel=_JOB)]

jobs = typer.Typer(no_args_is_help=True, help="Look at batch jobs.")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(rich_help_panel="Ask things of video", epilog="Examples:\n\n"
                "[bold]mmvideo run video-qa clips/ --question 'what happens next?' --out answers[/bold]\n\n"
                "[bold]mmvideo run video-classification list.csv --out labels --parquet[/bold]\n\n"
                "Exit codes: 8 the job ended, and some clips failed; 70 a bug of mmvideo ended it.")(run)
    jobs.command()(status)
    app.add_typer(jobs, name="jobs", rich_help_panel="See what there is")


def run(
    recipe: Annotated[str, typer.Argument(metavar="PIPELINE", help="`mmvideo list pipelines`, or a .yaml file.")],
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="A folder, glob, text list, .csv, .tsv, "
                                                ".jsonl or .parquet manifest, .tar shard, file or address.")],
    out: Out = None, model: Model = None, device: Device = None, set_: Overrides = None,
    question: Question = None, prompt: Prompt = None, engine: Engine = "local", workers: Workers = None,
    batch_size: Batch = 8, processes: Processes = 2, address: Address = None, retry_failed: Retry = False,
    retry: RetryClass = None, dry_run: DryRun = False, allow_reduce: Reduce = False, timeout: Timeout = None,
    allow_damage: Damaged = False, need_audio: NeedAudio = False, min_frames: MinFrames = 1,
    max_bytes: MaxBytes = 2 * 1024**3, max_seconds: MaxSeconds = 300.0, parquet: Parquet = False,
    sidecar: Sidecar = None, beside: Beside = False, overwrite: Overwrite = False, json: Json = False,
    debug: Debug = False,
) -> None:
    """Run any pipeline over many clips, as a job that survives crashes and goes on where it stopped."""
    if out is None:
        raise InvalidInput(f"A job is kept in a folder: add --out FOLDER, as in `mmvideo run {recipe} "
                           f"{inputs[0]} --out job`.")
    batch(recipe, inputs, out, model, device, set_, json, question=question, prompt=prompt, **options_of(
        engine=engine, workers=workers, batch_size=batch_size, processes=processes, address=address,
        retry_failed=retry_failed, retry=retry, dry_run=dry_run, allow_reduce=allow_reduce, timeout=timeout,
        allow_damage=allow_damage, need_audio=need_audio, min_frames=min_frames, max_bytes=max_bytes,
        max_seconds=max_seconds, parquet=parquet, sidecar=sidecar, beside=beside, overwrite=overwrite))


def options_of(*, timeout: float | None, allow_damage: bool, sidecar: list[str] | None, retry: list[str] | None,
               **same: Any) -> dict[str, Any]:
    """Turn options of the command into those of a job."""
    given = {} if timeout is None else {"timeout_seconds": timeout}
    return {**same, **given, "strict": not allow_damage, "sidecars": tuple(sidecar or ()),
            "retry": tuple(retry or ())}


def refuse_without_out(context: typer.Context) -> None:
    """Refuse options that only a job understands, where none runs.

    Raises:
        InvalidInput: any was given.
    """
    given = [option.opts[0] for option in context.command.params
             if getattr(option, "rich_help_panel", None) in (_JOB, _CARE, _OUT) and option.name != "out"
             and context.get_parameter_source(option.name).name != "DEFAULT"]
    if given:
        raise InvalidInput(f"{', '.join(given)}: only a batch job understands {'this' if len(given) == 1 else 'these'};"
                           " add --out FOLDER to run one.")


def batch(recipe: str, inputs: list[str], out: Path, model: str | None, device: str | None, changes: list[str] | None,
          json: bool, *, question: list[str] | None = None, prompt: str | None = None, **options: Any) -> None:
    """Run a job and say how it stands.

    Raises:
        JobIncomplete: clips failed; the exit code tells it.
    """
    from mmvideo.jobs import JobOptions, forkserver, run_job
    from mmvideo.jobs.engines import ranks
    from mmvideo.jobs.files import check_folder
    from mmvideo.jobs.sinks import need_parquet
    from mmvideo.pipeline import Pipeline
    from mmvideo.stages.watch import Watch

    checked = JobOptions(progress=True, **options)
    check_folder(out)
    if checked.parquet:
        need_parquet()
    with forkserver.early(Watch.imports if model else ()) if checked.engine == "local" and not checked.dry_run \
            else nullcontext():
        pipe = Pipeline(recipe, model, device, **overrides(changes))
        summary = run_job(pipe, inputs, out, checked, questions=tuple(question or ()), prompt=prompt)
    if checked.engine == "accelerate" and ranks.rank() > 0:
        return  # the rank that holds the ledger says how it went
    if checked.dry_run:
        say(as_json(summary) if json else summary)
        return
    if json:
        say(as_json({"folder": str(summary.folder), "counts": summary.counts, "seconds": round(summary.seconds, 3),
                     "done_now": summary.done_now, "interrupted": summary.interrupted}))
    else:
        say(summary)
    if summary.interrupted:
        note("mmvideo: stopped; run the same command again to go on.")
        raise typer.Exit(130)
    summary.check()


def status(
    folder: Annotated[Path, typer.Argument(help="The folder that was given as --out.")], json: Json = False,
    failures: Annotated[int, typer.Option("--failures", help="Failures to name.")] = 20, debug: Debug = False,
) -> None:
    """Say how a job stands, also while it runs: counts, failures by class, runs so far."""
    from mmvideo.jobs.status import status as look
    from mmvideo.jobs.status import text

    found = look(folder, failures=failures)
    say(as_json(found) if json else text(found))
