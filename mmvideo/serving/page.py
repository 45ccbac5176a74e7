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

from mmvideo.serving.size import SizeLimit

MAX_SIZE = 200 << 20
KEEP_SECONDS, CHECK_SECONDS = 1800, 300
"""Uploads and what was made of them are removed after the first; every so often it is looked what is that old."""
MAX_QUEUE, MAX_SESSIONS = 16, 32
"""Clicks that may wait; visitors whose results are held in memory."""
LEAST_ROOM = 4 * MAX_SIZE
"""Free bytes on the disk below which no upload is taken."""
CSS = """
.gradio-container {max-width: 860px !important; margin: auto}
#clip video {max-height: 420px}
#message p {font-weight: 600; margin: 0.2em 0}
@media (max-width: 640px) {.gradio-container {padding: 8px !important} h1 {font-size: 1.4rem !important}}
"""


def uploads() -> Path:
    """Return the folder that Gradio keeps uploads in, and removes files from."""
    return Path(gr.utils.get_upload_folder())


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


def serve(page: gr.Blocks, host: str, port: int, *, sample: Path) -> Any:
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
           "serve", "uploads"]
