"""What a server allows: the limits of requests, which are also the options of `mmvideo serve`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Rules:
    """What a server allows."""

    folders: tuple[Path, ...] = ()
    """Folders whose files may be named in requests."""
    addresses: bool = True
    """Whether http(s) addresses are fetched."""
    private_addresses: bool = False
    """Also fetch from this machine and its network."""
    max_bytes: int = field(default=256 * 1024 * 1024, metadata={"min": 1})
    """Largest video, in a request or downloaded."""
    max_characters: int = field(default=65_536, metadata={"min": 1})
    """Characters of all messages of a request together."""
    max_new_tokens: int = field(default=1024, metadata={"min": 1})
    """Longest reply that can be asked for, in tokens."""
    download_seconds: float = field(default=60.0, metadata={"min": 1})
    """Longest time that a download may take, in seconds."""
    timeout_seconds: float = 300.0
    """Longest time that a request may compute, in seconds, over which it ends with status 504: decoding, networks and
    reply, without waiting and downloading."""


__all__ = ["Rules"]
