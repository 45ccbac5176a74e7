"""The command `mmvideo`. Results go to stdout; warnings, progress and errors to stderr; errors set the exit code."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Annotated

import typer

from mmvideo import __version__
from mmvideo.cli import (
    ask,
    encoders,
    features,
    find,
    jobs,
    live,
    locate,
    look,
    make,
    models,
    new,
    separate,
    serve,
    transcribe,
)
from mmvideo.cli.common import debugging, note, say
from mmvideo.errors import MmvideoError

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""
NARROWEST = 40
"""Columns that help is laid out for at least; below, its tables would have no room for a word."""

app = typer.Typer(
    name="mmvideo", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 well, 1 failed, 2 wrong arguments, 3 unreadable media, 4 a package is missing, 5 weights, "
           "6 training stopped, 7 out of memory, 8 clips of a batch job failed, 9 results cannot be written, 70 a bug "
           "ended a batch job, 130 stopped by Ctrl-C, 141 output that nobody reads. Add --debug to a command to see "
           "where an error came from.",
)
for add_commands in (live.add_live_command,
                     ask.add_ask_commands, locate.add_locate_commands, find.add_find_commands,
                     separate.add_separate_command, transcribe.add_transcribe_command, serve.add_serve_command,
                     jobs.add_job_commands,
                     look.add_look_commands, models.add_models_command, encoders.add_encoder_commands,
                     features.add_features_command, make.add_model_commands, new.add_new_command):
    add_commands(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"mmvideo {__version__}")
        raise typer.Exit


@app.callback()
def _mmvideo(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True,
                                          help="Print the version.")] = False,
) -> None:
    """Ask things of video: what happens, what happens next, how the camera moves."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; an error that a user can mend becomes one line on stderr and an exit code."""
    if shutil.get_terminal_size().columns < NARROWEST:
        os.environ.setdefault("TERMINAL_WIDTH", str(NARROWEST))  # typer reads it when it first prints help
    try:
        app(args=arguments, prog_name="mmvideo")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except (MmvideoError, OSError) as error:  # what the system refuses: no space, no permission, too many files
        if debugging():
            raise
        note(f"mmvideo: {error}")
        sys.exit(error.exit_code if isinstance(error, MmvideoError) else MmvideoError.exit_code)


__all__ = ["app", "main"]
