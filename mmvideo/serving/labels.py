"""POST /v1/classify: the labels of one video; the request and the reply have the form of vLLM's /classify."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from mmvideo.results import Classification
from mmvideo.serving.address import Rules, locate
from mmvideo.serving.problems import Refused, with_known_names
from mmvideo.serving.request import Wanted
from mmvideo.types import GenerationOptions

_FIELDS = ("model", "user", "video_url")
_EXAMPLE = "{'video_url': {'url': 'file:///clips/1.mp4'}}"


def read_clip(body: Any, rules: Rules) -> Wanted:
    """Check the body of a request for labels.

    Raises:
        InvalidInput: it is not of the form, or asks for what is not allowed or not supported.
    """
    if not isinstance(body, Mapping):
        raise Refused(f"The body must be a JSON object such as {_EXAMPLE}.", code="invalid_type")
    for name, value in body.items():
        if name not in _FIELDS and value is not None:
            raise Refused(f"{name[:100]!r} is not supported here. Supported are {', '.join(_FIELDS)}.", name[:100],
                          code="unsupported_parameter")
    url, model = body.get("video_url"), body.get("model")
    if isinstance(url, Mapping):
        url = url.get("url")
    if not isinstance(url, str):
        raise Refused(f"'video_url' must hold the address of one video, as in {_EXAMPLE}.", "video_url",
                      code="invalid_type")
    if not isinstance(model, str | None):
        raise Refused("'model' must be a text.", "model", code="invalid_type")
    return Wanted(locate(url, rules), "", GenerationOptions(), model or "")


def labelled(model: str, found: Classification, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the reply: labels of the video, most likely first, and of each shot where the classifier finds shots.

    Args:
        names: how files are called that the caller knows under another name.
    """
    labels = [{"label": one.name, "confidence": one.confidence} for one in found.labels]
    shots = [{"start_seconds": one.start_seconds, "end_seconds": one.end_seconds, "label": one.text,
              "confidence": one.confidence} for one in found.segments]
    return {"id": f"classify-{uuid.uuid4().hex}", "object": "list", "created": int(time.time()), "model": model,
            "data": [{"index": 0, "label": found.label, "labels": labels, "segments": shots}],
            "mmvideo": {"seconds_looked_at": list(found.seconds_looked_at), "in_domain": found.in_domain.inside,
                        "rule": found.rule,
                        "warnings": [with_known_names(warning, names) for warning in found.warnings]}}


__all__ = ["labelled", "read_clip"]
