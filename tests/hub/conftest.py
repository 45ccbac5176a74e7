"""Checkpoints are made once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hub import checkpoints


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a family's tiny checkpoint."""
    home, made = tmp_path_factory.mktemp("hub"), {}

    def get(family: str) -> Path:
        if family not in made:
            made[family] = checkpoints.make(family, home / family)
        return made[family]

    return get
