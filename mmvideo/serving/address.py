"""Resolve the address of a video in a request, if the server's rules allow it."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mmvideo.errors import InvalidInput
from mmvideo.media.addresses import is_public
from mmvideo.serving.rules import Rules

_LONGEST = 8192
"""Characters of an address, other than a data address."""
_STEP = 4 << 20
"""Characters of base64 that are decoded at a time; a multiple of four."""


@dataclass(frozen=True)
class Place:
    """Where a video is."""

    source: Any
    """A checked local path, the content of a file, an address to fetch, a `Slideshow` of pictures, or a `Playlist`."""
    key: str
    """Same for the same video."""
    remote: bool = False
    """Whether it has to be fetched."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """What has to be fetched."""
        return (str(self.source),) if self.remote else getattr(self.source, "addresses", ())

    @property
    def content(self) -> bytes:
        """The file that a data address holds."""
        assert isinstance(self.source, bytes), "only a data address holds a file"
        return self.source


def locate(url: str, rules: Rules) -> Place:
    """Check an address; nothing is opened or fetched.

    Raises:
        InvalidInput: it is malformed, or not allowed.
    """
    if url[:5].lower() == "data:":
        return _data(url)
    if len(url) > _LONGEST:
        raise InvalidInput(f"The address of the video has {len(url)} characters; it can have {_LONGEST}.")
    if not url or any(ord(letter) < 32 or ord(letter) == 127 for letter in url):
        raise InvalidInput("The address of the video is empty or holds control characters.")
    try:
        parts = urlsplit(url)
        scheme, host, _ = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError as error:
        raise InvalidInput(f"The address of the video is malformed: {error}.") from error
    if scheme in ("http", "https"):
        return _remote(url, host, rules)
    if scheme not in ("file", ""):
        raise InvalidInput(f"A video can be at http, https, data or file addresses, not at {scheme!r}.")
    if scheme and host not in ("", "localhost"):
        raise InvalidInput(f"A file address names a file of this machine, as in file:///path, not of {host!r}.")
    return _local(unquote(parts.path) if scheme else url, rules)


def _data(url: str) -> Place:
    comma = url.find(",", 0, 1000)
    if comma < 0 or not url[:comma].lower().endswith(";base64"):
        raise InvalidInput("A data address must read data:video/mp4;base64,...")
    try:
        content = b"".join(base64.b64decode(url[at:at + _STEP], validate=True)
                           for at in range(comma + 1, len(url), _STEP))
    except ValueError as error:
        raise InvalidInput(f"The data address is not base64: {error}.") from error
    return Place(content, hashlib.sha256(content).hexdigest())


def _remote(url: str, host: str, rules: Rules) -> Place:
    if not rules.addresses:
        raise InvalidInput("This server fetches no addresses; send the video as a data address.")
    if not host or " " in url:
        raise InvalidInput(f"{url[:200]!r} is not an http address.")
    if not rules.private_addresses and is_number(host) and not is_public(host):  # names are checked by the download
        raise InvalidInput(f"{host} is on this server's own network, which is not allowed (--private-addresses).")
    return Place(url, url, remote=True)


def _local(name: str, rules: Rules) -> Place:
    try:
        path = Path(name).resolve()
        inside = any(path.is_relative_to(folder.resolve()) for folder in rules.folders)
        if inside and path.is_file():
            changed = path.stat()
            return Place(str(path), f"{path}:{changed.st_mtime_ns}:{changed.st_size}")
    except (OSError, ValueError, RuntimeError) as error:  # too long a name, NUL or surrogates in it, a loop of links
        raise InvalidInput(f"{name[:200]!r} cannot be the name of a file.") from error
    if inside:
        raise InvalidInput(f"There is no file {path.name[:200]!r} in an allowed folder.")
    raise InvalidInput("This server reads no local file there; a link counts as the file that it leads to. Start "
                       "it with --allow FOLDER, or send the video as a data address.")


def is_number(host: str) -> bool:
    """Say whether a host is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


__all__ = ["Place", "Rules", "is_number", "locate"]
