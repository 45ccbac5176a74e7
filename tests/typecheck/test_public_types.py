"""Type checkers know what a pipeline gives: mypy accepts tests/typecheck/public.py, and finds the mistakes in it."""

from __future__ import annotations

from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PUBLIC = "tests/typecheck/public.py"
api = pytest.importorskip("mypy.api")


@pytest.mark.slow
def test_the_public_interface_has_the_types_that_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors in other files are the ratchet's; the mistakes that the file marks must be found, or mypy complains."""
    monkeypatch.chdir(CHECKOUT)
    report, trouble, _ = api.run(["--config-file", "pyproject.toml", PUBLIC])
    assert not trouble
    assert "Found" in report or "Success" in report, report
    assert [line for line in report.splitlines() if line.startswith(PUBLIC)] == []
