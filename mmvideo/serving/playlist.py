"""Several videos and pictures of one request, shown to the model one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from mmvideo.media import open_source
from mmvideo.media.joined import JoinedSource
from mmvideo.media.source import Source
from mmvideo.serving.address import Place, locate
from mmvideo.serving.pictures import Picture, Slideshow, slideshow
from mmvideo.serving.problems import Refused
from mmvideo.serving.rules import Rules
from mmvideo.types import Segment

MOST = 16
"""Videos and runs of pictures of a request."""


@dataclass(frozen=True)
class Playlist:
    """Where the parts are, in order."""

    parts: tuple[Place, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        """What has to be fetched."""
        return tuple(dict.fromkeys(str(part.source) for part in self.parts if part.remote))

    def opened(self, files: Mapping[str, str]) -> JoinedSource:
        """Open all parts.

        Args:
            files: the copy of each address.

        Raises:
            MediaError: one cannot be read.
            InvalidInput: one has no moving picture.
        """
        with ExitStack() as undo:
            names: list[str] = []
            sources: list[Source] = []
            for part in self.parts:
                kind = "pictures" if isinstance(part.source, Slideshow) and len(part.source.files) > 1 else \
                    "picture" if isinstance(part.source, Slideshow) else "video"
                names.append(f"{kind} {sum(name.startswith(kind + ' ') for name in names) + 1}")
                given: Any = part.source if not part.remote else files[str(part.source)]
                options: dict[str, Any] = {}
                if isinstance(given, Slideshow):
                    given, options = given.decoded()
                sources.append(undo.enter_context(open_source(given, **options)))
            joined = JoinedSource(sources, names)
            undo.pop_all()
        return joined


def playlist(seen: Sequence[str | Picture], rules: Rules) -> Place:
    """Return the place of what a request shows: a video, pictures, or several of them one after the other.

    Args:
        seen: addresses of videos and pictures, in the order of the messages; a video that is named again is shown once.

    Raises:
        Refused: too many, or pictures that cannot be shown.
        InvalidInput: an address that is not allowed.
    """
    runs: list[str | list[Picture]] = []
    for one in seen:
        if isinstance(one, str):
            if one not in runs:
                runs.append(one)
        elif runs and isinstance(runs[-1], list):
            runs[-1].append(one)
        else:
            runs.append([one])
    if len(runs) > MOST:
        raise Refused(f"A request can hold {MOST} videos and runs of pictures, not {len(runs)}.", "messages")
    places = tuple(locate(run, rules) if isinstance(run, str) else slideshow(run, rules) for run in runs)
    if len(places) == 1:
        return places[0]
    keys = hashlib.sha256("\n".join(place.key for place in places).encode(errors="surrogateescape")).hexdigest()
    return Place(Playlist(places), keys)


def parts_text(segments: Sequence[Segment]) -> str:
    """Return in words which part is shown when."""
    return "; ".join(f"{one.text} from {one.start_seconds:.2f} to {one.end_seconds:.2f} s" for one in segments)


__all__ = ["MOST", "Playlist", "parts_text", "playlist"]
