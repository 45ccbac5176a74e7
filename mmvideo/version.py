"""The version of mmvideo, kept in this place alone."""

__version__ = "0.2.0"
