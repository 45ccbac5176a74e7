"""Places that clips of a job can come from: an http server, and a bucket of a real S3 server on this machine."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def website(folder: Path) -> Iterator[str]:
    """Serve a folder and give its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@contextmanager
def bucket(folder: Path, name: str, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """Start an S3 server, put every file of a folder into a bucket, and give the bucket's address."""
    s3fs = pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for key, value in {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "key",
                       "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1",
                       "no_proxy": "127.0.0.1"}.items():
        patch.setenv(key, value)
    import boto3

    s3fs.S3FileSystem.clear_instance_cache()  # one of an earlier server
    client = boto3.client("s3")
    client.create_bucket(Bucket=name)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        client.upload_file(str(path), name, path.relative_to(folder).as_posix())
    yield f"s3://{name}"
    server.stop()
