"""`import mmvideo` is instant and needs no torch; the command's help neither."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

HEAVY = ("torch", "transformers", "av", "numpy", "matplotlib", "cv2", "torchvision")


def _run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_mmvideo_takes_no_torch() -> None:
    loaded = _run(f"import mmvideo, sys; print([name for name in {HEAVY} if name in sys.modules])")
    assert loaded == "[]"


def test_importing_mmvideo_takes_under_100_ms() -> None:
    code = "import time; start = time.process_time(); import mmvideo; print(time.process_time() - start)"
    assert statistics.median(float(_run(code)) for _ in range(5)) < 0.1


def test_threads_that_wait_sleep_unless_told_otherwise() -> None:
    """Threads that spin take the core from what they wait for when another process is busy."""
    code = "import os, sys; given = os.environ.get; {}; import mmvideo; print(given('OMP_WAIT_POLICY'))"
    for before, expected in (("os.environ.pop('OMP_WAIT_POLICY', None)", "PASSIVE"),
                             ("os.environ['OMP_WAIT_POLICY'] = 'ACTIVE'", "ACTIVE"),
                             ("os.environ.pop('OMP_WAIT_POLICY', None), sys.modules.update(torch=sys)", "None")):
        assert _run(code.format(before)) == expected


def test_list_needs_no_torch() -> None:
    code = ("import sys\nfrom mmvideo.cli import main\ntry:\n    main(['list'])\nexcept SystemExit as stop:\n"
            f"    print('EXIT', stop.code, [name for name in {HEAVY} if name in sys.modules])")
    assert _run(code).splitlines()[-1] == "EXIT 0 []"


def test_help_needs_no_torch() -> None:
    code = ("import sys\nfrom mmvideo.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit as stop:\n"
            f"    print('EXIT', stop.code, [name for name in {HEAVY} if name in sys.modules])")
    assert _run(code).splitlines()[-1] == "EXIT 0 []"


def test_help_is_fast() -> None:
    """Count processor time, which does not grow when other programs run beside the tests."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "mmvideo", "ask", "--help"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2.0


def test_public_names_exist() -> None:
    import mmvideo

    for name in mmvideo.__all__:
        assert getattr(mmvideo, name).__name__ == name
    assert set(mmvideo.__all__) <= set(dir(mmvideo))


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    assert _run("import mmvideo\ntry:\n    mmvideo.Pipelin\nexcept AttributeError as e:\n    print(e)") == (
        "module 'mmvideo' has no attribute 'Pipelin'")
