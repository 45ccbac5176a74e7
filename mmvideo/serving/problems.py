"""Error responses in OpenAI's form, as JSON without NaN."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from mmvideo.errors import InvalidInput, MediaError, MissingExtra, MmvideoError, TimeLimitExceeded

try:
    from starlette.responses import Response
except ImportError as missing:
    raise MissingExtra("starlette", "serve", "serving") from missing

_LONGEST_MESSAGE = 1000
_DRAINED = 64 << 10
"""Bytes of a body that may still be read after its request was refused; a longer one ends the connection."""


class Refused(InvalidInput):
    """A request that is not answered.

    Args:
        field: of the request that is at fault, in OpenAI's name for it.
        status: of HTTP.
        code: for programs.
    """

    def __init__(self, message: str, field: str | None = None, *, status: int = 400, code: str = "invalid_value",
                 headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.field, self.status, self.code, self.headers = field, status, code, dict(headers or {})


class Busy(Refused):
    """No place in the queue, or no memory for another large request."""

    def __init__(self, message: str):
        super().__init__(message, status=429, code="queue_full", headers={"Retry-After": "2"})


class Stopping(Refused):
    """The server ends."""

    def __init__(self) -> None:
        super().__init__("The server is shutting down.", status=503, code="shutting_down")


class Stuck(Refused):
    """The running request does not stop at its time limit, so that no other is answered."""

    def __init__(self) -> None:
        super().__init__("The server still computes for a request whose time limit is over; try again later, or start "
                         "it again.", status=503, code="stuck", headers={"Retry-After": "30"})


class Json(Response):
    """JSON in which NaN and infinities are null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the bytes that are sent."""
        return json_bytes(content)


def json_bytes(value: Any) -> bytes:
    """Return a value as JSON; NaN and infinities become null, and what is not Unicode is replaced."""
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def problem_of(error: BaseException, names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return OpenAI's form of an error; what is no fault of the caller's is named in the log alone.

    Args:
        names: how files are called that the caller knows under another name.
    """
    said = str(error) if isinstance(error, MmvideoError) else "The server failed; its log says why."
    said = with_known_names(said, names or {})
    if len(said) > _LONGEST_MESSAGE:
        said = said[:_LONGEST_MESSAGE] + " ..."
    kind = "invalid_request_error" if _status(error) < 500 else "server_error"
    code = error.code if isinstance(error, Refused) else (
        type(error).__name__ if isinstance(error, MmvideoError) else "internal")
    return {"error": {"message": said, "type": kind, "param": getattr(error, "field", None), "code": code}}


def with_known_names(text: str, names: Mapping[str, str]) -> str:
    """Return a text with the caller's names of files."""
    for ours, theirs in names.items():
        text = text.replace(ours, theirs)
    return text


def error_response(error: BaseException, *, unread: Mapping[str, str] | None = None,
           names: Mapping[str, str] | None = None) -> Response:
    """Return the response to a request that failed.

    Args:
        names: as in `problem_of`.
        unread: headers of the request if its body was not read; the connection then ends where it is long.
    """
    headers = dict(error.headers) if isinstance(error, Refused) else {}
    if isinstance(error, TimeLimitExceeded):  # else OpenAI's clients would send it twice more, to the same end
        headers["x-should-retry"] = "false"
    if unread is not None and ("transfer-encoding" in unread or _long(unread.get("content-length", "0"))):
        headers["Connection"] = "close"
    return Json(problem_of(error, names), _status(error), headers)


def _long(length: str) -> bool:
    return not length.isdecimal() or len(length) > 15 or int(length) > _DRAINED


def _status(error: BaseException) -> int:
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, TimeLimitExceeded):
        return 504
    return 400 if isinstance(error, InvalidInput | MediaError) else 500


__all__ = ["Busy", "Json", "Refused", "Stopping", "Stuck", "error_response", "json_bytes", "problem_of",
           "with_known_names"]
