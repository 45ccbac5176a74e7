"""The command `mmvideo`. Results go to stdout; warnings, progress and errors to stderr; errors set the exit code."""

from __future__ import annotations

import sys

import typer

from mmvideo.cli import ask, encoders, jobs, look, make, separate, serve
from mmvideo.cli.common import debugging
from mmvideo.errors import MmvideoError

app = typer.Typer(
    name="mmvideo", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    rich_markup_mode="rich", help="Ask things of video: what happens, what happens next, how the camera moves.",
    epilog="Exit codes: 0 well, 1 failed, 2 wrong arguments, 3 unreadable media, 4 a package is missing, 5 weights, "
           "6 training stopped, 7 out of memory, 8 clips of a batch job failed. "
           "Add --debug to a command to see where an error came from.",
)
for module in (ask, separate, serve, jobs, look, encoders, make):
    module.add_to(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; an error that a user can mend becomes one line on stderr and an exit code."""
    try:
        app(args=arguments)
    except MmvideoError as error:
        if debugging():
            raise
        sys.stderr.write(f"mmvideo: {error}\n")
        sys.exit(error.exit_code)


__all__ = ["app", "main"]
