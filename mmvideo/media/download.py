"""http(s) addresses to temporary files, within limits."""

from __future__ import annotations

import http.client
import os
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
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
                                  "give the final address or raise MediaLimits.max_redirects.")
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
    suffix = Path(urlsplit(url).path).suffix[:10]
    handle, name = tempfile.mkstemp(prefix="mmvideo-", suffix=suffix)
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file, opener.open(request, timeout=min(30.0, limits.max_seconds)) as response:
            _copy(response, file, url, limits, deadline)
    except TimeoutError as error:
        path.unlink(missing_ok=True)
        raise DownloadRefused(f"{url} did not send data in time (limit {limits.max_seconds:g} s).") from error
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, ValueError) as error:
        path.unlink(missing_ok=True)
        if isinstance(error, urllib.error.HTTPError) and 300 <= error.code < 400:
            raise DownloadRefused(f"{url} leads to where it may not: {error}.") from error
        reason = getattr(error, "reason", None)
        if isinstance(reason, TimeoutError):
            raise DownloadRefused(f"{url} did not answer in time (limit {limits.max_seconds:g} s).") from error
        raise MediaNotFound(f"{url} cannot be fetched: {error}.") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _copy(response, file, url: str, limits: MediaLimits, deadline: float) -> None:
    declared = response.headers.get("Content-Length")
    if declared and declared.isdigit() and int(declared) > limits.max_bytes:
        raise DownloadRefused(f"{url} is {int(declared)} bytes, over the limit of {limits.max_bytes} "
                              "(MediaLimits.max_bytes).")
    total = 0
    while chunk := response.read1(_CHUNK):
        total += len(chunk)
        if total > limits.max_bytes:
            raise DownloadRefused(f"{url} is over the limit of {limits.max_bytes} bytes (MediaLimits.max_bytes).")
        if time.monotonic() > deadline:
            raise DownloadRefused(f"{url} took longer than {limits.max_seconds:g} s (MediaLimits.max_seconds).")
        file.write(chunk)
    if declared and declared.isdigit() and total < int(declared):
        raise MediaNotFound(f"{url} broke off after {total} of {declared} bytes; try again.")
