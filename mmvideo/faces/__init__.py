"""Faces: found, followed through the clip, and their mouths cut out at 25 pictures a second.

The finder is imported on first use: it needs torchvision and scipy, which is slow where faces are only handed on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmvideo.faces.tracks import Faces, FaceTrack, TrackGiven

if TYPE_CHECKING:
    from mmvideo.faces.find import FaceFinder, find_faces


def __getattr__(name: str) -> Any:
    if name not in ("FaceFinder", "find_faces"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mmvideo.faces import find

    return getattr(find, name)


__all__ = ["FaceFinder", "FaceTrack", "Faces", "TrackGiven", "find_faces"]
