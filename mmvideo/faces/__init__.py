"""Faces: found, followed through the clip, and their mouths cut out at 25 pictures a second."""

from mmvideo.faces.find import FaceFinder, find_faces
from mmvideo.faces.tracks import Faces, FaceTrack, TrackGiven

__all__ = ["FaceFinder", "FaceTrack", "Faces", "TrackGiven", "find_faces"]
