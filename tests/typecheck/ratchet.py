"""Compare mypy's errors in each part of mmvideo with the numbers in ratchet.json, which only fall.

    python tests/typecheck/ratchet.py            # check (make types)
    python tests/typecheck/ratchet.py --lower    # check, then write the numbers that have fallen

A part that is not listed must be free of errors, and so must tests/typecheck/public.py, which says what a type checker
makes of the public interface: assert_type holds there, and the mistakes that it marks are found.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
NUMBERS = Path(__file__).with_name("ratchet.json")
PUBLIC = "tests/typecheck/public.py"
_ERROR = re.compile(r"^(mmvideo[\\/][^:]+):\d+(?::\d+)?: error: ")


def part_of(file: str) -> str:
    """Return the part of the package that a file belongs to: "media" for mmvideo/media/api.py, "types" for types.py."""
    return Path(file.replace("\\", "/")).parts[1].removesuffix(".py")


def errors_by_part(report: str) -> dict[str, list[str]]:
    """Sort the error lines of a report of mypy by the part of the package that they are in."""
    found: dict[str, list[str]] = {}
    for line in report.splitlines():
        if match := _ERROR.match(line):
            found.setdefault(part_of(match[1]), []).append(line)
    return found


def compared(found: Mapping[str, list[str]], allowed: Mapping[str, int]) -> tuple[list[str], dict[str, int]]:
    """Return the messages about parts with more errors than allowed, and the numbers that have fallen."""
    failures = []
    for part, lines in sorted(found.items()):
        if len(lines) > allowed.get(part, 0):
            failures += [*lines, f"{part}: {_errors(len(lines))}, {allowed.get(part, 0)} allowed; fix those that were "
                                 "added."]
    fallen = {part: len(found.get(part, ())) for part, number in allowed.items() if len(found.get(part, ())) < number}
    return failures, fallen


def public_lines(report: str) -> list[str]:
    """Return the lines of a report that are about the public interface."""
    return [line for line in report.splitlines() if line.replace("\\", "/").startswith(f"{PUBLIC}:")]


def _errors(number: int) -> str:
    return f"{number} type error{'' if number == 1 else 's'}"


def _report() -> tuple[str, int]:
    """Run mypy once on the package and its public interface; return what it prints and its exit status."""
    from mypy import api

    os.chdir(CHECKOUT)
    report, trouble, status = api.run(["--config-file", "pyproject.toml", "mmvideo", PUBLIC])
    return report + trouble, status


def main(arguments: list[str]) -> int:
    """Check every part; return 1 where one has more errors than allowed, 2 where mypy itself fails."""
    report, status = _report()
    if status not in (0, 1):
        sys.stderr.write(report)
        return 2
    allowed: dict[str, int] = json.loads(NUMBERS.read_text(encoding="utf-8"))
    failures, fallen = compared(errors_by_part(report), allowed)
    failures += public_lines(report)
    sys.stdout.write("".join(f"{line}\n" for line in failures))
    if fallen and "--lower" in arguments:
        kept = {part: number for part, number in sorted((allowed | fallen).items()) if number}
        NUMBERS.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    elif fallen:
        words = ", ".join(f"{part} {allowed[part]} -> {number}" for part, number in sorted(fallen.items()))
        sys.stdout.write(f"fewer type errors than recorded ({words}); record it: "
                         "python tests/typecheck/ratchet.py --lower\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
