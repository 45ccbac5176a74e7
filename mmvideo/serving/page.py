"""What the demos share: how long files are kept and how large they may be, the look of a page, and how it is served."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
import gradio as gr
from starlette.middleware import Middleware

from mmvideo.errors import MmvideoError
from mmvideo.media import probe
from mmvideo.media.playable import is_playable, write_playable
from mmvideo.serving.size import SizeLimit

MAX_SIZE = 200 << 20
KEEP_SECONDS, CHECK_SECONDS = 1800, 300
"""Uploads and what was made of them are removed after the first; every so often it is looked what is that old."""
MAX_QUEUE, MAX_SESSIONS = 16, 32
"""Clicks that may wait; visitors whose results are held in memory."""
PREVIEW_SIDE, PREVIEW_SECONDS = 480, 120
"""Of copies that are only shown: pixels of the shorter side, and length."""
LEAST_ROOM = 4 * MAX_SIZE
"""Free bytes on the disk below which no upload is taken."""
CSS = """
.gradio-container {max-width: 860px !important; margin: auto}
#clip video {max-height: 420px}
#turns table {width: 100%; border-collapse: collapse}
#turns th, #turns td {text-align: left; padding: 0.2em 0.4em}
#turns img {min-width: 40px}
@media (max-width: 640px) {#turns :is(th, td):nth-child(5) {display: none} #turns table {font-size: 0.8rem}}
#message p {font-weight: 600; margin: 0.2em 0}
@media (max-width: 640px) {.gradio-container {padding: 8px !important} h1 {font-size: 1.4rem !important}}
"""


def uploads() -> Path:
    """Return the folder that Gradio keeps uploads in, and removes files from."""
    return Path(gr.utils.get_upload_folder()).absolute()


def new_folder(keep_seconds: float = KEEP_SECONDS) -> Path:
    """Return a new folder for files that are shown, inside Gradio's: only there does it remove them.

    Folders that are older than what is kept are removed as well, with files that were never shown.
    """
    home = uploads() / "made"
    home.mkdir(parents=True, exist_ok=True)
    for made in home.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another visitor's click removed it
            if time.time() - made.stat().st_mtime > keep_seconds:
                shutil.rmtree(made, ignore_errors=True)
    return Path(tempfile.mkdtemp(dir=home))


def preview(clip: str | None) -> tuple[str | None, dict[str, str]]:
    """Return what the browser shows of an upload, which is a small copy where it cannot play it, and what it is of."""
    if not clip:
        return clip, {}
    shown = playable(clip, short_side=PREVIEW_SIDE, max_seconds=PREVIEW_SECONDS)
    return shown, {shown: clip} if shown != clip else {}


def playable(clip: str, **limits: Any) -> str:
    """Return the path of a file, or of a copy that browsers play; of the file too where it cannot be read.

    Args:
        limits: of `write_playable`.
    """
    try:
        if is_playable(probe(clip, check_seconds=0), Path(clip).suffix):
            return clip
        return str(write_playable(clip, new_folder() / f"{Path(clip).stem[:50]}.mp4", **limits))
    except MmvideoError:  # whoever uses the clip says what is wrong with it
        return clip


def serve_page(page: gr.Blocks, host: str, port: int, *, sample: Path) -> Any:
    """Serve a page until Ctrl-C.

    Args:
        sample: a clip that comes with the demo; its folder may be read.
    """
    page.queue(max_size=MAX_QUEUE, default_concurrency_limit=1)
    limit = Middleware(SizeLimit, limit=MAX_SIZE, uploads=uploads(), least_room=LEAST_ROOM)
    return page.launch(server_name=host, server_port=port, max_file_size=MAX_SIZE, css=CSS, footer_links=[],
                       theme=gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
                       allowed_paths=[str(sample.parent)], quiet=True, ssr_mode=False,
                       state_session_capacity=MAX_SESSIONS, app_kwargs={"middleware": [limit]})


__all__ = ["CHECK_SECONDS", "CSS", "KEEP_SECONDS", "LEAST_ROOM", "MAX_QUEUE", "MAX_SESSIONS", "MAX_SIZE", "new_folder",
           "playable", "preview", "serve_page", "uploads"]
