"""The result of `egocentric`: what is done with what, and when."""

from __future__ import annotations

from dataclasses import dataclass

from mmvideo.results import Result


@dataclass(frozen=True, kw_only=True)
class EgocentricActions(Result):
    """Actions of the person with the camera; `segments` hold each, as "cut onion"."""

    @property
    def text(self) -> str:
        """The actions in the order of time, as "take knife; cut onion"."""
        return "; ".join(one.text for one in self.segments) or "no action"

    @property
    def headline(self) -> str:
        """A line an action."""
        lines = [f"{s.start_seconds:6.2f}-{s.end_seconds:.2f} s  {s.text} ({s.confidence or 0:.0%})"
                 for s in self.segments]
        return "\n".join(lines) or "no action"


__all__ = ["EgocentricActions"]
