"""Progress of a job for other programs: an address that Prometheus reads, and lines of JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mmvideo.errors import InvalidInput
from mmvideo.jobs.coordinator import JobProgress

_COUNTERS = {
    "done": "clips that were done in this run", "failed": "clips that have failed, also in earlier runs",
    "quarantined": "clips that ended their worker too often", "reused": "clips of which the content was known",
    "frames": "frames that were looked at", "words": "words that were written"}
_GAUGES = {
    "clips": "clips of the job", "left": "clips that are left", "seconds": "since the run began",
    "clips_per_second": "mean of this run"}


def progress_values(progress: JobProgress) -> dict[str, Any]:
    """Return a progress as plain numbers."""
    seconds = progress.seconds
    rate = progress.done / seconds
    found: dict[str, Any] = {name: getattr(progress, name) for name in _COUNTERS}
    found |= {"clips": progress.total, "done_before": progress.done_before, "left": progress.left,
              "seconds": round(seconds, 3), "clips_per_second": round(rate, 4),
              "seconds_left": round(progress.left / rate, 1) if rate else None}
    if progress.meters is not None:
        found["stages"] = {name: round(spent, 3) for name, spent in list(progress.meters.stages.items())}
    return found


def json_progress(progress: JobProgress) -> str:
    """Return a progress as one line of JSON."""
    return json.dumps({"mmvideo": "progress", **progress_values(progress)})


def prometheus_text(progress: JobProgress) -> str:
    """Return a progress in Prometheus' text format (version 0.0.4)."""
    values = progress_values(progress)
    lines = []
    for kind, names in (("counter", _COUNTERS), ("gauge", _GAUGES)):
        for name, about in names.items():
            full = f"mmvideo_job_{name}{'_total' if kind == 'counter' else ''}"
            lines += [f"# HELP {full} {about}", f"# TYPE {full} {kind}", f"{full} {values[name]}"]
    stages = values.get("stages") or {}
    if stages:
        lines += ["# HELP mmvideo_job_stage_seconds_total time spent in a stage",
                  "# TYPE mmvideo_job_stage_seconds_total counter"]
        lines += [f'mmvideo_job_stage_seconds_total{{stage="{name}"}} {spent}' for name, spent in stages.items()]
    return "\n".join(lines) + "\n"


class _Handler(BaseHTTPRequestHandler):
    timeout = 10

    def do_GET(self) -> None:
        """Answer /metrics."""
        progress: JobProgress = self.server.progress  # type: ignore[attr-defined]
        known = self.path.partition("?")[0] in ("/", "/metrics")
        content = prometheus_text(progress).encode() if known else b"see /metrics\n"
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def metrics_address(given: str) -> tuple[str, int]:
    """Return host and port of `PORT` or `HOST:PORT`.

    Raises:
        InvalidInput: it is neither.
    """
    host, _, port = given.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise InvalidInput(f"metrics takes PORT or HOST:PORT, as in 127.0.0.1:9100, not {given!r}.")
    return host.strip("[]") or "127.0.0.1", int(port)


@contextmanager
def serving_metrics(progress: JobProgress, address: str | None) -> Iterator[str | None]:
    """Let other programs read a progress while the block runs; gives where, None where nobody asked for it.

    Raises:
        InvalidInput: no address, or one that cannot be listened on.
    """
    if address is None:
        yield None
        return
    host, port = metrics_address(address)
    try:
        server = ThreadingHTTPServer((host, port), _Handler)
    except OSError as error:
        raise InvalidInput(f"metrics cannot listen on {host}:{port}: {error.strerror or error}.") from error
    server.daemon_threads = True
    server.progress = progress  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="metrics", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


__all__ = ["json_progress", "metrics_address", "progress_values", "prometheus_text", "serving_metrics"]
