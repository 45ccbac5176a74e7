"""What is missing or doubtful about a source, collected once each."""

from __future__ import annotations

import threading

_LIMIT = 20


class WarningLog:
    """Warnings in the order of their discovery, without repeats, and never so many that nobody reads them."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self._lock = threading.Lock()

    def add(self, text: str) -> None:
        """Note a warning once."""
        with self._lock:
            if text in self.items or len(self.items) > _LIMIT:
                return
            self.items.append(text if len(self.items) < _LIMIT else "... and more of the same")

    def tuple(self) -> tuple[str, ...]:
        """Return what was noted so far."""
        return tuple(self.items)
