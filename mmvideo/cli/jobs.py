"""Commands `run` and `jobs status`, and what `caption` does with --out: batch jobs over many clips."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from mmvideo.cli.common import (
    AllowLicences,
    Debug,
    Device,
    Json,
    Model,
    Overrides,
    json_line,
    note,
    overrides,
    say,
)
from mmvideo.cli.dataclass_options import Spelling, is_given, options_of, values_of, with_options
from mmvideo.errors import InvalidInput
from mmvideo.jobs.options import JobOptions

_JOB, _CARE, _OUT = "Batch job", "Batch job: which clips are taken", "Batch job: files"
_PANELS = {
    **dict.fromkeys(("timeout_seconds", "strict", "need_audio", "min_frames", "crashes", "max_bytes", "max_seconds",
                     "max_redirects"), _CARE),
    **dict.fromkeys(("parquet", "sidecars", "beside", "overwrite", "thumbnails"), _OUT)}
"""Field of `JobOptions` -> the panel of the help that it is in, where that is not the first."""
_SPELLED = {"timeout_seconds": Spelling("--timeout", "SECONDS"), "strict": Spelling("--strict/--allow-damage"),
            "long_first": Spelling("--long-first/--no-long-first"),
            "sidecars": Spelling("--sidecar", "KIND"), "retry": Spelling(metavar="CLASS")}
NOT_OPTIONS = ("progress", "files")
"""Fields of `JobOptions` that the command sets itself."""


def job_options(*, without: Sequence[str] = ()) -> list[inspect.Parameter]:
    """Return the options of a batch job, made from `JobOptions`."""
    return options_of(JobOptions, without=(*NOT_OPTIONS, *without), spelled=_SPELLED,
                      panel_of=lambda name: _PANELS.get(name, _JOB))


Out = Annotated[Path | None, typer.Option(
    "--out", metavar="FOLDER", help="Run as a batch job that writes here; run it again to go on where it stopped.",
    rich_help_panel=_JOB)]
Prompt = Annotated[str | None, typer.Option("--prompt", help="What to ask a chat model for, instead of a description.",
                                            rich_help_panel=_JOB)]
Question = Annotated[list[str] | None, typer.Option("--question", help="Ask this of every clip that brings no "
                                                    "question; may be given again.", rich_help_panel=_JOB)]

jobs = typer.Typer(no_args_is_help=True, help="Look at batch jobs.")


def add_job_commands(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("run", rich_help_panel="Ask things of video", epilog="Examples:\n\n"
                "[bold]mmvideo run video-qa clips/ --question 'what happens next?' --out answers[/bold]\n\n"
                "[bold]mmvideo run video-classification list.csv --out labels --parquet[/bold]\n\n"
                "Exit codes: 8 the job ended, and some clips failed; 70 a bug of mmvideo ended it.")(run_command)
    jobs.command("status")(status_command)
    jobs.command("export")(export_command)
    app.add_typer(jobs, name="jobs", rich_help_panel="See what there is")


@with_options(job_options(), before="json")
def run_command(
    recipe: Annotated[str, typer.Argument(metavar="PIPELINE", help="`mmvideo list pipelines`, or a .yaml file.")],
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="A folder, glob, text list, .csv, .tsv, "
                                                ".jsonl or .parquet manifest, .tar shard, file or address.")],
    out: Out = None, model: Model = None, device: Device = None, set_: Overrides = None,
    question: Question = None, prompt: Prompt = None, json: Json = False, allow_licences: AllowLicences = None,
    debug: Debug = False, **options: Any,
) -> None:
    """Run any pipeline over many clips, as a job that survives crashes and goes on where it stopped."""
    if out is None:
        raise InvalidInput(f"A job is kept in a folder: add --out FOLDER, as in `mmvideo run {recipe} "
                           f"{inputs[0]} --out job`.")
    batch(recipe, inputs, out, model, device, overrides(set_), json, question=question, prompt=prompt,
          **values_of(options))


def refuse_without_out(context: typer.Context) -> None:
    """Refuse options that only a job understands, where none runs.

    Raises:
        InvalidInput: any was given.
    """
    given = [(option.secondary_opts if context.params[option.name] is False else option.opts)[0]
             for option in context.command.params
             if getattr(option, "rich_help_panel", None) in (_JOB, _CARE, _OUT) and option.name != "out"
             and is_given(context, option.name)]
    if given:
        single = any(option.name == "save" for option in context.command.params) and "--sidecar" in given
        raise InvalidInput(f"{', '.join(given)}: only a batch job understands {'this' if len(given) == 1 else 'these'};"
                           " add --out FOLDER to run one"
                           + (", or write the subtitles of one clip with --save FILE.srt." if single else "."))


def batch(recipe: str, inputs: list[str], out: Path, model: str | None, device: str | None,
          changes: dict[str, dict[str, Any]], json: bool, *, question: list[str] | None = None,
          prompt: str | None = None, **options: Any) -> None:
    """Run a job and say how it stands.

    Raises:
        JobIncomplete: clips failed; the exit code tells it.
    """
    from mmvideo.jobs import forkserver, run_job
    from mmvideo.jobs.engines import ranks
    from mmvideo.jobs.files import check_job_folder
    from mmvideo.jobs.sinks import need_parquet
    from mmvideo.jobs.summary import JobSummary
    from mmvideo.pipeline import Pipeline
    from mmvideo.stages.encode_video import EncodeVideo

    checked = JobOptions(progress=True, **options)
    check_job_folder(out)
    if checked.parquet:
        need_parquet()
    early = checked.engine == "local" and not checked.dry_run
    with forkserver.prestarted(EncodeVideo.imports_for({"weights": model})) if early else nullcontext():
        pipe = Pipeline(recipe, model, device, **changes)
        summary = run_job(pipe, inputs, out, checked, questions=tuple(question or ()), prompt=prompt)
    if checked.engine == "accelerate" and ranks.rank() > 0:
        return  # the rank that holds the ledger says how it went
    if not isinstance(summary, JobSummary):  # a dry run, or an estimate
        say(json_line(summary) if json else summary)
        return
    if json:
        say(json_line({"folder": str(summary.folder), "counts": summary.counts, "seconds": round(summary.seconds, 3),
                     "done_now": summary.done_now, "interrupted": summary.interrupted}))
    else:
        say(summary)
    if summary.interrupted:
        note("mmvideo: stopped; run the same command again to go on.")
        raise typer.Exit(130)
    summary.check()


def export_command(
    folder: Annotated[Path, typer.Argument(help="The folder that was given as --out.")],
    to: Annotated[str, typer.Option("--to", help="parquet, csv, duckdb, fiftyone or label-studio.")],
    out: Annotated[Path, typer.Option("--out", help="A folder (parquet, csv, fiftyone) or file to write.")],
    partition_by: Annotated[str | None, typer.Option("--partition-by", metavar="COLUMN", help="Parquet and csv: a "
                                                     "folder for each value of this column.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    json: Json = False, debug: Debug = False,
) -> None:
    """Write the rows of a job for another tool: a flat table, FiftyOne or Label Studio."""
    from mmvideo.jobs.export import export_job

    written = export_job(folder, to, out, partition_by=partition_by, overwrite=overwrite)
    say(json_line({"files": [str(path) for path in written]}) if json else "\n".join(map(str, written)))


def status_command(
    folder: Annotated[Path, typer.Argument(help="The folder that was given as --out.")], json: Json = False,
    failures: Annotated[int, typer.Option("--failures", help="Failures to name.")] = 20, debug: Debug = False,
) -> None:
    """Say how a job stands, also while it runs: counts, failures by class, runs so far."""
    from mmvideo.jobs.job_status import status as look
    from mmvideo.jobs.job_status import status_text

    found = look(folder, failures=failures)
    say(json_line(found) if json else status_text(found))
