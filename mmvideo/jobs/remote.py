"""Remote storage (s3, gs, az ...) through fsspec, with typed errors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from mmvideo.errors import DownloadRefused, MediaNotFound, MissingExtra, MmvideoError
from mmvideo.media import MediaLimits
from mmvideo.media.deadline import TransferDeadline
from mmvideo.media.download import copy_within, download, is_url, temporary

_OF_CLIENTS = {"botocore.exceptions": ("BotoCoreError", "ClientError"), "aiohttp": ("ClientError",),
               "google.auth.exceptions": ("GoogleAuthError",), "gcsfs.retry": ("HttpError",)}
"""What the packages under fsspec raise beside OSError."""

SCHEMES = ("abfs", "abfss", "az", "gcs", "gs", "hf", "http", "https", "s3", "s3a")
"""Kinds of addresses that a job reads. Of fsspec's others, some name files of this machine (`file`, `local`), some are
made of other addresses (`reference`, `zip`, anything with ``::``)."""
_OWN = "memory"
"""Files in the memory of this process, which a caller may name and a list may not."""


def scheme_of(url: str) -> str:
    """Return what stands before ``://``, small."""
    return url.partition("://")[0].strip().casefold()


def is_remote(source: str) -> bool:
    """Tell whether a source is an address that fsspec reads: any but http(s), which have limits of their own."""
    return is_url(source) and scheme_of(source) not in ("http", "https")


@contextmanager
def in_our_words(url: str) -> Iterator[None]:
    """Turn what fsspec and its clients raise about an address into our errors.

    Raises:
        MediaNotFound: no such file, bucket or scheme, no permission, or nobody answers.
        MissingExtra: the package for this scheme is not installed.
    """
    try:
        yield
    except MmvideoError:
        raise
    except FileNotFoundError as error:
        raise MediaNotFound(f"{url}: no such file{' or bucket' * is_remote(url)}.") from error
    except ImportError as error:
        raise MissingExtra(f"the package for {url.partition('://')[0]} ({error})", "cloud", f"Reading {url}") from error
    except _client_errors() as error:
        raise MediaNotFound(f"{url} cannot be fetched: {error or type(error).__name__}.") from error


def _client_errors() -> tuple[type[Exception], ...]:
    found = (getattr(sys.modules[module], name) for module, names in _OF_CLIENTS.items() if module in sys.modules
             for name in names if hasattr(sys.modules[module], name))
    return (OSError, ValueError, *found)  # ValueError is fsspec's word for an unknown scheme


@contextmanager
def opened(source: str) -> Iterator[Any]:
    """Open a path or an address of fsspec for reading bytes; seeking is allowed.

    Raises:
        MediaNotFound: no such file or address.
        MissingExtra: a package is not installed.
    """
    with ExitStack() as stack:
        with in_our_words(source):
            if is_remote(source):
                system, path = _system(source)
                file = stack.enter_context(system.open(path, "rb"))
            else:
                file = stack.enter_context(open(source, "rb"))
        yield file


def listed(url: str) -> list[str] | None:
    """Return the files that a pattern matches or a folder holds, at any depth, sorted; None for one file.

    Raises:
        MediaNotFound: nothing is there.
        DownloadRefused: not one of `SCHEMES`.
        MissingExtra: a package is not installed.
    """
    system, path = _system(url)
    with in_our_words(url):
        if any(mark in path for mark in "*?["):
            found = system.glob(path)
        elif url.endswith("/") or ("." not in path.rpartition("/")[2] and system.isdir(path)):
            found = system.find(path)
        else:
            return None
        if not found:
            raise MediaNotFound(f"{url}: nothing is there.")
        return sorted(system.unstrip_protocol(name) for name in found)


def _system(url: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtra("fsspec", "cloud", f"Reading {url}") from error
    if scheme_of(url) not in (*SCHEMES, _OWN):
        known = scheme_of(url) in fsspec.available_protocols()
        raise (DownloadRefused if known else MediaNotFound)(
            f"Cannot read {url!r}: a job reads paths, and addresses of the kinds {', '.join(SCHEMES)}.")
    if "::" in url:
        raise DownloadRefused(f"Cannot read {url!r}: addresses made of several (::) are not read.")
    with in_our_words(url):
        return fsspec.core.url_to_fs(url)


def brought(url: str, limits: MediaLimits) -> Path:
    """Fetch an address of any kind into a temporary file, which the caller removes.

    Raises:
        MediaNotFound: no such file or address.
        DownloadRefused: over the limits on bytes, seconds or redirects, or not one of `SCHEMES`.
        MissingExtra: s3 or gs without the package for it.
    """
    if not is_remote(url):
        return download(url, limits=limits)
    deadline = TransferDeadline(url, limits)

    def fetch(out: BinaryIO) -> None:
        with opened(url) as file, in_our_words(url):
            copy_within(file.read, out, url, limits, deadline, file.size)

    with temporary() as (path, out):
        deadline.run(lambda: fetch(out))
    return path


__all__ = ["SCHEMES", "brought", "in_our_words", "is_remote", "listed", "opened", "scheme_of"]
