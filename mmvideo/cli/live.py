"""Command `live`: a pipeline on a camera, a network stream, or a file in real time."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mmvideo.cli.common import (
    AllowLicences,
    Debug,
    Device,
    Json,
    Model,
    Overrides,
    RecipeName,
    json_line,
    note,
    overrides,
    say,
)
from mmvideo.cli.dataclass_options import Spelling, options_of, values_of, with_options
from mmvideo.live.options import LiveOptions

_SPELLED = {"every_seconds": Spelling("--every", "SECONDS"), "window_seconds": Spelling("--window", "SECONDS"),
            "stall_seconds": Spelling("--stall", "SECONDS"), "max_seconds": Spelling("--seconds", "SECONDS")}


def add_live_command(app: typer.Typer) -> None:
    """Register the command."""
    app.command("live", rich_help_panel="Ask things of video")(live_command)


@with_options(options_of(LiveOptions, spelled=_SPELLED), before="json")
def live_command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Number of a camera (0), an address (rtsp://, "
                                          "http://, rtmp://, udp://, srt://), or a file, played in real time.")],
    questions: Annotated[list[str] | None, typer.Argument(metavar="[QUESTION]...", help="What is asked at every look; "
                                                          "without a question the video is captioned.")] = None,
    recipe: RecipeName = None, model: Model = None, device: Device = None, set_: Overrides = None,
    json: Json = False, allow_licences: AllowLicences = None, debug: Debug = False, **options: Any,
) -> None:
    """Look at a live source again and again; the newest frame wins, late ones are dropped. End with Ctrl-C."""
    from mmvideo.pipeline import Pipeline

    pipe: Pipeline[Any] = Pipeline(recipe or ("video-qa" if questions else "video-captioning"), model, device,
                                   **overrides(set_))
    asked = None if not questions else questions[0] if len(questions) == 1 else questions
    given: Any = int(source) if source.isdigit() else source
    with pipe.stream(given, asked, **values_of(options, _SPELLED)) as live:
        count, slowest, total = 0, 0.0, 0.0
        for found in live:
            say(json_line(found) if json else found)
            count, slowest = count + 1, max(slowest, found.latency_seconds)
            total += found.latency_seconds
        if count:
            note(f"{count} looks, {total / count:.2f} s from frame to result on average, {slowest:.2f} s at most; "
                 f"{live.ring.received} frames came, {live.ring.dropped} were dropped")


__all__ = ["add_live_command"]
