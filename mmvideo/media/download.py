"""http(s) addresses to temporary files, within limits."""

from __future__ import annotations

import http.client
import os
import re
import string
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPMessage
from pathlib import Path
from typing import IO, BinaryIO
from urllib.parse import quote, urlsplit

from mmvideo.errors import DownloadRefused, MediaNotFound
from mmvideo.media.connection import WebHandler
from mmvideo.media.deadline import TransferDeadline
from mmvideo.media.limits import MediaLimits

_CHUNK = 256 * 1024


def is_url(text: str) -> bool:
    """Tell whether a string is an address rather than a path: it begins with ``scheme://`` (RFC 3986, 3.1)."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


class _CountedRedirects(urllib.request.HTTPRedirectHandler):
    """Follow a limited number of redirects, and never away from http(s)."""

    def __init__(self, limit: int):
        self.left = self.limit = limit

    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage,
                         newurl: str) -> urllib.request.Request | None:
        _check_scheme(newurl)
        self.left -= 1
        if self.left < 0:
            raise DownloadRefused(f"{req.full_url} redirects more than {self.limit} times; "
                                  "give the final address or raise max_redirects.")
        fp.close()  # urllib would read what comes with the redirect, to its end, into memory
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_scheme(url: str) -> None:
    try:
        scheme = urlsplit(url).scheme.lower()
    except ValueError as error:
        raise MediaNotFound(f"{url} is not an address: {error}.") from error
    if scheme not in ("http", "https"):
        raise DownloadRefused(f"Cannot read {url!r}: only http and https addresses are allowed, not {scheme!r}.")


def download(url: str, *, limits: MediaLimits | None = None) -> Path:
    """Fetch an address into a temporary file, which the caller removes.

    Raises:
        DownloadRefused: not http(s), a private address where only public ones are allowed, over the limits on bytes,
            seconds or redirects, or stopped.
        MediaNotFound: the address does not answer, or answers with an error.
    """
    limits = limits or MediaLimits()
    _check_scheme(url)
    deadline = TransferDeadline(url, limits)
    opener = _opener(deadline, limits)
    try:
        with temporary() as (path, file), opener.open(_request(url)) as response:
            declared = response.headers.get("Content-Length")
            copy_within(response.read1, file, url, limits, deadline,
                        int(declared) if declared and declared.isdigit() else None)
    except TimeoutError as error:
        raise DownloadRefused(f"{url} did not send data in time.") from error
    except (OSError, http.client.HTTPException, ValueError) as error:  # URLError is an OSError
        if isinstance(error, urllib.error.HTTPError):
            error.close()
            if 300 <= error.code < 400:
                raise DownloadRefused(f"{url} leads to where it may not: {error}.") from error
        if isinstance(getattr(error, "reason", None), TimeoutError):
            raise DownloadRefused(f"{url} did not answer in time.") from error
        raise MediaNotFound(f"{url} cannot be fetched: {error}.") from error
    return path


def _opener(deadline: TransferDeadline, limits: MediaLimits) -> urllib.request.OpenerDirector:
    """Build an opener that knows http(s) only, so that no redirect can reach file:// or ftp://."""
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(None if limits.private_addresses else {}), WebHandler(deadline, limits),
                    _CountedRedirects(limits.max_redirects), urllib.request.HTTPDefaultErrorHandler(),
                    urllib.request.HTTPErrorProcessor()):
        opener.add_handler(handler)
    return opener


def _request(url: str) -> urllib.request.Request:
    """Build a request; spaces and letters beyond ASCII in the path are escaped, as browsers do."""
    parts = urlsplit(url)
    path, query = (quote(part, safe=string.punctuation) for part in (parts.path, parts.query))
    return urllib.request.Request(parts._replace(path=path, query=query, fragment="").geturl(),
                                  headers={"User-Agent": "mmvideo"})


@contextmanager
def temporary() -> Iterator[tuple[Path, BinaryIO]]:
    """Give a temporary file, open for writing; it is removed if what follows fails.

    It has no suffix: what a file is, is told by its content, not by who sends it.
    """
    handle, made = tempfile.mkstemp(prefix="mmvideo-")
    path = Path(made)
    try:
        with os.fdopen(handle, "wb") as file:
            yield path, file
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def copy_within(read: Callable[[int], bytes], out: BinaryIO, url: str, limits: MediaLimits,
                deadline: TransferDeadline, declared: int | None = None) -> None:
    """Copy what an address sends.

    Args:
        read: returns up to so many bytes, none at the end.
        declared: bytes that the other side says it will send.

    Raises:
        DownloadRefused: over the limits on bytes or seconds, or stopped.
        MediaNotFound: it broke off before all had come.
    """
    total = 0
    if declared is not None and declared > limits.max_bytes:
        raise DownloadRefused(f"{url} is {declared} bytes, over the limit of {limits.max_bytes} "
                              "(max_bytes).")
    while chunk := read(_CHUNK):
        total += len(chunk)
        if total > limits.max_bytes:
            raise DownloadRefused(f"{url} is over the limit of {limits.max_bytes} bytes (max_bytes).")
        deadline.wait_seconds()
        out.write(chunk)
    if declared is not None and total < declared:
        raise MediaNotFound(f"{url} broke off after {total} of {declared} bytes; try again.")


__all__ = ["copy_within", "download", "is_url", "temporary"]
