"""What the demos share: how long files are kept and how large they may be, the look of a page, and how it is served."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
import gradio as gr
from starlette.middleware import Middleware

from mmvideo.serving.size import SizeLimit

MAX_SIZE = 200 << 20
KEEP_SECONDS, CHECK_SECONDS = 1800, 300
"""Uploads and what was made of them are removed after the first; every so often it is looked what is that old."""
CSS = """
.gradio-container {max-width: 860px !important; margin: auto}
#clip video {max-height: 420px}
#message p {font-weight: 600; margin: 0.2em 0}
@media (max-width: 640px) {.gradio-container {padding: 8px !important} h1 {font-size: 1.4rem !important}}
"""


def serve(page: gr.Blocks, host: str, port: int, *, sample: Path) -> Any:
    """Serve a page until Ctrl-C.

    Args:
        sample: a clip that comes with the demo; its folder may be read.
    """
    return page.launch(server_name=host, server_port=port, max_file_size=MAX_SIZE, css=CSS, footer_links=[],
                       theme=gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
                       allowed_paths=[str(sample.parent)], quiet=True, ssr_mode=False,
                       app_kwargs={"middleware": [Middleware(SizeLimit, limit=MAX_SIZE)]})


__all__ = ["CHECK_SECONDS", "CSS", "KEEP_SECONDS", "MAX_SIZE", "serve"]
