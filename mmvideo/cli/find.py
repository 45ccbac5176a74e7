"""Commands `index` and `find`: clips found again by words or by another clip, and near-duplicates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from mmvideo.cli.common import Debug, Device, Json, json_line, note, say
from mmvideo.cli.dataclass_options import values_of, with_options
from mmvideo.cli.jobs import job_options
from mmvideo.errors import InvalidInput
from mmvideo.wording import plural

_PANEL = "Find clips"
_NOT = ("parquet", "sidecars", "beside", "dry_run", "engine", "processes", "address", "thumbnails")


def add_find_commands(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("index", rich_help_panel=_PANEL, epilog="Example:\n\n"
                "[bold]mmvideo index clips/ --out clips.index[/bold]")(index_command)
    app.command("find", rich_help_panel=_PANEL, epilog="Examples:\n\n"
                "[bold]mmvideo find clips.index 'a person kicks a ball'[/bold]\n\n"
                "[bold]mmvideo find clips.index like-this.mp4 --top 5[/bold]\n\n"
                "[bold]mmvideo find clips.index --duplicates[/bold]")(find_command)


@with_options(job_options(without=_NOT), before="json")
def index_command(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="A folder, glob, text list, manifest, shard, "
                                                "file or address.")],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder of the index; run again, only new clips "
                                      "are looked at.")],
    model: Annotated[str | None, typer.Option("--model", metavar="NAME|FOLDER", help="everyday (the default), which "
                                              "also finds by words; lite0 or the folder of an encoder; or a model of "
                                              "the hub with towers for video and text.")] = None,
    speech: Annotated[str | None, typer.Option("--speech", metavar="auto|subtitles|speech", help="Also keep what is "
                                               "said: subtitles of the clips, or what --speech-model hears.")] = None,
    speech_model: Annotated[str | None, typer.Option("--speech-model", metavar="NAME|FOLDER", help="A speech model of "
                                                     "transformers, as openai/whisper-base.")] = None,
    device: Device = None, json: Json = False, debug: Debug = False, **options: Any,
) -> None:
    """Look at every clip once, as a batch job, and keep what finds it again: a vector, and what was found in words."""
    from mmvideo.jobs.options import JobOptions
    from mmvideo.retrieval.index import build_index

    said = {name: value for name, value in (("speech", speech), ("speech_model", speech_model)) if value is not None}
    summary = build_index(inputs, out, model=model, device=device,
                          options=JobOptions(progress=True, **values_of(options)), **said)
    if json:
        say(json_line({"folder": str(summary.folder), "counts": summary.counts, "done_now": summary.done_now,
                       "interrupted": summary.interrupted}))
    else:
        say(summary)
        say(f"search it: mmvideo find {out} 'a person kicks a ball'")
    if summary.interrupted:
        note("mmvideo: stopped; run the same command again to go on.")
        raise typer.Exit(130)
    summary.check()


def find_command(
    index: Annotated[Path, typer.Argument(metavar="INDEX", help="A folder that `mmvideo index` wrote.")],
    what: Annotated[str | None, typer.Argument(metavar="TEXT|CLIP", help="Words, or a clip (file or http(s) "
                                               "address).")] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many clips.")] = 10,
    duplicates: Annotated[bool, typer.Option("--duplicates", help="Instead: groups of clips that show nearly the "
                                             "same.")] = False,
    threshold: Annotated[float, typer.Option("--threshold", help="Least cosine of near-duplicates.")] = 0.98,
    device: Device = None, json: Json = False, debug: Debug = False,
) -> None:
    """Find the clips of an index that fit words or are like a clip, best first."""
    from mmvideo.retrieval.index import ClipIndex

    if (what is None) != duplicates:
        raise InvalidInput("Give words or a clip to look for, or --duplicates; not both." if duplicates else
                           "Give words or a clip to look for, or --duplicates.")
    opened = ClipIndex(index, device=device)
    if what is None:
        groups = opened.duplicates(threshold)
        for group in groups:
            say(json_line({"sources": list(group.sources), "least": group.least}) if json else group)
        note(f"{plural(len(groups), 'group')} of near-duplicates among {plural(len(opened), 'clip')}")
        return
    is_clip = os.path.exists(what) or what.startswith(("http://", "https://"))
    found = opened.by_clip(what, top) if is_clip else opened.by_text(what, top)
    for match in found:
        say(json_line(vars(match)) if json else match)
    if not found:
        note(f"none of {plural(len(opened), 'clip')} has any of these words")
