"""Optical flow between neighbouring frames, by any registered method (registry kind "flows")."""
