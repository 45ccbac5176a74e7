"""Addresses of models behind a server: `openai://HOST:PORT/NAME`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from mmvideo.errors import InvalidInput, shown
from mmvideo.redaction import redacted
from mmvideo.weights import SERVER_SCHEMES

_BASE = re.compile(r"^(?P<base>(?:.*/)?v\d+)/(?P<name>.+)$")
_EXAMPLE = "openai://localhost:8000/Qwen/Qwen2.5-VL-7B-Instruct, or openai+https://HOST/v1/NAME"


@dataclass(frozen=True)
class ServerAddress:
    """Where a model answers."""

    url: str
    """What requests go to, without a slash at its end: `http://localhost:8000/v1`."""
    name: str
    """What the server calls the model."""

    @property
    def is_private(self) -> bool:
        """Whether what is sent there can be read by nobody on the way: https, or this machine."""
        parts = urlsplit(self.url)
        if parts.scheme == "https" or parts.hostname == "localhost":
            return True
        try:
            return ipaddress.ip_address(parts.hostname or "").is_loopback
        except ValueError:
            return False


def server_address(model: str) -> ServerAddress:
    """Take an address apart. What stands behind the host is the model's name; `/v1/` within it ends the server's path.

    Raises:
        InvalidInput: no host or name, or a password, which belongs into the environment.
    """
    said = shown(redacted(model), 200)
    try:
        parts = urlsplit(model)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput(f"{said} is no address of a server ({error}); it looks like {_EXAMPLE}.") from error
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise InvalidInput(f"{said}: an address of a server holds no password and no key, as it is written into "
                           "results; set MMVIDEO_SERVER_KEY (or OPENAI_API_KEY) in the environment.")
    path = unquote(parts.path.strip("/"))
    found = _BASE.match(path)
    base, name = (found["base"], found["name"]) if found else ("v1", path)
    if not host or not name:
        raise InvalidInput(f"{said} names no {'model' if host else 'host'}; it looks like {_EXAMPLE}.")
    where = f"[{host}]" if ":" in host else host
    return ServerAddress(f"{SERVER_SCHEMES[parts.scheme]}://{where}{'' if port is None else f':{port}'}/{base}", name)


__all__ = ["ServerAddress", "server_address"]
