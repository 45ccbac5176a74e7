"""Ctrl-C and SIGTERM during training: the first asks the run to save after its step, the second stops at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_STATE = {"active": False, "asked": False}


@contextmanager
def listening(active: bool = True) -> Iterator[None]:
    """Say that steps are being taken in here which look at `asked`.

    Args:
        active: whether they do; of several processes, not all would know that one was asked.
    """
    _STATE.update(active=active, asked=False)
    try:
        yield
    finally:
        _STATE.update(active=False, asked=False)


def ask() -> bool:
    """Ask the run to stop after its step; return False where none listens, or it was asked before."""
    if not _STATE["active"] or _STATE["asked"]:
        return False
    _STATE["asked"] = True
    return True


def asked() -> bool:
    """Say whether the run was asked to stop."""
    return _STATE["asked"]


__all__ = ["ask", "asked", "listening"]
