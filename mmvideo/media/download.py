"""http(s) addresses to temporary files, within limits."""

from __future__ import annotations

import http.client
import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from mmvideo.errors import DownloadRefused, MediaNotFound
from mmvideo.media.limits import MediaLimits

_CHUNK = 256 * 1024


def is_url(text: str) -> bool:
    """Tell whether a string is an address rather than a path (``scheme://``)."""
    return "://" in text[:16]


class _CountedRedirects(urllib.request.HTTPRedirectHandler):
    """Follow a limited number of redirects, and never away from http(s)."""

    def __init__(self, limit: int):
        self.left = self.limit = limit

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        _check_scheme(newurl)
        self.left -= 1
        if self.left < 0:
            raise DownloadRefused(f"{req.full_url} redirects more than {self.limit} times; "
                                  "give the final address or raise max_redirects.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_scheme(url: str) -> None:
    scheme = urlsplit(url).scheme.lower()
    if scheme not in ("http", "https"):
        raise DownloadRefused(f"Cannot read {url!r}: only http and https addresses are allowed, not {scheme!r}.")


def download(url: str, *, limits: MediaLimits | None = None) -> Path:
    """Fetch an address into a temporary file, which the caller removes.

    Raises:
        DownloadRefused: not http(s), or over the limits on bytes, seconds or redirects.
        MediaNotFound: the address does not answer, or answers with an error.
    """
    limits = limits or MediaLimits()
    _check_scheme(url)
    # An own opener: only http(s) handlers, so that no redirect can reach file:// or ftp://.
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(),
                    _CountedRedirects(limits.max_redirects), urllib.request.HTTPDefaultErrorHandler(),
                    urllib.request.HTTPErrorProcessor()):
        opener.add_handler(handler)
    request = urllib.request.Request(url, headers={"User-Agent": "mmvideo"})
    deadline = time.monotonic() + limits.max_seconds
    try:
        with (temporary(urlsplit(url).path) as (path, file),
              opener.open(request, timeout=min(30.0, limits.max_seconds)) as response):
            declared = response.headers.get("Content-Length")
            copy_within(response.read1, file, url, limits, deadline,
                        int(declared) if declared and declared.isdigit() else None)
    except TimeoutError as error:
        raise DownloadRefused(f"{url} did not send data in time (limit {limits.max_seconds:g} s).") from error
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError) and 300 <= error.code < 400:
            raise DownloadRefused(f"{url} leads to where it may not: {error}.") from error
        reason = getattr(error, "reason", None)
        if isinstance(reason, TimeoutError):
            raise DownloadRefused(f"{url} did not answer in time (limit {limits.max_seconds:g} s).") from error
        raise MediaNotFound(f"{url} cannot be fetched: {error}.") from error
    return path


@contextmanager
def temporary(name: str) -> Iterator[tuple[Path, BinaryIO]]:
    """Give a temporary file with the suffix of a name, open for writing; it is removed if what follows fails."""
    handle, made = tempfile.mkstemp(prefix="mmvideo-", suffix=Path(name).suffix[:10])
    path = Path(made)
    try:
        with os.fdopen(handle, "wb") as file:
            yield path, file
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def copy_within(read: Callable[[int], bytes], out: BinaryIO, url: str, limits: MediaLimits,
                deadline: float, declared: int | None = None) -> None:
    """Copy what an address sends.

    Args:
        read: returns up to so many bytes, none at the end.
        deadline: moment of `time.monotonic()` at which it takes too long.
        declared: bytes that the other side says it will send.

    Raises:
        DownloadRefused: over the limits on bytes or seconds.
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
        if time.monotonic() > deadline:
            raise DownloadRefused(f"{url} took longer than {limits.max_seconds:g} s (max_seconds).")
        out.write(chunk)
    if declared is not None and total < declared:
        raise MediaNotFound(f"{url} broke off after {total} of {declared} bytes; try again.")


__all__ = ["copy_within", "download", "is_url", "temporary"]
